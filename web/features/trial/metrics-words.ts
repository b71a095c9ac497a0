/** What the chart of one metric says, and which of its points belong to which line. Pure. */
import { fromWire } from "../../../src/base/json.ts";
import { measured, plural, steps } from "../../../src/cli/figures.ts";
import type { Checkpoint, MetricsReply } from "../../../src/protocol/api.ts";

export type Series = MetricsReply["series"][number];

export interface Line {
  readonly id: string;
  readonly label: string;
  readonly colour: number | undefined;
  readonly points: readonly (readonly [number, number])[];
}

/** What counts is one line over all allocations; what was repeated later is a quiet one for each allocation. */
export function metricLines({ name, points }: Series): Line[] {
  const counting: [number, number][] = [];
  const repeated = new Map<number, [number, number][]>();
  for (const { step, value, run, superseded } of points) {
    const point: [number, number] = [step, fromWire(value)];
    if (superseded !== true) counting.push(point);
    else repeated.set(run, [...(repeated.get(run) ?? []), point]);
  }
  const quiet = [...repeated].map(([run, own]) => ({
    ...{ id: `run ${run}`, label: `${name}, superseded points of allocation ${run}` },
    ...{ colour: undefined, points: own },
  }));
  return [...quiet, { id: name, label: name, colour: 0, points: counting }];
}

export function metricSentence(series: Series, unit: string): string {
  const counting = series.points.filter(({ superseded }) => superseded !== true);
  const finite = counting
    .map(({ step, value, min, max }) => ({
      step,
      value: fromWire(value),
      low: fromWire(min ?? value),
      high: fromWire(max ?? value),
    }))
    .filter(({ value }) => Number.isFinite(value));
  const [first, last] = [finite[0], finite.at(-1)];
  if (!first || !last) return "No finite value was reported.";
  const low = finite.reduce((a, b) => (b.low < a.low ? b : a));
  const high = finite.reduce((a, b) => (b.high > a.high ? b : a));
  const strange = counting.length - finite.length;
  const odd =
    strange === 0 ? "" : ` ${plural(strange, "value")} (NaN or infinite) cannot be drawn.`;
  const way =
    first === last
      ? `It was ${measured(first.value, 5)} after ${steps(first.step, unit)}.`
      : `From ${measured(first.value, 5)} to ${measured(last.value, 5)} over ${steps(last.step, unit)}; ` +
        `lowest ${measured(low.low, 5)} ${where(low.step, unit, series.thinned)}, ` +
        `highest ${measured(high.high, 5)} ${where(high.step, unit, series.thinned)}.`;
  return way + odd;
}

const where = (step: number, unit: string, thinned: boolean): string =>
  `${thinned ? "around" : "after"} ${steps(step, unit)}`;

/** The last checkpoint at or before a step, else the first after it. */
export function nearestCheckpoint<T extends Pick<Checkpoint, "step">>(
  checkpoints: readonly T[],
  step: number,
): T | undefined {
  const before = checkpoints
    .filter((one) => one.step <= step)
    .reduce<T | undefined>((best, one) => (best && best.step >= one.step ? best : one), undefined);
  return (
    before ??
    checkpoints.reduce<T | undefined>(
      (best, one) => (best && best.step <= one.step ? best : one),
      undefined,
    )
  );
}
