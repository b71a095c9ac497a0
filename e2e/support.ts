/**
 * A stand for end-to-end tests: the real server in a process of its own with its own PostgreSQL, the real runner,
 * real training processes, spoken to over HTTP and the command line like a person would. Everything that it starts
 * carries a mark in its environment, so that `close` can prove that nothing of it is left.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { realClock } from "../src/base/real-clock.ts";
import { readCredentials } from "../src/cli/credentials.ts";
import { type StartedServer, startServer } from "../src/cli/server-process.ts";
import { stopServer } from "../src/cli/server-stop.ts";
import type { Experiment, LogEntry, Trial, TrialDetail } from "../src/protocol/api.ts";
import { Client, eachItem } from "../src/sdk/client.ts";
import { filePart } from "../src/store/file-part.ts";
import { scanFolder } from "../src/store/snapshot.ts";

export const ROOT = fileURLToPath(new URL("../", import.meta.url)).replace(/\/$/, "");
const PROGRAMS = join(ROOT, "e2e", "programs");
/** Of every wait: tells what never comes from what is late, so it is far beyond a busy machine. */
const LIMIT_MS = 180_000;
const MARK = "CONTRAIL_E2E";
/** The runner keeps the platform's own names from training programs, so those carry this one. */
const TRAINING_MARK = "E2E_MARK";

export interface StandOptions {
  readonly slots?: number;
  /** What its file of pools says; absent = there is none. */
  readonly pools?: object;
  /** Another database than its own. */
  readonly databaseUrl?: string;
  /** Added to the environment of everything that the stand starts. */
  readonly env?: (dataDir: string) => NodeJS.ProcessEnv;
  /** A command and its arguments that run `contrail up`: the server then lives where they put it (a cgroup, a mount). */
  readonly within?: (dataDir: string) => readonly string[];
}

export interface StandProcess {
  readonly pid: number;
  readonly command: string;
  /** For which it trains, if it does. */
  readonly allocation: string | undefined;
}

export class Stand implements AsyncDisposable {
  readonly folder: string;
  readonly dataDir: string;
  /** Programs write down here what they do, beyond the platform's sight. */
  readonly trace: string;
  readonly mark: string;
  readonly env: NodeJS.ProcessEnv;
  readonly #slots: number;
  readonly #within: readonly string[];
  #server: StartedServer | undefined;
  #client: Client | undefined;
  token = "";

  constructor(folder: string, options: StandOptions) {
    this.folder = folder;
    this.dataDir = join(folder, "d");
    this.trace = join(folder, "trace");
    this.mark = `e2e-${randomUUID()}`;
    this.#slots = options.slots ?? 2;
    this.#within = options.within?.(this.dataDir) ?? [];
    this.env = {
      ...process.env,
      [MARK]: this.mark,
      [TRAINING_MARK]: this.mark,
      CONTRAIL_CONFIG_DIR: join(folder, "config"),
      CONTRAIL_DATA_DIR: this.dataDir,
      HOME: folder,
      ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
      ...options.env?.(this.dataDir),
    };
  }

  get client(): Client {
    assert.ok(this.#client, "the server has not been started");
    return this.#client;
  }

  get server(): StartedServer {
    assert.ok(this.#server, "the server has not been started");
    return this.#server;
  }

  /** Starts the server, or starts it again, on this port or whatever is free. */
  async start(port = 0): Promise<StartedServer> {
    const world = { clock: realClock, env: this.env, newKey: randomUUID };
    if (this.#within.length > 0) await this.#startWithin();
    // Finds the one that was started within.
    this.#server = await startServer({ dataDir: this.dataDir, port, slots: this.#slots }, world);
    const { url, oneTimeToken } = this.#server;
    const common = { url, clock: realClock, newKey: randomUUID };
    // `contrail up` has signed in already.
    const stored = readCredentials(this.env).servers[url]?.token;
    if (this.#within.length > 0 && stored !== undefined) this.token = stored;
    if (this.token === "") {
      assert.ok(oneTimeToken, "the first start gives a link to sign in with");
      this.token = (await new Client(common).login({ one_time_token: oneTimeToken })).token;
    }
    this.#client = new Client({ ...common, token: this.token });
    return this.#server;
  }

  async #startWithin(): Promise<void> {
    const up = ["up", "--data-dir", this.dataDir, "--port", "0", "--slots", String(this.#slots)];
    const [command = "", ...args] = [...this.#within, join(ROOT, "bin", "contrail"), ...up];
    const { code, stderr } = await this.#run(command, args, { env: this.env });
    assert.equal(code, 0, `${command} ${args.join(" ")}: ${stderr}`);
  }

  /** kill -9, and waits until the process is gone. */
  async killServer(): Promise<void> {
    const { pid } = this.server;
    process.kill(pid, "SIGKILL");
    await until("the server is dead", () => !isAlive(pid));
  }

  async stop(trials: "stop" | "keep" = "stop"): Promise<void> {
    const world = { clock: realClock, env: this.env, newKey: randomUUID };
    await stopServer({ dataDir: this.dataDir, trials, token: this.token, force: true }, world);
  }

  /** Process id of the runner, as it says itself. */
  get runnerPid(): number {
    return JSON.parse(readFileSync(join(this.dataDir, "runner", "runner.json"), "utf8")).pid;
  }

  /** Stops everything, and proves that nothing is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (process.env.E2E_SHOW)
        console.log(
          read(join(this.dataDir, "runner", "runner.log")),
          read(join(this.dataDir, "server.log")),
        );
      await this.stop();
      const left = await until("nothing is left running", () => {
        const processes = this.processes();
        return processes.length === 0 ? [] : undefined;
      }).catch(() => this.processes());
      assert.deepEqual(left, [], "processes that outlived the server");
    } finally {
      for (const { pid } of this.processes()) process.kill(pid, "SIGKILL");
      await rm(this.folder, { recursive: true, force: true });
    }
  }

  /** Every living process that this stand has started, however indirectly. */
  processes(): StandProcess[] {
    return readdirSync("/proc").flatMap((name) => {
      const pid = Number(name);
      if (!Number.isInteger(pid) || pid === process.pid) return [];
      const command = read(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      const environment = read(`/proc/${name}/environ`);
      if (!environment.includes(this.mark) || command === "") return [];
      const allocation = /(?:^|\0)CONTRAIL_ALLOCATION=([^\0]*)/.exec(environment)?.[1];
      return [{ pid, command, allocation }];
    });
  }

  /** A command of `contrail`, as a person would type it. */
  contrail(
    args: readonly string[],
    options: {
      cwd?: string;
      /** Replaces and adds variables; undefined takes one away. */
      env?: NodeJS.ProcessEnv;
      signal?: (kill: (name: NodeJS.Signals) => void) => void;
    } = {},
  ): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const env = { ...this.env, CONTRAIL_SERVER: this.server.url, CONTRAIL_TOKEN: this.token };
    return this.#run(join(ROOT, "bin", "contrail"), args, {
      ...options,
      env: { ...env, ...options.env },
    });
  }

  #run(
    command: string,
    args: readonly string[],
    options: {
      readonly env: NodeJS.ProcessEnv;
      readonly cwd?: string;
      readonly signal?: (kill: (name: NodeJS.Signals) => void) => void;
    },
  ): Promise<{ code: number | null; stdout: string; stderr: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        cwd: options.cwd ?? this.folder,
        env: options.env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      const out = { stdout: "", stderr: "" };
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        out.stdout += text;
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        out.stderr += text;
      });
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, ...out }));
      options.signal?.((name) => void child.kill(name));
    });
  }

  /** Makes a folder with these files, or with programs of e2e/programs by their name. */
  async codeFolder(files: Readonly<Record<string, string>>, programs: readonly string[] = []) {
    const folder = await mkdtemp(join(this.folder, "code-"));
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    for (const name of programs) await copyFile(join(PROGRAMS, name), join(folder, name));
    return folder;
  }

  /** Uploads the folder and submits the configuration (an object is written as JSON, which is YAML too). */
  async submit(config: string | object, folder?: string, activate = true): Promise<Experiment> {
    const text = typeof config === "string" ? config : JSON.stringify(config, null, 2);
    let code = null;
    if (folder !== undefined) {
      const scanned = await scanFolder(folder);
      assert.ok(scanned.ok);
      const { tree, sourceOf } = scanned.folder;
      const lacking = new Set(await this.client.missingBlobs(tree.map((entry) => entry.hash)));
      for (const { hash, path, size } of tree)
        if (lacking.delete(hash))
          await this.client.putBlob(hash, filePart({ path: sourceOf(path), size }));
      code = [...tree];
    }
    const { experiment } = await this.client.createExperiment({ config: text, code, activate });
    assert.ok(experiment);
    return experiment;
  }

  /** Follows the experiment's stream to its end, over restarts of the server. */
  async ended(id: number, limitMs = LIMIT_MS): Promise<Experiment> {
    let last: Experiment | undefined;
    return await until(
      `experiment ${id} has ended`,
      async () => {
        last = await this.client.experiment(id).catch(() => last);
        return last?.ended_at ? last : undefined;
      },
      { limitMs, state: () => last },
    );
  }

  /** Waits until the trial is as it is wanted. */
  trialWhen(
    id: string,
    what: string,
    wanted: (trial: TrialDetail) => boolean,
    limitMs = LIMIT_MS,
  ): Promise<TrialDetail> {
    let last: TrialDetail | undefined;
    return until(
      `trial ${id}: ${what}`,
      async () => {
        last = await this.client.trial(id).catch(() => undefined);
        return last && wanted(last) ? last : undefined;
      },
      { limitMs, state: () => last },
    );
  }

  async trials(experiment: number): Promise<Trial[]> {
    return await collect(eachItem((query) => this.client.experimentTrials(experiment, query)));
  }

  async details(experiment: number): Promise<TrialDetail[]> {
    const list = await this.trials(experiment);
    return await Promise.all(list.map(({ id }) => this.client.trial(id)));
  }

  /** Everything that a trial which is over has printed: its last lines may still be on their way. */
  async allLogs(trial: string): Promise<LogEntry[]> {
    return (await collect(this.client.logStream({ trial }))).flat();
  }

  async logs(trial: string): Promise<LogEntry[]> {
    return await collect(eachItem((query) => this.client.trialLogs(trial, query)));
  }

  /** Every point of a metric that counts, in order of step. */
  async series(trial: string, name = "loss"): Promise<[step: number, value: number | string][]> {
    const { series } = await this.client.metrics(trial, { names: name });
    return (series[0]?.points ?? []).map(({ step, value }) => [step, value]);
  }

  /** What a program wrote down itself, line by line. */
  async traced(trial: string): Promise<{ step: number; pid: number }[]> {
    const text = await readFile(join(this.trace, trial), "utf8").catch(() => "");
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(" ").map(Number) as [number, number])
      .map(([step, pid]) => ({ step, pid }));
  }
}

/** A stand with its server started; use it with `await using`. */
export async function stand(options: StandOptions = {}): Promise<Stand> {
  // Short, because the paths of sockets may have no more than about 100 bytes.
  const made = new Stand(await mkdtemp(join(tmpdir(), "ce-")), options);
  // PostgreSQL, which as root runs under another user id, has to pass through.
  await chmod(made.folder, 0o711);
  await mkdir(made.trace);
  if (options.pools !== undefined) {
    await mkdir(made.dataDir, { mode: 0o711 });
    await writeFile(join(made.dataDir, "pools.yaml"), JSON.stringify({ pools: options.pools }));
  }
  try {
    await made.start();
  } catch (error) {
    await made[Symbol.asyncDispose]();
    throw error;
  }
  return made;
}

/** One stand for all the tests of a `describe`. */
export function sharedStand(options: StandOptions = {}): () => Stand {
  let shared: Stand | undefined;
  before(async () => {
    shared = await stand(options);
  });
  after(() => shared?.[Symbol.asyncDispose]());
  return () => {
    assert.ok(shared, "the stand did not come up");
    return shared;
  };
}

/**
 * Asks until the answer is neither undefined nor false.
 * @throws Error with what was waited for and how things stood, after the limit
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  options: { readonly limitMs?: number; readonly state?: () => unknown } = {},
): Promise<Exclude<Awaited<T>, undefined | false>> {
  const { limitMs = LIMIT_MS, state } = options;
  const endMs = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false)
      return answer as Exclude<Awaited<T>, undefined | false>;
    if (performance.now() > endMs) {
      const stands = state === undefined ? "" : `; it stands so: ${JSON.stringify(state())}`;
      throw new Error(`waited ${limitMs / 1000} s in vain until ${what}${stands}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * For what has no limit of its own. What hangs is then named, and does not hold up the run until somebody kills it.
 * @throws Error with what was waited for, after the limit
 */
export async function within<T>(what: string, work: Promise<T>, limitMs = LIMIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`waited ${limitMs / 1000} s in vain until ${what}`)),
      limitMs,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Zombies are dead. */
export function isAlive(pid: number): boolean {
  return read(`/proc/${pid}/cmdline`) !== "";
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** A search over curve.ts; `more` replaces and adds fields. */
export function curveSearch(searcher: object, more: Record<string, unknown> = {}): object {
  const { environment, delayMs = 0, byNumber = false, saveEvery = 0, ...rest } = more;
  return {
    name: "curve",
    entrypoint: "node curve.ts",
    hyperparameters: {
      rate: { type: "double", minval: 0.01, maxval: 0.5 },
      ...{ delay_ms: delayMs, by_number: byNumber, save_every: saveEvery },
    },
    searcher: { metric: "loss", smaller_is_better: true, ...searcher },
    reproducibility: { experiment_seed: 7 },
    environment: { environment_variables: environment ?? {} },
    ...rest,
  };
}
