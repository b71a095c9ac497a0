/**
 * `npm run demo`: from a bare clone to a tuned model. Starts a server on a data folder in the clone,
 * registers the example's data set, runs its search live, and then asks the record what came of it.
 *
 *   --json          one JSON object as the last line of stdout; everything else goes to stderr
 *   --keep          leave the server running, signed in
 *   --data-dir DIR  instead of .contrail/demo
 *   --slots N       instead of one slot a core
 *
 * It uses what `contrail` itself is made of, so what works here works there. The data folder stays: it is
 * the record, and the `next:` lines ask it. Everything that was started here is stopped here, also on
 * Ctrl-C and after a failure.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Cli, type Host, shellWord } from "../src/cli/cli.ts";
import { findCheckpoint } from "../src/cli/commands/checkpoint.ts";
import { addDataset } from "../src/cli/commands/data.ts";
import { submit } from "../src/cli/commands/experiment-create.ts";
import { readCredentials } from "../src/cli/credentials.ts";
import { download } from "../src/cli/download.ts";
import { CliError, EXIT, failureOf } from "../src/cli/exit-code.ts";
import { experimentLines } from "../src/cli/experiment-view.ts";
import { duration, hyperparametersLine, plural } from "../src/cli/figures.ts";
import { planLines } from "../src/cli/plan-view.ts";
import { problemLines } from "../src/cli/problem-view.ts";
import { type Progress, SILENT, startProgress } from "../src/cli/progress.ts";
import { realHost } from "../src/cli/real-host.ts";
import {
  interrupted,
  type StartedServer,
  startServer,
  stopServer,
} from "../src/cli/server-process.ts";
import { signIn } from "../src/cli/sign-in.ts";
import { watchExperiment } from "../src/cli/watch.ts";
import type { Experiment } from "../src/protocol/api.ts";
import { type Client, eachItem } from "../src/sdk/client.ts";

const ROOT = resolve(import.meta.dirname, "..");
const EXAMPLE = join(ROOT, "examples", "language-id");
const DATASET = "language-names";
/** As examples/language-id/config.yaml calls it. */
const EXPERIMENT = "language-id";

interface Options {
  readonly json: boolean;
  readonly keep: boolean;
  readonly dataDir: string;
  readonly slots: number | undefined;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      "data-dir": { type: "string", default: join(ROOT, ".contrail", "demo") },
      slots: { type: "string" },
    },
  });
  const slots = values.slots === undefined ? undefined : Number(values.slots);
  if (slots !== undefined && !(Number.isInteger(slots) && slots > 0))
    throw new CliError("usage", `--slots is ${values.slots}; it must be a whole number from 1.`, {
      hint: "Leave it out for one slot a core.",
      exitCode: EXIT.usage,
    });
  return { json: values.json, keep: values.keep, dataDir: resolve(values["data-dir"]), slots };
}

/** The demo's surroundings, made once. */
class Demo {
  readonly options: Options;
  readonly host: Host;
  readonly cli: Cli;
  readonly interrupt: AbortSignal;
  /** Programs of the example that are running. */
  readonly #children = new Set<{ kill(): void }>();

  constructor(options: Options, real: Host) {
    this.options = options;
    // With --json stdout belongs to the last line alone.
    const stdout = options.json ? real.stderr : real.stdout;
    const env = {
      ...real.env,
      CONTRAIL_SELF: join(relative(real.cwd, ROOT) || ".", "bin", "contrail"),
    };
    this.host = { ...real, stdout, env, cwd: ROOT };
    this.cli = new Cli(this.host, { json: false, server: undefined });
    this.interrupt = real.catchInterrupt();
  }

  say(...lines: readonly string[]): void {
    for (const line of lines) this.cli.out(line);
  }

  heading(text: string): void {
    this.say("", this.cli.paint.bold(text));
  }

  progress(label: string): Progress {
    return startProgress(label, this.host.stderr, this.host.clock);
  }

  /** Work that Ctrl-C ends. */
  async during<T>(label: string, work: (progress: Progress) => Promise<T>): Promise<T> {
    const progress = this.progress(label);
    try {
      return await this.orInterrupted(work(progress));
    } finally {
      progress.stop();
    }
  }

  async orInterrupted<T>(work: Promise<T>): Promise<T> {
    if (this.interrupt.aborted) throw interrupted();
    let stop = (): void => {};
    const cut = new Promise<never>((_, reject) => {
      stop = () => reject(interrupted());
      this.interrupt.addEventListener("abort", stop, { once: true });
    });
    try {
      return await Promise.race([work, cut]);
    } finally {
      this.interrupt.removeEventListener("abort", stop);
      // Whichever lost the race may still fail; it has been answered for.
      work.catch(() => {});
    }
  }

  /** Runs one of the example's programs. @returns its stdout */
  program(name: string, ...args: readonly string[]): Promise<string> {
    return new Promise((done, fail) => {
      const child = spawn(process.execPath, [join(EXAMPLE, name), ...args], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      this.#children.add(child);
      let out = "";
      let err = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        out += text;
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        err += text;
      });
      child.once("error", fail);
      child.once("close", (code, signal) => {
        this.#children.delete(child);
        if (code === 0) return done(out);
        fail(
          new CliError(
            "example_failed",
            `${name} ended with ${signal ?? `exit code ${code}`}: ${err.trim()}`,
            {
              hint: `Run it by hand: node examples/language-id/${name} ${args.map(shellWord).join(" ")}`,
            },
          ),
        );
      });
    });
  }

  killPrograms(): void {
    for (const child of this.#children) child.kill();
  }
}

async function main(): Promise<number> {
  const real = realHost({ whenOutputCloses: "interrupt" });
  let demo: Demo | undefined;
  try {
    demo = new Demo(readOptions(), real);
    const result = await run(demo);
    if (demo.options.json) real.stdout.write(`${JSON.stringify(result)}\n`);
    return EXIT.ok;
  } catch (error) {
    const { problem, exitCode } = failureOf(error);
    const look = {
      paint: new Cli(real, { json: false, server: undefined }).errPaint,
      self: "bin/contrail",
    };
    real.stderr.write(`${problemLines(problem, look).join("\n")}\n`);
    return exitCode;
  }
}

interface Signed {
  readonly server: StartedServer;
  readonly token: string;
  readonly client: Client;
}

async function run(demo: Demo): Promise<object> {
  const beganMs = demo.host.clock.monotonicMs();
  const work = mkdtempSync(join(tmpdir(), "contrail-demo-"));
  let signed: Signed | undefined;
  let whole = false;
  try {
    const building = demo.program("data.ts", join(work, "names"));
    building.catch(() => {});
    signed = await start(demo);
    await demo.during("building the data set from Node's own ICU", () => building);
    const result = await searchAndJudge(demo, signed.client, work);
    const seconds = Math.round((demo.host.clock.monotonicMs() - beganMs) / 100) / 10;
    sayNext(demo, result.experiment, result.best_trial, seconds);
    whole = true;
    return { ...result, seconds };
  } finally {
    demo.killPrograms();
    rmSync(work, { recursive: true, force: true });
    // A search that nobody watches any more must not go on at the next start.
    if (!whole && signed !== undefined) await endSearches(signed.client).catch(() => []);
    if (signed?.server.started && !demo.options.keep) await stop(demo, signed);
  }
}

/** Ends the demo's searches that are not over. @returns their numbers */
async function endSearches(client: Client): Promise<number[]> {
  const ended: number[] = [];
  for await (const { id, name, state } of eachItem((query) => client.experiments(query))) {
    const over = state === "completed" || state === "canceled" || state === "error";
    if (name !== EXPERIMENT || over) continue;
    await client.changeExperiment(id, "kill");
    ended.push(id);
  }
  return ended;
}

async function start(demo: Demo): Promise<Signed> {
  const { dataDir, slots } = demo.options;
  const shown = relative(ROOT, dataDir) || dataDir;
  const progress = demo.progress(`starting a server with its own PostgreSQL in ${shown}`);
  let server: StartedServer;
  try {
    server = await startServer(
      { dataDir, port: 0, slots, signal: demo.interrupt, onStep: (step) => progress.detail(step) },
      demo.host,
    );
  } finally {
    progress.stop();
  }
  const token = await tokenFor(demo, server);
  const client = demo.cli.client({ url: server.url, token });
  const info = await client.server();
  demo.say(
    `Contrail ${server.version} ${server.started ? "is ready" : "runs already"} at ${server.url}, ` +
      `${plural(info.slots, "slot")}; everything is kept in ${shown}`,
  );
  // Left over by a demo that was killed; it would take slots from this one.
  for (const id of await endSearches(client))
    demo.say(`experiment ${id} of an earlier demo was not over; it is ended`);
  return { server, token, client };
}

/** Stored only with --keep: a server that is gone in three minutes needs no credentials file. */
async function tokenFor(demo: Demo, server: StartedServer): Promise<string> {
  const { url, oneTimeToken } = server;
  if (oneTimeToken === null) {
    const stored = readCredentials(demo.host.env).servers[url];
    if (stored !== undefined) return stored.token;
    throw new CliError(
      "not_authenticated",
      `A server runs on ${demo.options.dataDir}, and no token for it is stored.`,
      {
        hint: `Stop it: bin/contrail down --data-dir ${shellWord(demo.options.dataDir)}`,
        exitCode: EXIT.notAllowed,
      },
    );
  }
  const login = { one_time_token: oneTimeToken };
  if (demo.options.keep) return (await signIn(demo.cli, url, login, demo.options.dataDir)).token;
  return (await demo.cli.client({ url }).login(login)).token;
}

async function stop(demo: Demo, { token }: Signed): Promise<void> {
  const progress = demo.progress("stopping the server and what runs under it");
  try {
    await stopServer(
      { dataDir: demo.options.dataDir, trials: "stop", token, force: true },
      demo.host,
    );
  } finally {
    progress.stop();
  }
}

async function searchAndJudge(demo: Demo, client: Client, work: string) {
  const { cli, host } = demo;
  const look = { paint: cli.paint, width: cli.width };
  const names = join(work, "names");
  const dataset = await demo.during("registering the data set", (progress) =>
    addDataset(client, DATASET, names, progress),
  );
  demo.say(
    `data set ${dataset.name}@${dataset.version}, ${plural(dataset.files, "file")}: ` +
      (dataset.created ? "registered by its content" : "this very content was registered before"),
  );
  const text = readFileSync(join(EXAMPLE, "config.yaml"), "utf8");
  const reply = await demo.during("submitting examples/language-id", (progress) =>
    submit(cli, client, { text, folder: EXAMPLE }, progress),
  );
  const made = reply.experiment as Experiment;
  demo.say("", ...planLines(reply.plan, reply.searcher_reason, made.unit, look), "");
  const ended = await watchExperiment({
    client,
    experiment: made.id,
    clock: host.clock,
    sink: host.stdout,
    paint: cli.paint,
    mode: "live",
    signal: demo.interrupt,
  });
  if (ended === null) throw interrupted();
  if (ended.state !== "completed" || ended.best === null)
    throw new CliError(
      "search_failed",
      `Experiment ${ended.id} is ${ended.state}: ${ended.reason}`,
      {
        hint: `Look at its output: bin/contrail up --data-dir ${shellWord(demo.options.dataDir)}, then bin/contrail logs ${ended.id}`,
        exitCode: EXIT.notCompleted,
      },
    );
  const best = await client.trial(ended.best.trial);
  const accuracy = await judge(demo, client, best.id, work);
  const rungs = await client.rungs(ended.id);
  demo.say("", ...experimentLines(ended, best, rungs, { ...look, nowMs: host.clock.nowMs() }));
  demo.heading("on the test strings, which no trial has seen");
  demo.say(
    `best trial ${best.id}         ${accuracy.best.toFixed(4)}  ${hyperparametersLine(best.hyperparameters)}`,
    `Cavnar and Trenkle     ${accuracy.baseline.toFixed(4)}  rank-order profiles of n-grams (1994)`,
    `default settings       ${accuracy.defaults.toFixed(4)}  trained as long as the longest trial; ${accuracy.untrained.toFixed(4)} untrained`,
  );
  return {
    experiment: ended.id,
    trials: ended.trials.total,
    best_trial: best.id,
    best_metric: ended.best.objective,
    test_accuracy: accuracy.best,
    baseline_accuracy: accuracy.baseline,
    defaults_accuracy: accuracy.defaults,
    untrained_accuracy: accuracy.untrained,
    steps_trained: ended.spent.steps,
    steps_without_early_stopping: ended.plan.steps_without_early_stopping,
  };
}

/** Both cores are free again: the best trial's checkpoint, the baseline and the defaults, side by side. */
async function judge(demo: Demo, client: Client, trial: string, work: string) {
  const names = join(work, "names");
  const folder = join(work, "best");
  return await demo.during(
    "measuring the best trial, the baseline and the defaults",
    async (progress) => {
      const best = (async () => {
        const { id } = await findCheckpoint(client, `${trial}@best`);
        const checkpoint = await client.checkpoint(id);
        await download(client, checkpoint, folder, SILENT);
        return await demo.program("evaluate.ts", folder, names, "--json");
      })();
      const all = await Promise.all([
        best,
        demo.program("baseline.ts", names, "--json"),
        demo.program("defaults.ts", names, "--json"),
      ]);
      progress.detail("");
      const [test, baseline, defaults] = all.map((line) => JSON.parse(line)) as [
        { accuracy: number },
        { accuracy: number },
        { accuracy: number; accuracy_untrained: number },
      ];
      return {
        best: test.accuracy,
        baseline: baseline.accuracy,
        defaults: defaults.accuracy,
        untrained: defaults.accuracy_untrained,
      };
    },
  );
}

function sayNext(demo: Demo, experiment: number, trial: string, seconds: number): void {
  const { dataDir, keep } = demo.options;
  const folder = relative(demo.host.cwd, dataDir);
  const shown = folder === "" || folder.startsWith("..") ? dataDir : folder;
  demo.say("", `${duration(seconds)} in all. The record stays in ${shown}; ask it:`);
  const up = keep ? [] : [`up --data-dir ${shellWord(shown)}`];
  demo.cli.next(
    ...up,
    `experiment show ${experiment}`,
    `trial show ${trial}`,
    `trial list ${experiment} --best`,
    `checkpoint download ${trial}@best --to best-${experiment}`,
    "down",
  );
}

process.exitCode = await main();
