/**
 * PostgreSQL's data directory: made once, all or nothing, and never opened with another major version.
 *
 * initdb writes into a folder of another name, which is renamed when it is complete and on disk. So a
 * killed initdb leaves something that the next start throws away, never something that looks finished.
 */
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import type { PostgresBinaries } from "./binaries.ts";
import { type OperatingUser, startAs } from "./operating-user.ts";
import { fileSystemFailure, PostgresError } from "./postgres-error.ts";

export const superuser = "contrail";
const unfinishedPrefix = "data.unfinished-";

/** A small, known environment: PGPORT, PGDATA or a locale of the caller must not change anything. */
export const cleanEnvironment: NodeJS.ProcessEnv = {
  PATH: process.env.PATH ?? "/usr/bin:/bin",
  LC_ALL: "C",
  TZ: "UTC",
};

/** @throws PostgresError `other_major` */
export function checkMajor(cluster: string, binaries: PostgresBinaries): void {
  const path = join(cluster, "PG_VERSION");
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch (cause) {
    throw new PostgresError(
      "start_failed",
      `${cluster} exists but has no readable PG_VERSION, so it is not a database that Contrail made. ` +
        "Move it away, or choose another data folder.",
      { cause },
    );
  }
  if (text === String(binaries.major)) return;
  throw new PostgresError(
    "other_major",
    `${cluster} was written by PostgreSQL ${text}; this Contrail carries ${binaries.version} and cannot read it. ` +
      `Use the Contrail that carries PostgreSQL ${text}, point DATABASE_URL at a PostgreSQL ${text} server on that folder, ` +
      "or choose another data folder.",
  );
}

/** Removes what killed starts left. The folder's lock is held, so nobody is writing there. */
export function removeUnfinished(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(unfinishedPrefix)) {
      rmSync(join(folder, name), { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    }
  }
}

/**
 * Makes the cluster in `folder`/data.
 * @param syncToDisk false only for throw-away databases of tests
 */
export async function createCluster(
  folder: string,
  cluster: string,
  binaries: PostgresBinaries,
  user: OperatingUser,
  syncToDisk: boolean,
): Promise<void> {
  const unfinished = join(folder, `${unfinishedPrefix}${process.pid}`);
  try {
    mkdirSync(unfinished, { mode: 0o700 });
    if (user.differs) chownSync(unfinished, user.uid, user.gid);
    await runInitdb(unfinished, binaries, user, syncToDisk);
    renameSync(unfinished, cluster);
    if (syncToDisk) syncDirectory(folder);
  } catch (error) {
    if (existsSync(unfinished)) removeUnfinished(folder);
    throw fileSystemFailure(`creating the database in ${cluster}`, error);
  }
}

async function runInitdb(
  target: string,
  binaries: PostgresBinaries,
  user: OperatingUser,
  syncToDisk: boolean,
): Promise<void> {
  // `trust` is safe because the only door is a socket in a directory that nobody else may enter.
  const args = [
    "-D",
    target,
    "-U",
    superuser,
    "-A",
    "trust",
    "-E",
    "UTF8",
    "--no-locale",
    "--no-instructions",
  ];
  const child = await startAs(user, binaries.initdb, syncToDisk ? args : [...args, "--no-sync"], {
    cwd: target,
    env: cleanEnvironment,
    stdio: ["ignore", "pipe", "pipe"],
    onOurDeath: "KILL",
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-4000);
    });
  }
  const ended = await new Promise<{ code: number | null; signal: string | null }>(
    (resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve({ code, signal }));
    },
  ).catch((cause: unknown) => {
    throw cannotRun(binaries.initdb, cause);
  });
  if (ended.code === 0) return;
  throw failureFromOutput(`initdb ended with ${ended.signal ?? `code ${ended.code}`}`, output);
}

/** A program that is there and yet "not found" lacks its loader: the binaries want glibc. */
export function cannotRun(program: string, cause: unknown): PostgresError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT" && existsSync(program)) {
    return new PostgresError(
      "unsupported_platform",
      `${program} cannot run here: it needs glibc (Alpine and other musl systems have none). Set DATABASE_URL instead.`,
      { cause },
    );
  }
  return new PostgresError("start_failed", `cannot start ${program}: ${message}.`, { cause });
}

/** Reads the reason out of what PostgreSQL wrote last. */
export function failureFromOutput(what: string, output: string): PostgresError {
  const tail = output.trim().split("\n").slice(-8).join("\n  ");
  if (/No space left on device|Disk quota exceeded/.test(output)) {
    return new PostgresError(
      "disk_full",
      `${what}: the disk is full. Free some space and start again. It said:\n  ${tail}`,
    );
  }
  if (/lock file ".*" already exists|pre-existing shared memory block/.test(output)) {
    return new PostgresError(
      "data_folder_in_use",
      `${what}: another PostgreSQL still uses the folder. It said:\n  ${tail}`,
    );
  }
  if (/cannot execute binary|GLIBC_|error while loading shared libraries/.test(output)) {
    return new PostgresError(
      "unsupported_platform",
      `${what}: the programs do not run on this system. Set DATABASE_URL to a PostgreSQL 15 or newer. It said:\n  ${tail}`,
    );
  }
  return new PostgresError("start_failed", `${what}. It said:\n  ${tail || "(nothing)"}`);
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
