/**
 * A small file system under one folder of the server, in a mount namespace of its own: it vanishes with the last
 * process that lives in it, so nothing can be left mounted, however a test ends.
 */
import { execFileSync } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { CannotRun, newFolder } from "./row.ts";

export interface SmallDisk extends AsyncDisposable {
  /** A command that mounts it below the data folder, and then becomes the command that follows. */
  enter(dataDir: string): readonly string[];
  /** Fills it to the last byte. @param pid a process that lives in it */
  fill(pid: number, dataDir: string): void;
  free(pid: number, dataDir: string): void;
}

const FILLER = "filler";

/**
 * An ext4 image where the kernel has loop devices, a tmpfs of that size otherwise.
 * @throws CannotRun where nothing can be mounted
 */
export async function smallDisk(below: string, megabytes: number): Promise<SmallDisk> {
  const folder = await newFolder();
  const image = join(folder, "image");
  const mounts = [
    `truncate -s ${megabytes}M ${image} && mkfs.ext4 -q -m 0 ${image} && mount -o loop ${image}`,
    `mount -t tmpfs -o size=${megabytes}m tmpfs`,
  ];
  const mount = mounts.find((command) => works(folder, command));
  if (mount === undefined) {
    rmSync(folder, { recursive: true });
    throw new CannotRun("no file system can be mounted here");
  }
  const filler = (pid: number, dataDir: string): string =>
    join(`/proc/${pid}/root`, dataDir, below, FILLER);
  return {
    enter(dataDir) {
      const at = join(dataDir, below);
      const script = `mkdir -p -m 711 ${dataDir} ${at} && ${mount} ${at} && chmod 711 ${at} && rm -rf ${at}/lost+found && exec "$@"`;
      return ["unshare", "-m", "sh", "-c", script, "sh"];
    },
    fill(pid, dataDir) {
      const file = openSync(filler(pid, dataDir), "a");
      try {
        for (const size of [1 << 20, 4096, 1]) writeUntilFull(file, Buffer.alloc(size, "f"));
      } finally {
        closeSync(file);
      }
    },
    free: (pid, dataDir) => rmSync(filler(pid, dataDir)),
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

function works(folder: string, mount: string): boolean {
  try {
    const script = `mkdir -p ${folder}/try && ${mount} ${folder}/try && rmdir ${folder}/try/lost+found 2>/dev/null; mountpoint -q ${folder}/try`;
    execFileSync("unshare", ["-m", "sh", "-c", script], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function writeUntilFull(file: number, bytes: Buffer): void {
  try {
    for (;;) writeSync(file, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}
