/**
 * Where the runner of a job keeps its state: on the node's own disk, which is fast, and nothing there is needed when the job is
 * over. A runner that ends in good order takes it away; one that is killed, with its node or by the engine, cannot, and nobody
 * else of that job comes again. So whoever starts on the node later clears away what has been nobody's for a day.
 */
import { createHash } from "node:crypto";
import { lstatSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockFile } from "../store/file-lock.ts";
import { removeCheckout } from "../store/snapshot.ts";

/** What could not be told is there for so long, for who looks for it. */
const KEPT_MS = 86_400_000;

const prefix = (): string => `contrail-${process.getuid?.() ?? 0}-`;
/** After the prefix; folders for sockets (state-folder.ts) have the hash alone. */
const OF_A_JOB = /^.+-[0-9a-f]{12}(?:-\d+)?$/;

export const lockOf = (state: string): string => join(state, "lock");

/**
 * Its name is of this server's allocation alone, by the token: what another server's allocation of the same number left here is
 * not ours to take up.
 */
export function jobState(runnerId: string, tokenFile: string, node: number): string {
  const mark = createHash("sha256").update(readFileSync(tokenFile)).digest("hex").slice(0, 12);
  // Nodes that are none of their own, as in a trial of Slurm on one machine, have one folder for all.
  const which = node === 0 ? "" : `-${node}`;
  return join(tmpdir(), `${prefix()}${runnerId}-${mark}${which}`);
}

/** Removes what runners of jobs that are over left on this node. Never throws. */
export async function clearJobStates(nowMs: number, say: (text: string) => void): Promise<void> {
  const own = prefix();
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    if (!name.startsWith(own) || !OF_A_JOB.test(name.slice(own.length))) continue;
    const path = join(tmpdir(), name);
    try {
      if (!isLeft(path, nowMs)) continue;
      const lock = lockFile(lockOf(path));
      if (lock === undefined) continue;
      try {
        await removeCheckout(path);
      } finally {
        lock.release();
      }
      say(`${path}: removed; the runner of a job that is over left it behind`);
    } catch (error) {
      say(`${path}: left behind by a job, and could not be removed: ${(error as Error).message}`);
    }
  }
}

/** Anybody may make folders where ours are: only what nobody but us can have filled is touched. Half removed, it may be readable. */
function isLeft(path: string, nowMs: number): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return (
    found?.isDirectory() === true &&
    found.uid === (process.getuid?.() ?? found.uid) &&
    (found.mode & 0o022) === 0 &&
    nowMs - found.mtimeMs > KEPT_MS
  );
}
