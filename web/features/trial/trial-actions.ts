/** What can be done to a trial as it is now; the server decides in the end. */
import type { Trial } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { type Action, verbActions } from "../../parts/actions.tsx";
import type { CopyActions } from "../../parts/copy-actions.ts";

export function trialActions({ id, state }: Trial, copies: CopyActions): Action[] {
  const action = verbActions("trial", id, (verb) => client.changeTrial(id, verb));
  const pause = action(
    "pause",
    "Pause",
    "It saves a checkpoint and gives its slots back. Nothing is lost; it can go on later.",
  );
  const activate = action("activate", "Go on", "It waits for slots and goes on where it was.");
  const cancel = action(
    "cancel",
    "Stop",
    "It ends, after saving a checkpoint. It cannot go on afterwards.",
    true,
  );
  const kill = action(
    "kill",
    "Kill",
    "It ends at once: what it did after its last checkpoint is lost.",
    true,
  );
  switch (state) {
    case "queued":
    case "starting":
    case "running":
    case "waiting":
      return [pause, cancel, kill];
    case "pausing":
    case "paused":
      return [activate, cancel, kill];
    case "stopping":
      return [kill];
    default:
      return [copies.fork(id), copies.replay(id)];
  }
}
