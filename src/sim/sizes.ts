/**
 * How large a run is.
 *
 * What counts is how soon a mistake is found for the time that it takes, and a small run costs a fraction of a large one:
 * `docs/simulator.md` has what was measured. Some large ones remain, because there are mistakes that only many trials, many
 * events or a long time bring about.
 */
import type { Random } from "../base/random.ts";

export interface Size {
  readonly name: "tiny" | "small" | "middle" | "large" | "fleet";
  /** At most; of the first runner, which the others are no wider than. */
  readonly slots: number;
  readonly runners: number;
  readonly experiments: number;
  /** Of an experiment, and of a trial, mostly; a few are some times as large. */
  readonly trials: number;
  readonly steps: number;
  /** What people do to experiments. */
  readonly acts: number;
  /** How long the trouble lasts, and how far apart troubles are, against a large run. */
  readonly pace: number;
  /** As many nodes and experiments as there may be, in every run. */
  readonly isFull?: boolean;
}

export const SIZES = {
  tiny: {
    ...{ name: "tiny", slots: 2, runners: 2, experiments: 1, trials: 2, steps: 2, acts: 3 },
    pace: 0.3,
  },
  small: {
    ...{ name: "small", slots: 3, runners: 2, experiments: 2, trials: 3, steps: 3, acts: 5 },
    pace: 0.4,
  },
  middle: {
    ...{ name: "middle", slots: 5, runners: 2, experiments: 3, trials: 4, steps: 4, acts: 8 },
    pace: 0.7,
  },
  large: {
    ...{ name: "large", slots: 8, runners: 3, experiments: 4, trials: 5, steps: 4, acts: 10 },
    pace: 1,
  },
  // Row F25 as it is written, fifty nodes and a thousand trials: a run takes as long as thousands of the others, so none draws it.
  fleet: {
    ...{ name: "fleet", slots: 8, runners: 50, experiments: 25, trials: 120, steps: 4, acts: 60 },
    ...{ pace: 1, isFull: true },
  },
} as const satisfies Record<string, Size>;

export function drawSize(random: Random): Size {
  const share = random.unit();
  if (share < 0.2) return SIZES.tiny;
  if (share < 0.85) return SIZES.small;
  return share < 0.95 ? SIZES.middle : SIZES.large;
}
