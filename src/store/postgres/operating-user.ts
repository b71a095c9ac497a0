/**
 * Under which user id PostgreSQL runs, and how it is started so that it never outlives us unwanted.
 *
 * PostgreSQL refuses to be root. As root we lend it `postgres`, or `nobody` where that does not exist;
 * initdb insists on a user that /etc/passwd knows. A cluster that exists keeps the user that owns it.
 *
 * util-linux' setpriv makes the kernel send SIGINT (a fast, clean shutdown) to PostgreSQL when the thread
 * that started it dies, which also covers kill -9 of the server. Where setpriv is missing the next start
 * stops the orphan instead (see leftovers.ts). The parent-death signal follows the *thread*, so
 * PostgreSQL has to be started from the main thread.
 */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { PostgresError } from "./postgres-error.ts";

export interface OperatingUser {
  readonly uid: number;
  readonly gid: number;
  /** As in /etc/passwd, or the number when it is not there. */
  readonly name: string;
  /** True when processes must be started under another id than ours. */
  readonly differs: boolean;
}

/** @param cluster PostgreSQL's data directory, which may not exist yet */
export function operatingUser(cluster: string): OperatingUser {
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const known = passwd();
  const nameOf = (uid: number) => known.find((entry) => entry.uid === uid)?.name ?? String(uid);
  const owner = statSync(cluster, { throwIfNoEntry: false });
  if (own.uid !== 0) {
    if (owner !== undefined && owner.uid !== own.uid) {
      throw new PostgresError(
        "not_permitted",
        `${cluster} belongs to user ${nameOf(owner.uid)}, and this process runs as ${nameOf(own.uid)}. ` +
          `Start it as ${nameOf(owner.uid)} or root, or give the folder away: chown -R ${nameOf(own.uid)} ${cluster}`,
      );
    }
    return { ...own, name: nameOf(own.uid), differs: false };
  }
  if (owner !== undefined && owner.uid !== 0) {
    return { uid: owner.uid, gid: owner.gid, name: nameOf(owner.uid), differs: true };
  }
  const chosen = known.find((e) => e.name === "postgres") ?? known.find((e) => e.name === "nobody");
  if (chosen === undefined || chosen.uid === 0) {
    throw new PostgresError(
      "not_permitted",
      "PostgreSQL refuses to run as root, and /etc/passwd has neither a user postgres nor nobody. " +
        "Create one of them, start Contrail as another user, or set DATABASE_URL.",
    );
  }
  return { ...chosen, differs: true };
}

function passwd(): { name: string; uid: number; gid: number }[] {
  try {
    return readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .map((line) => line.split(":"))
      .filter((fields) => fields.length >= 4)
      .map(([name, , uid, gid]) => ({ name: name as string, uid: Number(uid), gid: Number(gid) }));
  } catch {
    return [];
  }
}

/**
 * The outermost directory on the way to `path` (included) that `user` may not pass through, by its mode bits.
 * @returns undefined when the way is open
 */
export function closedDirectory(
  path: string,
  user: OperatingUser,
): { path: string; mode: string } | undefined {
  const way: string[] = [];
  for (let at = realpathSync(path); ; at = dirname(at)) {
    way.unshift(at);
    if (at === dirname(at)) break;
  }
  for (const directory of way) {
    const { mode, uid, gid } = statSync(directory);
    const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0)
      return { path: directory, mode: `0${(mode & 0o777).toString(8)}` };
  }
  return undefined;
}

/**
 * Whether a data folder at `path`, which need not exist, could hold PostgreSQL. False only for root and a way
 * that PostgreSQL's user may not go, such as one below /root; lets a caller choose a better default.
 */
export function canHoldPostgres(path: string): boolean {
  const user = operatingUser(join(path, "postgres", "data"));
  // The folder itself is opened when it is used; what lies above it is not ours to change.
  let above = dirname(resolve(path));
  while (!existsSync(above)) above = dirname(above);
  return !user.differs || closedDirectory(above, user) === undefined;
}

let setprivFound: Promise<boolean> | undefined;
/** Whether there is a setpriv that knows the parent-death signal (util-linux has, busybox has not). */
function hasSetpriv(): Promise<boolean> {
  setprivFound ??= new Promise((resolve) => {
    if (process.platform !== "linux") return resolve(false);
    execFile("setpriv", ["--pdeathsig", "INT", "--", "true"], (error) => resolve(error === null));
  });
  return setprivFound;
}

export interface StartOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdio: SpawnOptions["stdio"];
  /** What the kernel sends it when we die. */
  readonly onOurDeath: "INT" | "KILL";
}

/** Starts a program as `user`, in a session of its own so that Ctrl-C in a terminal reaches only us. */
export async function startAs(
  user: OperatingUser,
  command: string,
  args: readonly string[],
  { cwd, env, stdio, onOurDeath }: StartOptions,
): Promise<ChildProcess> {
  const options: SpawnOptions = { cwd, env, stdio, detached: true };
  if (await hasSetpriv()) {
    const identity = user.differs
      ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"]
      : [];
    const prefix = [...identity, `--pdeathsig=${onOurDeath}`, "--", command];
    return spawn("setpriv", [...prefix, ...args], options);
  }
  return spawn(
    command,
    args,
    user.differs ? { ...options, uid: user.uid, gid: user.gid } : options,
  );
}
