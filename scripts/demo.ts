/**
 * `npm run demo`: from a bare clone to a tuned model. Starts a server on a data folder in the clone,
 * registers the example's data set, runs its search live, and then asks the record what came of it.
 *
 *   --json          one JSON object as the last line of stdout; everything else goes to stderr
 *   --keep          leave the server running, signed in
 *   --data-dir DIR  instead of .contrail/demo in the clone
 *   --slots N       instead of one slot a core
 *
 * It uses what `contrail` itself is made of, so what works here works there. The data folder stays: it is
 * the record, and the `next:` lines ask it. Everything that was started here is stopped here, also on
 * Ctrl-C and after a failure.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { Cli, shellWord } from "../src/cli/cli.ts";
import { findCheckpoint } from "../src/cli/commands/checkpoint.ts";
import { addDataset } from "../src/cli/commands/data.ts";
import { submit } from "../src/cli/commands/experiment-create.ts";
import { readCredentials } from "../src/cli/credentials.ts";
import { download } from "../src/cli/download.ts";
import { CliError, EXIT, failureOf } from "../src/cli/exit-code.ts";
import { experimentLines } from "../src/cli/experiment-view.ts";
import { duration, hyperparametersLine, plural } from "../src/cli/figures.ts";
import { buildPage, pageIsStale } from "../src/cli/page-stamp.ts";
import { planLines } from "../src/cli/plan-view.ts";
import { problemLines } from "../src/cli/problem-view.ts";
import { SILENT } from "../src/cli/progress.ts";
import { realHost } from "../src/cli/real-host.ts";
import { interrupted, type StartedServer, startServer } from "../src/cli/server-process.ts";
import { stopServer } from "../src/cli/server-stop.ts";
import { signIn } from "../src/cli/sign-in.ts";
import { watchExperiment } from "../src/cli/watch.ts";
import type { Experiment } from "../src/protocol/api.ts";
import { type Client, eachItem } from "../src/sdk/client.ts";
import { Demo, EXAMPLE, ROOT, readOptions } from "./demo/stage.ts";

const DATASET = "language-names";
/** As examples/language-id/config.yaml calls it. */
const EXPERIMENT = "language-id";

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
  const shown = shownFolder(ROOT, dataDir);
  if (pageIsStale()) {
    const trouble = await demo.during("building the web page", () => buildPage());
    if (trouble !== undefined) demo.say(`the web page could not be built: ${trouble}`);
  }
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
  const { one_time_token: once } = await client.signInLink();
  demo.say(`watch it in a browser, signed in by this link: ${server.url}/sign-in#${once}`);
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
        hint: `Stop it: bin/contrail down --data-dir ${shellWord(demo.options.dataDir)} --keep-trials`,
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
    addDataset({ client, name: DATASET, path: names, progress }),
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

/** Relative where that is shorter to read and to paste. */
function shownFolder(from: string, folder: string): string {
  const path = relative(from, folder);
  return path === "" || path.startsWith("..") ? folder : path;
}

function sayNext(demo: Demo, experiment: number, trial: string, seconds: number): void {
  const { dataDir, keep } = demo.options;
  const shown = shownFolder(demo.host.cwd, dataDir);
  demo.say("", `${duration(seconds)} in all. The record stays in ${shown}; ask it:`);
  const folder = `--data-dir ${shellWord(shown)}`;
  demo.cli.next(
    ...(keep ? [] : [`up ${folder}`]),
    `experiment show ${experiment}`,
    `trial show ${trial}`,
    `trial list ${experiment} --best`,
    `checkpoint download ${trial}@best --to best-${experiment}`,
    // Named, because CONTRAIL_DATA_DIR may name another one.
    `down ${folder}`,
  );
}

process.exitCode = await main();
