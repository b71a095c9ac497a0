/** How an allocation ended: each of its ranks, and which of them ended the others. */
export interface RankExit {
  readonly rank: number;
  readonly code: number | null;
  readonly signal: string | null;
}

/** How a rank ended, with what is known of it besides. */
export interface RankEnded extends RankExit {
  /** Who says that memory ran out. */
  readonly outOfMemory: string | null;
  /** Why its program was never started. */
  readonly fault?: string;
  /** What took it away, where that was no doing of its own; then code and signal say nothing. */
  readonly lost?: string;
}

export interface AllocationExit {
  readonly kind: "processes" | "launch_failed" | "runner_lost";
  /** In the order in which they ended, but for the one that ended the others, which is first. */
  readonly processes: readonly RankExit[];
  readonly outOfMemory: string | null;
  readonly signalsSent: readonly string[];
  readonly yielded: boolean;
  /** The first of `processes` failed by itself, and the others were ended for it. */
  readonly broken?: true;
  /** Present where it was ended because it had said nothing for so long. */
  readonly silentMs?: number;
  readonly detail: string;
}

/** The end of what this runner did not see end. */
export const lostExit = (detail: string): AllocationExit => ({
  kind: "runner_lost",
  processes: [],
  outOfMemory: null,
  signalsSent: [],
  yielded: false,
  detail,
});

/**
 * The rank that ended the others. As a rule it is the first that failed; but a rank whose peer is killed fails by itself a
 * moment later, and which of the two ends is heard first is chance. A SIGKILL that we did not send comes from outside
 * and follows from nothing, so it is the cause wherever it stands. Not so other signals: libraries that are torn down die of some.
 */
export function causeOf(
  exits: readonly RankExit[],
  signalsSent: readonly string[],
): RankExit | undefined {
  const failed = exits.filter(({ code }) => code !== 0);
  // A shell, and a container, turn the signal into a code.
  const fromOutside = ({ signal, code }: RankExit): boolean =>
    (signal === "SIGKILL" || code === 137) && !signalsSent.includes("SIGKILL");
  return failed.find(fromOutside) ?? failed[0];
}

export const brokenBy = ({ rank, code, signal }: RankExit): string =>
  `rank ${rank} ended first, with ${signal === null ? `code ${code}` : `signal ${signal}`}; the others were stopped`;
