/**
 * Which acts on experiments and trials are refused because of what has become of them.
 *
 * Something that is ending can't be paused or activated any more, and whoever asks is told so rather than that it was done.
 * To cancel or kill what has ended already is no mistake: it is as it was asked to be.
 */
import { isOver } from "../../core/lifecycle/experiment.ts";
import { trialStateName } from "../../core/lifecycle/trial.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { LiveExperiment } from "../live-experiment.ts";

export type Verb = "activate" | "pause" | "cancel" | "kill";

/** @param state of one that is not in memory any more @throws ContrailError conflict, before anything is changed */
export function refuseOnExperiment(
  verb: Verb,
  id: number,
  live: LiveExperiment | undefined,
  state: string,
): void {
  const run = live?.x.core.run;
  const ending = live === undefined || run === "stopping" || isOver(live.x.core);
  if (ending) refuse(verb, `experiment ${id}`, run ?? state, `contrail experiment show ${id}`);
}

/** @param state of one that is not in memory any more @throws ContrailError conflict, before anything is changed */
export function refuseOnTrial(
  verb: Verb,
  number: number,
  live: LiveExperiment | undefined,
  { id, state }: { id: string; state: string },
): void {
  const trial = live?.x.trials.get(number);
  if (trial && trial.over === null && trial.ending === null) return;
  const shown = trial && live ? trialStateName(trial, live.x.core.run === "paused") : state;
  refuse(verb, `trial ${id}`, shown, `contrail trial show ${id}`);
}

function refuse(verb: Verb, what: string, state: string, look: string): void {
  if (verb === "cancel" || verb === "kill") return;
  const done = verb === "pause" ? "paused" : "activated";
  throw new ContrailError(
    "conflict",
    `${what} is ${state}; only one that is neither stopping nor over can be ${done}`,
    { hint: `See how it ended: ${look}.` },
  );
}
