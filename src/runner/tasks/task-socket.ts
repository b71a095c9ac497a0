/**
 * Where the program of a task listens: a Unix socket in a folder of its own beside the trial's, so that a container
 * can be given the folder before the socket is there, and nobody but the runner's user gets in.
 */
import { chownSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";

/** @param socketPath of the trial; the path of this one is no longer than that, because sockets' paths are short */
export const taskSocketOf = (socketPath: string): string =>
  `${socketPath.replace(/\.sock$/, "")}.t/s`;

/** Does it listen for whoever opens it? */
export const serves = (launch: Pick<LaunchSpec, "task">): boolean =>
  launch.task !== undefined && launch.task.kind !== "command";

/** Makes the folder, empty. @param owner whom the program runs as; null = as the runner */
export function makeTaskSocketFolder(
  socketPath: string,
  owner: { readonly uid: number; readonly gid: number } | null,
): void {
  dropTaskSocket(socketPath);
  const folder = dirname(taskSocketOf(socketPath));
  mkdirSync(folder, { mode: 0o700 });
  if (owner !== null) chownSync(folder, owner.uid, owner.gid);
}

export const dropTaskSocket = (socketPath: string): void =>
  rmSync(dirname(taskSocketOf(socketPath)), { recursive: true, force: true });
