/**
 * Names of files and folders that are not whole yet: they tell who writes them, so that whoever comes next can take away
 * what nobody will finish. Other processes may write in the same folder.
 */
import { randomBytes } from "node:crypto";

/** Tells what this process writes from what another with the same id did: an earlier one, or one in another container. */
const run = randomBytes(6).toString("hex");

/** Names this process; a number of its own may follow, after a hyphen. */
export const thisWriter = `${process.pid}-${run}`;

/** @returns whether that writer is gone; undefined where it is no writer's name */
export function isAbandoned(writer: string): boolean | undefined {
  const [, pid, its] = /^([0-9]+)-([0-9a-f]{12})(?:-[0-9]+)?$/.exec(writer) ?? [];
  if (pid === undefined) return undefined;
  return Number(pid) === process.pid ? its !== run : !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
