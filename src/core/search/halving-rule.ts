/**
 * Successive halving, whole: of those who arrived at a rung the best 1/divisor may go on.
 *
 * The three forms differ only in *when* they may (Jamieson and Talwalkar 2016, section 2; Li et al.
 * 2017, "Hyperband", Algorithm 1; Li et al. 2020, "A System for Massively Parallel Hyperparameter
 * Tuning", Algorithm 2):
 *
 * - synchronous: once everybody has arrived;
 * - promoting: as soon as the number of arrivals allows it, at the price of a few wrong promotions;
 * - stopping: at once or never; the first to arrive always passes, since nobody is there to compare.
 *
 * A closed rung (nobody else can arrive) lets at least its best go on, so that a search with more
 * rungs than its trials can fill still trains one of them to the end.
 */
export type Timing = "synchronous" | "promoting" | "stopping";

/**
 * How many of a rung's best may go on.
 * @param arrived trials that arrived so far, the failed ones included
 * @param closed nobody else can arrive
 * @returns 0 … arrived
 */
export function passingCount(
  timing: Timing,
  { arrived, divisor, closed }: { arrived: number; divisor: number; closed: boolean },
): number {
  if (timing === "synchronous" && !closed) return 0;
  const atLeast = timing === "stopping" || closed ? 1 : 0;
  return Math.min(arrived, Math.max(Math.floor(arrived / divisor), atLeast));
}
