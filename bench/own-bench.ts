/** A bench for measures, over a folder of its own that is gone after it, with whatever a failed measure left. */
import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { realClock } from "../src/base/real-clock.ts";
import { isServerProcess, readNote } from "../src/cli/server-process.ts";
import { stopRunner } from "../src/engines/local/local-engine.ts";
import type { Bench } from "./bench.ts";

export interface OwnBench extends Bench {
  /**
   * Each measure stops what it started. After a failure or Ctrl-C something may be left: servers and runners are
   * found by the notes in their folders; a database ends with its server, a stub server with its stdin.
   */
  cleanUp(): Promise<void>;
}

/** @param options `dir` on the disk that is measured */
export function ownBench(
  options: Pick<Bench, "quick" | "soak" | "profileDir" | "say"> & { readonly dir: string },
): OwnBench {
  const { dir, ...rest } = options;
  // Another user runs PostgreSQL when this one is root, so it must be passable.
  const root = mkdtempSync(join(resolve(dir), "contrail-bench-"));
  chmodSync(root, 0o711);
  return {
    ...rest,
    clock: realClock,
    world: { clock: realClock, env: process.env, newKey: randomUUID },
    folder(name) {
      const path = mkdtempSync(join(root, `${name}-`));
      chmodSync(path, 0o711);
      return path;
    },
    async cleanUp() {
      for (const name of readdirSync(root)) {
        const dataDir = join(root, name);
        const pid = readNote(dataDir)?.pid;
        if (pid !== undefined && isServerProcess(pid)) process.kill(pid, "SIGKILL");
        await stopRunner(dataDir, realClock);
      }
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
