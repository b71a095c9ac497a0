/**
 * How the trials of an experiment ended, for the last words about it: how many trained to the end, how many
 * the search stopped, and what went wrong with most of those that failed. Pure.
 *
 * The states alone do not tell: a trial that the search stopped early has completed as well as one that
 * trained to the end, and "3 errored" sends a person looking for what the server knows already.
 */
import type { EndReason, Trial, TrialDetail } from "../protocol/api.ts";
import { plural } from "./figures.ts";
import { inert } from "./inert.ts";
import type { Paint } from "./paint.ts";

export interface Endings {
  readonly finished: number;
  readonly stoppedEarly: number;
  /** The commonest way in which trials failed; null when none did. */
  readonly failure: {
    /** How many failed like this, of how many trials. */
    readonly trials: number;
    readonly of: number;
    readonly text: string;
    /** One of them. */
    readonly trial: string;
  } | null;
}

/** @param trials all of the experiment */
export function endingsOf(trials: readonly Trial[]): Endings {
  const ended = (reason: EndReason): number =>
    trials.filter((trial) => trial.end_reason === reason).length;
  const groups = Map.groupBy(
    trials.filter((trial) => trial.state === "error"),
    failureText,
  );
  const [text, alike = []] =
    [...groups].toSorted(([, a], [, b]) => b.length - a.length)[0] ?? ([""] as const);
  const first = alike[0];
  return {
    finished: ended("finished"),
    stoppedEarly: ended("stopped_by_search"),
    failure:
      first === undefined
        ? null
        : { trials: alike.length, of: trials.length, text, trial: first.id },
  };
}

/** Why it failed, without the restarts that did not help: those may differ from trial to trial. */
export const failureText = (trial: Pick<Trial, "reason">): string =>
  trial.reason.replace(/; max_restarts \(\d+\) are used up$/, "");

/** `36: 8 trained to the end, 28 stopped early`; the states where the ends are not known. */
export function completedText(completed: number, endings: Endings | null): string {
  if (endings === null || endings.finished + endings.stoppedEarly !== completed)
    return `${completed} completed`;
  return [
    [endings.finished, "trained to the end"] as const,
    [endings.stoppedEarly, "stopped early"] as const,
  ]
    .filter(([n]) => n > 0)
    .map(([n, words]) => `${n} ${words}`)
    .join(", ");
}

const LAST_LINES = 10;

/** `3 of 3 errored: …`, and the last that one of them said. @param trial the one that `failure` names */
export function failureLines(
  failure: NonNullable<Endings["failure"]>,
  trial: Pick<TrialDetail, "last_lines"> | null,
  paint: Paint,
): string[] {
  const { of, text } = failure;
  const lines = trial?.last_lines.slice(-LAST_LINES) ?? [];
  return [
    `${paint.red(`${failure.trials} of ${plural(of, "trial")} errored:`)} ${inert(text)} (trial ${failure.trial})`,
    ...(lines.length === 0 ? [] : [paint.dim("last lines of its output:")]),
    ...lines.map((line) => `  ${inert(line)}`),
  ];
}
