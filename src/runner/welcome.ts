/** What a rank is told when it says hello. */
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import type { Orders, ToTrial } from "../protocol/trial-socket.ts";
import type { PreparedWorkspace } from "./workspace.ts";

type Welcome = Extract<ToTrial, { type: "welcome" }>;

export function welcomeOf(
  launch: LaunchSpec,
  prepared: Pick<PreparedWorkspace, "data" | "restore">,
  now: { readonly rank: number; readonly checkpointDir: string; readonly orders: Orders },
): Welcome {
  const { experiment, trial, allocation, seed, unit, ranks: size } = launch;
  return {
    ...{ type: "welcome", experiment, trial, allocation, seed, unit, size },
    params: launch.params as Welcome["params"],
    ...{ data: prepared.data, restore: prepared.restore },
    ...(launch.openEnded === true ? { openEnded: true } : {}),
    ...(launch.checkpointSteps ? { checkpointSteps: launch.checkpointSteps } : {}),
    observes: true,
    ...now,
  };
}
