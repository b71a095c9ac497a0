/**
 * The process that outlives the runner by a moment, to end what it was running.
 *
 * A runner that is killed with SIGKILL cleans up nothing, and the parent-death signal reaches only
 * its own children, not theirs. So a small shell holds the other end of a pipe: it is told the process
 * groups (always all of them), and when the pipe closes, for whatever reason, it kills them, and
 * whoever else carries the runner's socket folder in its environment. A second Node process would do
 * the same for forty times the memory; a lease at the server would need the server to be there.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import type { Clock } from "../base/clock.ts";

// `read` ends at the end of the pipe; the last line heard holds. grep -l reads /proc/*/environ as bytes.
const SCRIPT = `
trap '' HUP INT TERM QUIT
groups=
while read -r line; do groups=$line; done
for group in $groups; do kill -KILL -- "-$group"; done
[ -d /proc/self ] || exit 0
for file in $(grep -l -F -e "$1" /proc/[0-9]*/environ); do
  pid=\${file#/proc/}; pid=\${pid%/environ}
  kill -KILL "$pid"
done
exit 0
`;

export interface Guardian {
  readonly pid: number | undefined;
  /** Replaces the list of process groups. */
  watch(groups: readonly number[]): void;
  /** Lets it go without killing anything. Only when nothing runs. */
  release(): void;
}

/** Between the death of a guardian and the next one, so that a machine without memory is not stormed. */
const AGAIN_MS = 1_000;

/**
 * @param marker NAME=prefix; a process with this text in its environment dies with the runner
 */
export function startGuardian(marker: string, clock: Clock): Guardian {
  let groups: readonly number[] = [];
  let released = false;
  let child: Guard;
  const start = (): void => {
    child = spawnGuard(marker);
    child.on("error", () => {});
    child.stdin.on("error", () => {});
    child.unref();
    (child.stdin as Socket).unref();
    if (groups.length > 0) child.stdin.write(`${groups.join(" ")}\n`);
    // It does not end by itself before the pipe does; whoever killed it, there must be one.
    child.once("exit", () => {
      if (!released) clock.after(AGAIN_MS, () => !released && start());
    });
  };
  start();
  return {
    get pid() {
      return child.pid;
    },
    watch(now) {
      groups = now;
      child.stdin.write(`${groups.join(" ")}\n`);
    },
    release() {
      released = true;
      child.stdin.end("\n");
    },
  };
}

type Guard = ChildProcessByStdio<Writable, null, null>;

const spawnGuard = (marker: string): Guard =>
  spawn("/bin/sh", ["-c", SCRIPT, "contrail-guardian", marker], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    // The marker must not stand in its own environment.
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin" },
  });
