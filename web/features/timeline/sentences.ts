/** What the charts of time say, and the stragglers among the spans. Pure. */
import type { SlotGrant, SlotUse, Span } from "../../../src/analysis/slot-use.ts";
import type { withoutStopping } from "../../../src/analysis/without-stopping.ts";
import { count, duration, measured, plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Experiment, ProgressReply } from "../../../src/protocol/api.ts";

export const AGAINST = ["time", "steps", "slot-hours"] as const;
export type Against = (typeof AGAINST)[number];

export function bestSentence(
  { unit, spent }: Experiment,
  { metric, items, total }: ProgressReply,
  full: ReturnType<typeof withoutStopping>,
  beganMs: number,
): string {
  const best = items.at(-1);
  if (!best) return "";
  const after = duration((Date.parse(best.at) - beganMs) / 1000);
  const saved = full
    ? ` Without early stopping the search would have trained ${count(full.steps)} ${inert(unit)} instead of ${count(spent.steps)}, ` +
      `${measured(full.factor, 2)} times as many; at the measured pace in ${duration(full.seconds)} and ${duration(full.slotSeconds)} of slots.`
    : "";
  return (
    `The best ${inert(metric)} so far, ${measured(best.objective)}, came from trial ${best.trial} after ${after}, ` +
    `${count(best.steps)} ${inert(unit)} and ${duration(best.slot_seconds)} of slots; ${plural(total, "improvement")} in all.${saved}`
  );
}

/** At least this many times as long as the middle one, and there must be a middle. */
const STRAGGLER_FACTOR = 3;
const SPANS_MIN = 5;

/** Spans that are much longer than the middle one. */
export function stragglers<G extends SlotGrant>(use: SlotUse<G>): ReadonlySet<string> {
  const spans = new Map<string, Span<G>>();
  for (const { spans: own } of use.lanes) for (const span of own) spans.set(span.grant.id, span);
  if (spans.size < SPANS_MIN) return new Set();
  const lengths = [...spans.values()].map(({ fromMs, toMs }) => toMs - fromMs);
  const middle = lengths.toSorted((a, b) => a - b)[Math.floor(lengths.length / 2)] as number;
  return new Set(
    [...spans.values()]
      .filter(({ fromMs, toMs }) => middle > 0 && toMs - fromMs >= STRAGGLER_FACTOR * middle)
      .map(({ grant }) => grant.id),
  );
}

export function timelineSentence<G extends SlotGrant>(
  use: SlotUse<G>,
  slow: ReadonlySet<string>,
): string {
  const { lanes, spans, busyShare, fromMs, toMs, longestIdle } = use;
  const idle = longestIdle
    ? ` The longest idle stretch was ${duration((longestIdle.toMs - longestIdle.fromMs) / 1000)}, on ${inert(longestIdle.slot)}.`
    : "";
  const long =
    slow.size > 0
      ? ` ${plural(slow.size, "span")} took at least ${STRAGGLER_FACTOR} times as long as the middle one.`
      : "";
  return (
    `${plural(lanes.length, "slot")} worked ${Math.round(busyShare * 100)} % of ${duration((toMs - fromMs) / 1000)} ` +
    `for this experiment, in ${plural(spans, "span")}.${idle}${long}`
  );
}
