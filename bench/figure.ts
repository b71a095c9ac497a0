/** One line of the benchmark's table: a figure, what stands beside it, and whether it met its aim. */

export interface Quartiles {
  readonly low: number;
  readonly median: number;
  readonly high: number;
  /** How many values it stands for. */
  readonly count: number;
}

export interface Figure {
  /** Of the measure it belongs to, as on the command line. */
  readonly measure: string;
  readonly what: string;
  readonly unit: string;
  readonly value: Quartiles;
  /** The least that the machine could do for the same work, in the same unit, in the same run. */
  readonly floor: Quartiles | null;
  readonly floorWhat: string;
  /** Of the pairs, each taken in neighbouring windows. */
  readonly ratio: Quartiles | null;
  readonly aim: string;
  /** null: there is no aim, or the machine was too noisy to tell. */
  readonly met: boolean | null;
  /** CPU time of all processes of the subject, e.g. `0.41 ms a report (floor 0.09)`. */
  readonly cpu: string;
  readonly note: string;
}

/** @param values in any order, at least one */
export function quartiles(values: readonly number[]): Quartiles {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    low: quantile(sorted, 0.25),
    median: quantile(sorted, 0.5),
    high: quantile(sorted, 0.75),
    count: sorted.length,
  };
}

/** Linear between neighbours. @param sorted ascending, at least one @param share 0 … 1 */
export function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] as number;
  const above = sorted[Math.ceil(at)] as number;
  return below + (above - below) * (at - Math.floor(at));
}

/** Of unsorted values. */
export const quantileOf = (values: readonly number[], share: number): number =>
  quantile(
    values.toSorted((a, b) => a - b),
    share,
  );

/** The bad end of delays: p50, p99 and the maximum, where other figures have their quartiles. */
export function tail(latenciesMs: readonly number[], share = 0.99): Quartiles {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const at = (of: number): number => (sorted.length === 0 ? Number.NaN : quantile(sorted, of));
  return { low: at(0.5), median: at(share), high: at(1), count: sorted.length };
}
