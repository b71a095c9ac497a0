/**
 * The process that outlives the runner by a moment, to end what it was running.
 *
 * A runner that is killed with SIGKILL cleans up nothing, and the parent-death signal reaches only
 * its own children, not theirs. So a small shell holds the other end of a pipe: it is told the process
 * groups (always all of them), and when the pipe closes, for whatever reason, it kills them, and
 * whoever else carries the runner's socket folder in its environment. A second Node process would do
 * the same for forty times the memory; a lease at the server would need the server to be there.
 */
import { spawn } from "node:child_process";

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

/**
 * @param marker NAME=prefix; a process with this text in its environment dies with the runner
 */
export function startGuardian(marker: string): Guardian {
  const child = spawn("/bin/sh", ["-c", SCRIPT, "contrail-guardian", marker], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    // The marker must not stand in its own environment.
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin" },
  });
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return {
    pid: child.pid,
    watch(groups) {
      child.stdin.write(`${groups.join(" ")}\n`);
    },
    release() {
      child.stdin.end("\n");
    },
  };
}
