/** What can be done to an experiment as it is now; the server decides in the end. */
import type { Experiment, ExperimentAct } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { actOn } from "../../live/experiment.ts";
import { type Action, verbActions } from "../../parts/actions.tsx";
import type { CopyActions } from "../../parts/copy-actions.ts";

export function experimentActions(experiment: Experiment, { fork }: CopyActions): Action[] {
  const { id, state } = experiment;
  if (experiment.deleted !== null) return actsOnEnded(experiment);
  if (experiment.ended_at !== null) return [fork(id), ...actsOnEnded(experiment)];
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
  if (state === "active") return [fork(id), pause, cancel, kill];
  if (state === "paused") return [fork(id), activate, cancel, kill];
  return [fork(id), kill];
}

function actsOnEnded({ id, archived_at: archived, deleted }: Experiment): Action[] {
  const action = (act: ExperimentAct, label: string, meaning: string, danger = false): Action => ({
    ...{ label, meaning, danger },
    command: `contrail experiment ${act} ${id}`,
    run: () => actOn(id, act),
  });
  if (deleted !== null)
    return [action("restore", "Restore", "It is there again, whole, in the lists as before.")];
  return [
    archived === null
      ? action("archive", "Archive", "It leaves the usual list. Nothing of it is lost.")
      : action("unarchive", "Unarchive", "It comes back to the usual list."),
    action(
      "delete",
      "Delete",
      "It leaves every list, and after a while nothing is left of it but its place in the log. Until then it can be restored.",
      true,
    ),
  ];
}
