/** How long the steps of a run took, from when they were reported. */

/** A metric's value as it was reported; several of one step are one report. */
export interface Reported {
  readonly run: number;
  readonly step: number;
  /** RFC 3339. */
  readonly time: string;
  readonly superseded?: boolean;
}

/**
 * Seconds of a step, one a pair of steps that were reported one after the other in the last run. Where a program reports every
 * tenth step only, a tenth of the time between two reports.
 * @param warmup steps that do not count: the first does more than the others (it compiles, reads, fills caches). At least 1,
 *   since nobody knows when the first began
 */
export function stepTimes(reports: readonly Reported[], warmup: number): number[] {
  const last = reports.reduce((most, { run }) => Math.max(most, run), 0);
  const at = new Map<number, number>();
  for (const { run, step, time } of reports) {
    const ms = Date.parse(time);
    // What is reported of a step later than its first metric belongs to what comes after.
    if (run === last) at.set(step, Math.min(at.get(step) ?? Number.POSITIVE_INFINITY, ms));
  }
  const steps = [...at.keys()].toSorted((a, b) => a - b);
  const from = steps[0] ?? 0;
  return steps.slice(1).flatMap((step, i) => {
    const before = steps[i] as number;
    if (before < from - 1 + warmup) return [];
    const ms = (at.get(step) as number) - (at.get(before) as number);
    return [ms / 1000 / (step - before)];
  });
}
