/**
 * One run of a program in a fresh copy of its folder, always at the same path, with the shims of `shims/` in front.
 *
 * Here the doctor is the runner at the other end of the trial's socket: it lets the program train one step at a time, so
 * that each step ends with a checkpoint, and hears the metrics exactly as they are. So a program in any language that
 * speaks to Contrail is followed step by step, without knowing it; one that does not is judged by what it writes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream, rmSync, symlinkSync } from "node:fs";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "../../base/json.ts";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import type { Orders } from "../../protocol/trial-socket.ts";
import { TRIAL_ENV } from "../../protocol/trial-socket.ts";
import { TrialSocket } from "../../runner/trial-socket.ts";
import { type ScannedFolder, scanFolder } from "../../store/snapshot.ts";
import type { Modes } from "./conditions.ts";
import { RunFailed } from "./diagnose.ts";
import type { RunOutcome, StepRecord } from "./run-outcome.ts";

export interface ProgramUnderTest {
  readonly command: readonly string[];
  /** The user's folder. */
  readonly cwd: string;
  readonly env: { readonly [name: string]: string | undefined };
  readonly steps: number;
  readonly seed: number;
  readonly params: JsonObject;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const SHIMS = fileURLToPath(new URL("./shims/", import.meta.url)).replace(/\/$/, "");
/** A URL, because options in a variable are split at spaces. */
const PRELOAD = new URL("./shims/preload.mjs", import.meta.url).href;
const PYTHON_SDK = fileURLToPath(new URL("../../../python", import.meta.url));
/** Left out of the copy and of no use to a program. */
const NOT_LINKED = new Set([".git", "__pycache__", ".contrail", ".hg", ".svn"]);
const LIMITS = { bytesMax: 64 * 2 ** 30, filesMax: 200_000 };
const PRINTED_BYTES_MAX = 8 * 1024 * 1024;
const LAST_WORDS_BYTES = 4096;
const HASH_SEEDS = { natural: "1", fixed: "1", moved: "2" } as const;

/** Runs the program again and again; everything lies below one folder of its own. */
export class Runs {
  readonly #program: ProgramUnderTest;
  readonly #folder: string;
  readonly #source: ScannedFolder;
  #count = 0;

  constructor(program: ProgramUnderTest, folder: string, source: ScannedFolder) {
    this.#program = program;
    this.#folder = folder;
    this.#source = source;
  }

  /** @throws RunFailed */
  async run(modes: Modes): Promise<RunOutcome> {
    this.#count += 1;
    const own = join(this.#folder, `run-${this.#count}`);
    const work = join(this.#folder, "work");
    await rm(work, { recursive: true, force: true });
    await mkdir(join(own, "new"), { recursive: true });
    await this.#copyTo(work, modes);
    const one = new OneRun(this.#program, { own, work, socket: join(this.#folder, "s"), modes });
    const ended = await one.run();
    const kept = join(own, "work");
    await rename(work, kept);
    const files = new Files();
    const steps = await stepsOf(ended.steps, files);
    return {
      steps,
      written: steps.length > 0 ? [] : await this.#written(kept, files),
      printed: ended.printed.split("\n"),
      seen: await seenIn(join(own, "trace")),
      open: files.open,
      discard: () => rm(own, { recursive: true, force: true }),
    };
  }

  /** On many file systems the order in which files are made is the order in which they are listed. */
  async #copyTo(work: string, modes: Modes): Promise<void> {
    const { tree } = this.#source;
    await mkdir(work);
    for (const entry of modes.listing === "moved" ? tree.toReversed() : tree) {
      const to = join(work, entry.path);
      await mkdir(dirname(to), { recursive: true });
      await copyFile(this.#source.sourceOf(entry.path), to);
      if (entry.executable) await chmod(to, 0o755);
    }
    // What is ignored (an environment, modules, large data) is shared.
    const copied = new Set(tree.map((entry) => entry.path.split("/")[0]));
    for (const name of await readdir(this.#program.cwd))
      if (!copied.has(name) && !NOT_LINKED.has(name))
        symlinkSync(join(this.#program.cwd, name), join(work, name));
  }

  async #written(work: string, files: Files): Promise<readonly TreeEntry[]> {
    const before = new Set(this.#source.tree.map(({ path, hash }) => `${hash} ${path}`));
    // Links lead outside, to what is not the program's to write.
    for (const item of await readdir(work, { withFileTypes: true }))
      if (item.isSymbolicLink()) rmSync(join(work, item.name));
    const entries = await files.add(work);
    return entries.filter(({ path, hash }) => !before.has(`${hash} ${path}`));
  }
}

/** Content by hash, wherever it lies. */
class Files {
  readonly #places = new Map<string, string>();

  async add(folder: string): Promise<readonly TreeEntry[]> {
    const scanned = await scanFolder(folder, { ignoreFile: null, limits: LIMITS });
    if (!scanned.ok)
      throw new RunFailed(
        scanned.issues.map(({ path, message }) => `${path}: ${message}`).join("; "),
      );
    const { tree, sourceOf } = scanned.folder;
    for (const { path, hash } of tree) this.#places.set(hash, sourceOf(path));
    return tree;
  }

  readonly open: RunOutcome["open"] = async (hash, range) => {
    const path = this.#places.get(hash);
    if (path === undefined) return undefined;
    return { stream: createReadStream(path, range), size: (await stat(path)).size };
  };
}

interface OpenStep {
  readonly metrics: string[];
  folder: string | null;
}

async function stepsOf(
  steps: ReadonlyMap<number, OpenStep>,
  files: Files,
): Promise<readonly StepRecord[]> {
  const records: StepRecord[] = [];
  for (const [step, { metrics, folder }] of [...steps].sort(([a], [b]) => a - b))
    records.push({ step, metrics, files: folder === null ? null : await files.add(folder) });
  return records;
}

async function seenIn(trace: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const text = await readFile(trace, "utf8").catch(() => "");
  const seen = new Map<string, Set<string>>();
  for (const line of text.split("\n").filter(Boolean)) {
    const { kind, place } = JSON.parse(line) as { kind: string; place: string };
    const places = seen.get(kind) ?? new Set();
    seen.set(kind, places);
    if (place !== "") places.add(place);
  }
  return new Map([...seen].map(([kind, places]) => [kind, [...places]]));
}

class OneRun {
  readonly #program: ProgramUnderTest;
  readonly #place: { own: string; work: string; socket: string; modes: Modes };
  readonly #steps = new Map<number, OpenStep>();
  #orders: Orders = { target: 1, yield: null, reason: "one step at a time" };
  #printed = "";
  #lastWords = "";

  constructor(
    program: ProgramUnderTest,
    place: { own: string; work: string; socket: string; modes: Modes },
  ) {
    this.#program = program;
    this.#place = place;
  }

  async run(): Promise<{ steps: ReadonlyMap<number, OpenStep>; printed: string }> {
    const socket = this.#socket();
    await socket.listen();
    try {
      await this.#ended(this.#start());
      await socket.drained();
    } finally {
      socket.close();
    }
    return { steps: this.#steps, printed: this.#printed };
  }

  #socket(): TrialSocket {
    const { own, socket: path } = this.#place;
    const { seed, params, steps } = this.#program;
    const go = (orders: Orders): void => {
      this.#orders = orders;
      socket.push(orders);
    };
    const stop = (): void => go({ target: steps, yield: "stop", reason: "all steps are done" });
    const socket: TrialSocket = new TrialSocket({
      path,
      ranks: 1,
      events: {
        welcome: () => ({
          ...{ type: "welcome", experiment: 1, trial: "1.1", allocation: "1.1.1" },
          ...{ params, seed, rank: 0, size: 1, unit: "steps", restore: null },
          data: dataPaths(this.#program.env),
          checkpointDir: join(own, "new"),
          orders: this.#orders,
        }),
        hello: () => {},
        closed: () => {},
        agree: () => this.#orders,
        message: (message) => {
          if (message.type === "report") {
            this.#step(message.step).metrics.push(message.metrics);
            // A loop that does not ask how far to go.
            if (message.step > steps) stop();
          } else if (message.type === "wait") {
            if (message.step >= steps) stop();
            else go({ ...this.#orders, target: message.step + 1 });
          }
        },
        checkpoint: async ({ step, path: from }) => {
          const to = join(own, `step-${step}`);
          await rm(to, { recursive: true, force: true });
          await rename(from, to);
          this.#step(step).folder = to;
          return null;
        },
        fault: (text) => {
          this.#lastWords += `contrail: ${text}\n`;
        },
      },
    });
    return socket;
  }

  #step(step: number): OpenStep {
    const known = this.#steps.get(step) ?? { metrics: [], folder: null };
    this.#steps.set(step, known);
    return known;
  }

  #start(): ChildProcess {
    const { command, cwd } = this.#program;
    const [first = "", ...rest] = command;
    // Relative to the user's folder: an environment in it is not in the copy.
    const file = first.includes("/") ? resolve(cwd, first) : first;
    const child = spawn(file, rest, {
      cwd: this.#place.work,
      env: this.#environment(),
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (this.#printed.length < PRINTED_BYTES_MAX) this.#printed += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS_BYTES);
    });
    return child;
  }

  #environment(): NodeJS.ProcessEnv {
    const { env, seed } = this.#program;
    const { own, work, socket, modes } = this.#place;
    const inherited = Object.entries(env).filter(([name]) => !name.startsWith("CONTRAIL_"));
    const inFront = (value: string, rest: string | undefined, by: string) =>
      rest === undefined || rest === "" ? value : `${value}${by}${rest}`;
    return {
      PYTHONHASHSEED: HASH_SEEDS[modes.hash_order],
      // What Python compiles would lie among the files that the program wrote.
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONUNBUFFERED: "1",
      ...Object.fromEntries(inherited),
      PYTHONPATH: inFront([SHIMS, PYTHON_SDK].join(delimiter), env.PYTHONPATH, delimiter),
      NODE_OPTIONS: inFront(`--import=${PRELOAD}`, env.NODE_OPTIONS, " "),
      CONTRAIL_DOCTOR: JSON.stringify({ modes, trace: join(own, "trace"), root: work }),
      [TRIAL_ENV.socket]: socket,
      [TRIAL_ENV.rank]: "0",
      [TRIAL_ENV.size]: "1",
      [TRIAL_ENV.seed]: String(seed),
    };
  }

  /** @throws RunFailed unless it ended with 0 */
  async #ended(child: ChildProcess): Promise<void> {
    const { timeoutMs, signal, command } = this.#program;
    const kill = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {} // The whole group has ended.
    };
    signal.throwIfAborted();
    signal.addEventListener("abort", kill, { once: true });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, timeoutMs);
    try {
      const how = await new Promise<string | undefined>((tell) => {
        child.once("error", (error) => tell(`could not be started: ${error.message}`));
        child.once("exit", () => kill());
        child.once("close", (code, by) =>
          tell(code === 0 ? undefined : by === null ? `ended with ${code}` : `was ended by ${by}`),
        );
      });
      signal.throwIfAborted();
      if (late)
        throw new RunFailed(`${command.join(" ")} was not through after ${timeoutMs / 1000} s`);
      if (how !== undefined) throw new RunFailed(`${command.join(" ")} ${how}${this.#said()}`);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", kill);
    }
  }

  #said(): string {
    const last = this.#lastWords.trim().split("\n").slice(-3).join("\n");
    return last === "" ? "" : `: ${last}`;
  }
}

function dataPaths(env: ProgramUnderTest["env"]): JsonObject {
  try {
    const value: unknown = JSON.parse(env[TRIAL_ENV.data] ?? "{}");
    return typeof value === "object" && value !== null ? (value as JsonObject) : {};
  } catch {
    return {};
  }
}
