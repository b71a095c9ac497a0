/** Trials and their allocations. */
import { z } from "zod";
import { wireNumber } from "../runner-wire.ts";
import { count, pageQuery, time } from "./common.ts";
import { standing } from "./plan.ts";
import { allocationEnd, endReason, trialState } from "./state.ts";
import { shownVerdict, verdictState } from "./verdict.ts";

/** Not heard, and presumed to go on: a flag beside the state and no part of it. */
export const silence = z.object({
  runner: z.string(),
  since: time,
  /** Null = not since the server started. */
  heard_at: time.nullable(),
  /** When the engine last said that the runner lives, where it was asked. */
  alive_at: time.nullable(),
});
export type Silence = z.infer<typeof silence>;

export const allocation = z.object({
  id: z.string(),
  run: count,
  /** Slots granted, e.g. cpu:0. */
  slots: z.array(z.string()),
  runner: z.string(),
  /** Where it is on several: how they call themselves, that of rank 0 first. Absent: one, or not heard yet. */
  nodes: z.array(z.string()).optional(),
  state: z.enum(["assigned", "running", "ended"]),
  /** Steps before this one come from the checkpoint that it started from. */
  start_step: count,
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  end: allocationEnd.nullable(),
  /** As the kernel gave it. */
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  /** When the runner told of that exit: later than `ended_at` where the allocation had been given up before, null where
   *  nobody has told yet. */
  exit_heard_at: time.nullable(),
  reason: z.string(),
});

export const trial = z.object({
  id: z.string(),
  experiment: z.int(),
  number: count,
  state: trialState,
  reason: z.string(),
  end_reason: endReason.nullable(),
  hyperparameters: z.record(z.string(), z.json()),
  seed: z.int(),
  bracket: count,
  /** Where the search wants it to train to; null = on and on. */
  target: count.nullable(),
  /** The last step reported. */
  step: count,
  objective: wireNumber.nullable(),
  best: z.object({ step: count, objective: wireNumber }).nullable(),
  checkpoint: z.object({ id: z.string(), step: count }).nullable(),
  restarts: count,
  /** Whether it came out the same when it was run again; null = it was not. Of a replay: what came of that. */
  verdict: shownVerdict.nullable(),
  /** Present while its runner is silent. */
  silent: silence.optional(),
  slot_seconds: z.number(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
});
export type Trial = z.infer<typeof trial>;

export const trialDetail = trial.extend({
  allocations: z.array(allocation),
  /** The search's and the scheduler's decisions about it, oldest first. */
  decisions: z.array(
    z.object({
      at: time,
      what: z.enum(["create", "train", "pause", "stop"]),
      target: count.nullable(),
      code: z.string(),
      text: z.string(),
      standing: standing.nullable(),
    }),
  ),
  /** Metric names whose values were refused because they were not numbers: name → what they were. */
  refused_metrics: z.record(z.string(), z.string()),
  metric_names: z.array(z.string()),
  /** The last lines of its output when it failed. */
  last_lines: z.array(z.string()),
  /** The image that its latest run was in, and what that name stood for; absent where it ran in none. */
  container: z.object({ run: count, image: z.string(), digest: z.string() }).optional(),
});
export type TrialDetail = z.infer<typeof trialDetail>;

export const trialsQuery = pageQuery.extend({
  state: trialState.optional(),
  /** Only those whose latest verdict is this; none: those that have none. */
  verdict: z.enum([...verdictState.options, "none"]).optional(),
  /** `best`: by the objective, best first, those without one last. */
  order: z.enum(["number", "best"]).default("number"),
});
