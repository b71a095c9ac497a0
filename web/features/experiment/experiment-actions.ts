/** What can be done to an experiment as it is now; the server decides in the end. */
import type { Experiment } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { type Action, verbActions } from "../../parts/actions.tsx";

export function experimentActions({ id, state }: Experiment): Action[] {
  const action = verbActions("experiment", id, (verb) => client.changeExperiment(id, verb));
  const pause = action(
    "pause",
    "Pause",
    "Its trials save a checkpoint and give their slots back. Nothing is lost; it can go on later.",
  );
  const activate = action("activate", "Go on", "Its trials wait for slots and go on from there.");
  const cancel = action(
    "cancel",
    "Cancel",
    "It ends: trials that run save a checkpoint first. It cannot go on afterwards.",
    true,
  );
  const kill = action(
    "kill",
    "Kill",
    "It ends at once: what trials did after their last checkpoint is lost.",
    true,
  );
  if (state === "active") return [pause, cancel, kill];
  if (state === "paused") return [activate, cancel, kill];
  return state === "stopping" ? [kill] : [];
}
