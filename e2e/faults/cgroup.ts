/** A memory cgroup of our own, of either version: what is started in it shares one limit. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { CannotRun } from "./row.ts";

const NAME = "contrail-faults-";

export interface MemoryCgroup extends Disposable {
  /** A command that puts itself in, and then becomes the command that follows it. */
  readonly enter: readonly string[];
  /** How many of its processes the kernel has killed, because all of them had used more. */
  kills(): number;
}

/** @throws CannotRun where none can be made: that takes root, and a file system that may be written */
export function memoryCgroup(limitBytes: number, name = ""): MemoryCgroup {
  const base = baseFolder();
  const path = join(base.folder, `${NAME}${process.pid}${name === "" ? "" : `-${name}`}`);
  try {
    removeOld(base.folder);
    mkdirSync(path);
    writeFileSync(join(path, base.limit), String(limitBytes));
  } catch (cause) {
    throw new CannotRun(`no memory cgroup can be made here (${(cause as Error).message})`);
  }
  return {
    enter: ["sh", "-c", 'echo $$ > "$0" && exec "$@"', join(path, "cgroup.procs")],
    kills: () =>
      Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(path, base.events), "utf8"))?.[1] ?? 0),
    [Symbol.dispose]: () => rmdirSync(path),
  };
}

function baseFolder(): { folder: string; limit: string; events: string } {
  for (const line of readFileSync("/proc/self/cgroup", "utf8").split("\n")) {
    const [, controllers, ...rest] = line.split(":");
    if (!controllers?.split(",").includes("memory")) continue;
    const folder = `/sys/fs/cgroup/memory${rest.join(":")}`;
    // In a container the path is the host's, and what we see begins at ours.
    return {
      folder: existsSync(folder) ? folder : "/sys/fs/cgroup/memory",
      limit: "memory.limit_in_bytes",
      events: "memory.oom_control",
    };
  }
  return { folder: "/sys/fs/cgroup", limit: "memory.max", events: "memory.events" };
}

/** Of runs that were killed themselves. One that is still in use cannot be removed. */
function removeOld(folder: string): void {
  for (const name of readdirSync(folder))
    if (name.startsWith(NAME) && !existsSync(`/proc/${name.slice(NAME.length).split("-")[0]}`))
      try {
        rmdirSync(join(folder, name));
      } catch {}
}
