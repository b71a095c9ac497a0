/**
 * A container as a process of this machine in namespaces of its own for mounts, processes and its name: its first process has
 * number 1, with all that this means for signals, everything that it leaves behind dies with it, and what is mounted is
 * seen by nobody else. Its files and its network are this machine's.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync } from "node:fs";
import type { Readable } from "node:stream";
import { procStatus } from "../../../src/engines/process-identity.ts";

export interface Mount {
  readonly from: string;
  readonly to: string;
  readonly readOnly: boolean;
}

export interface ContainerSpec {
  readonly hostname: string;
  readonly argv: readonly string[];
  readonly workingDir: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly log: string;
  /** Puts itself under a limit of memory and then becomes the command behind it. */
  readonly enter: readonly string[];
}

export interface ContainerEnd {
  readonly exitCode: number;
  readonly startError?: string;
}

/** Without `--fork`: what starts next has number 1, and what tells how it ended is a shell, which unshare 2.38 cannot. */
const NAMESPACES = ["--mount", "--uts", "--pid"];
/** Whom a user namespace makes root for all that a container needs. */
const AS_USER = process.getuid?.() === 0 ? [] : ["--map-root-user"];

/** @returns why containers cannot be made here */
export function missingForContainers(): string | undefined {
  const probe = "hostname probe && mount --bind /tmp /tmp && mount -t proc proc /proc";
  const args = [...AS_USER, ...NAMESPACES, "sh", "-c", `sh -c '${probe}'; exit $?`];
  const { status, error, stderr } = spawnSync("unshare", args, { encoding: "utf8" });
  if (status === 0) return undefined;
  const why = error?.message ?? stderr.trim();
  return `namespaces for mounts and processes cannot be made here (unshare: ${why})`;
}

/** Mounts, says on descriptor 3 that it begins, and becomes the command. */
const START = `
mount -t proc proc /proc || exit 126
hostname "$1"; shift
while [ "$1" != -- ]; do
  mount --bind "$1" "$2" || exit 126
  [ "$3" = rw ] || mount -o remount,ro,bind "$2" || exit 126
  shift 3
done
shift
cd "$1" || exit 126; shift
if ! command -v -- "$1" > /dev/null; then printf 'no such file: %s' "$1" >&3; exit 125; fi
printf run >&3; exec 3>&-
exec setpriv --pdeathsig KILL "$@"`;

/** Stays outside, with nothing to say in the container's log. */
const AROUND = '/bin/sh -c "$0" sh "$@" 2>&4 4>&-; exit $?';

export class Container {
  readonly ended: Promise<ContainerEnd>;
  readonly started: Promise<boolean>;
  readonly #child: ChildProcess;

  constructor(spec: ContainerSpec) {
    for (const { to } of spec.mounts) ensurePath(to);
    const log = openSync(spec.log, "a");
    const mounts = spec.mounts.flatMap(({ from, to, readOnly }) => [
      ...[from, to, readOnly ? "ro" : "rw"],
    ]);
    const [command = "", ...args] = [
      ...spec.enter,
      // Whoever kills a test kills what it has started.
      ...[
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        ...AS_USER,
        ...NAMESPACES,
        "/bin/sh",
        "-c",
        AROUND,
        START,
        spec.hostname,
      ],
      ...[...mounts, "--", spec.workingDir ?? "/", ...spec.argv],
    ];
    this.#child = spawn(command, args, {
      detached: true,
      env: spec.env,
      stdio: ["ignore", log, "ignore", "pipe", log],
    });
    closeSync(log);
    let said = "";
    const begins = this.#child.stdio[3] as Readable;
    // The processes around the first one keep the descriptor: it is closed when all is over.
    this.started = new Promise((resolve) => {
      begins.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        resolve(said === "run");
      });
      begins.once("close", () => resolve(said === "run"));
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("error", ({ message }) => resolve({ exitCode: 128, startError: message }));
      this.#child.once("close", (code, signal) => {
        const exitCode = code ?? 128 + signalNumber(signal);
        resolve(said === "run" ? { exitCode } : { exitCode: 128, startError: said || "no start" });
      });
    });
  }

  /** The process with number 1 inside, as it is called outside. */
  get first(): number | undefined {
    const outer = this.#child.pid;
    if (outer === undefined) return undefined;
    for (const name of readdirSync("/proc"))
      if (/^\d+$/.test(name) && procStatus(Number(name))?.parent === outer) return Number(name);
    return undefined;
  }

  signal(name: NodeJS.Signals): void {
    const { first } = this;
    if (first !== undefined) tryKill(first, name);
  }

  /** Everything in it, at once. */
  kill(): void {
    this.signal("SIGKILL");
    // It is on its way to its first process.
    if (this.first === undefined && this.#child.pid !== undefined)
      tryKill(-this.#child.pid, "SIGKILL");
  }
}

/** Runs a command in the namespaces of a container's first process. */
export const enterContainer = (first: number, command: readonly string[]): ChildProcess =>
  spawn("nsenter", ["-t", String(first), "-m", "-u", "-p", ...command], {
    stdio: ["ignore", "pipe", "pipe"],
  });

function tryKill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function signalNumber(signal: NodeJS.Signals | null): number {
  const known: Partial<Record<NodeJS.Signals, number>> = { SIGKILL: 9, SIGTERM: 15, SIGSEGV: 11 };
  return signal === null ? 0 : (known[signal] ?? 6);
}

function ensurePath(path: string): void {
  if (path !== "/etc/hosts") mkdirSync(path, { recursive: true });
}
