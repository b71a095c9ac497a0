/** One metric of many trials at once, thinned for a screen. */
import { z } from "zod";
import { wireNumber } from "../runner-wire.ts";
import { count, text } from "./common.ts";
import { trialState } from "./state.ts";

export const CURVES_MAX = 1_000;
/** Of one answer: a thousand trials have room for 400 points each. */
export const CURVE_POINTS_MAX = 400_000;

const step = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const query = z.strictObject({
  /** Absent = the metric that the search judges by. */
  metric: text(256).min(1).optional(),
  /** Each curve has at most this many points: the last one of each bucket of steps. */
  points: z.coerce.number().int().min(1).max(2_000).default(200),
  /** At most this many trials, the best first. */
  limit: z.coerce.number().int().min(1).max(CURVES_MAX).default(200),
  /** Only steps from this one on, so that a stretch of long curves has all the points. */
  from_step: step.optional(),
  /** Only steps up to this one, it included. */
  to_step: step.optional(),
});
export const curvesQuery = query
  .refine(
    ({ points, limit }) => points * limit <= CURVE_POINTS_MAX,
    `points times limit must be at most ${CURVE_POINTS_MAX}`,
  )
  .refine(
    ({ from_step: from = 0, to_step: to = Number.MAX_SAFE_INTEGER }) => from <= to,
    "from_step must not be after to_step",
  );

export const curve = z.object({
  trial: z.string(),
  state: trialState,
  /** [step, value], in order of step; superseded ones are left out. */
  points: z.array(z.tuple([count, wireNumber])),
});
export type Curve = z.infer<typeof curve>;

export const curvesReply = z.object({
  experiment: z.int(),
  metric: z.string(),
  unit: z.string(),
  smaller_is_better: z.boolean(),
  /** Of the experiment; more than there are curves when `limit` cut them. */
  trials_total: count,
  items: z.array(curve),
});
export type CurvesReply = z.infer<typeof curvesReply>;
