/**
 * `contrail run -- COMMAND…`: a program that knows nothing of Contrail, recorded: its code, its output,
 * its end. It is an experiment with one trial; nothing has to be named, committed or written down first.
 */
import { constants } from "node:os";
import { resolve } from "node:path";
import type { TrialDetail } from "../../protocol/api.ts";
import type { Client } from "../../sdk/client.ts";
import type { Cli } from "../cli.ts";
import { shellWord } from "../cli.ts";
import { failureText } from "../endings.ts";
import { EXIT, usageError } from "../exit-code.ts";
import { duration } from "../figures.ts";
import { inert } from "../inert.ts";
import { LogWriter, rawBytes } from "../log-view.ts";
import { NO_PAINT } from "../paint.ts";
import { passedEnvironment } from "../passed-environment.ts";
import { wholeOf } from "../values.ts";
import { submit } from "./experiment-create.ts";

export interface RunOptions {
  readonly name?: string;
  readonly slots?: string;
  readonly dir?: string;
  /** commander's form of --no-code. */
  readonly code?: boolean;
  readonly data?: readonly string[];
  readonly label?: readonly string[];
  readonly restarts?: string;
  readonly detach?: boolean;
  readonly raw?: boolean;
  readonly env?: readonly string[];
  /** commander's form of --no-stdin. */
  readonly stdin?: boolean;
}

export async function run(
  cli: Cli,
  command: readonly string[],
  options: RunOptions,
): Promise<number> {
  if (command.length === 0)
    throw usageError(
      "There is no command to run.",
      "Write it after two dashes: run -- python3 train.py",
    );
  if (options.stdin !== false && cli.host.stdinHasInput?.() === true)
    throw usageError(
      "There is input on stdin, and the program would not get it: it runs beside the server, not in this shell.",
      "Put it into a file of the folder and name that file; or add --no-stdin to run without it.",
    );
  const client = cli.client();
  const environment = passedEnvironment(cli.host.env, options.env ?? []);
  const text = JSON.stringify(configFor(command, options, environment), null, 2);
  const folder = options.code === false ? undefined : resolve(cli.host.cwd, options.dir ?? ".");
  const { experiment } = await cli.during("submitting", (progress) =>
    submit(cli, client, { text, folder }, progress),
  );
  if (experiment === null) throw new Error("a submission that is no dry run made no experiment");
  if (options.detach === true) {
    cli.show(experiment, () => [
      `experiment ${experiment.id} ${inert(experiment.name)} is submitted`,
    ]);
    cli.next(`logs -f ${experiment.id}`, `experiment wait ${experiment.id}`);
    return EXIT.ok;
  }
  cli.note(
    `it runs in ${options.code === false ? "an empty folder" : "a copy of this folder"}: files that it writes there are not kept; write to an absolute path to keep them. It gets no stdin.`,
  );
  if (cli.json) cli.item({ experiment }, () => []);
  else cli.err(cli.errPaint.dim(`experiment ${experiment.id}: ${inert(experiment.name)}`));
  const whole = await followOutput(cli, client, experiment.id, options.raw === true);
  if (!whole) {
    if (!cli.json)
      cli.err(`It goes on. Stop it with: ${cli.self} experiment kill ${experiment.id}`);
    return EXIT.interrupted;
  }
  return await end(cli, client, experiment.id);
}

function configFor(
  command: readonly string[],
  options: RunOptions,
  environment: { [name: string]: string },
): Record<string, unknown> {
  const words = command.map(shellWord).join(" ").replace(/\s+/g, " ");
  const data = Object.fromEntries((options.data ?? []).map(dataOption));
  return {
    name: options.name ?? (words.length > 80 ? `${words.slice(0, 79)}…` : words),
    entrypoint: [...command],
    searcher: { name: "single" },
    max_restarts: wholeOf("--restarts", options.restarts ?? "0", 0, 10_000),
    resources: { slots_per_trial: wholeOf("--slots", options.slots ?? "1", 1, 1024) },
    ...(Object.keys(data).length === 0 ? {} : { data }),
    ...(Object.keys(environment).length === 0
      ? {}
      : { environment: { environment_variables: environment } }),
    ...(options.label === undefined ? {} : { labels: [...options.label] }),
  };
}

/** `NAME=DATASET@VERSION`, or `DATASET` alone: its latest version under its own name. */
function dataOption(text: string): [string, string] {
  const equals = text.indexOf("=");
  const name = equals === -1 ? (text.split("@")[0] ?? text) : text.slice(0, equals);
  const version = equals === -1 ? text : text.slice(equals + 1);
  if (name === "" || version === "")
    throw usageError(
      `--data is "${text}".`,
      "Write NAME=DATASET@VERSION, or DATASET for its latest.",
    );
  return [name, version.includes("@") ? version : `${version}@latest`];
}

/** The program's stdout to ours, its stderr to ours. @returns false when Ctrl-C came first */
async function followOutput(
  cli: Cli,
  client: Client,
  experiment: number,
  raw: boolean,
): Promise<boolean> {
  const interrupt = cli.host.catchInterrupt();
  const { host } = cli;
  const sinks = { stdout: host.stdout, stderr: host.stderr };
  const writers = {
    stdout: new LogWriter({ paint: cli.paint, trials: false, times: false }),
    // Not marked by colour: here the two streams stay apart.
    stderr: new LogWriter({ paint: NO_PAINT, trials: false, times: false }),
  };
  for await (const entries of client.logStream({ experiment }, {}, { signal: interrupt }))
    for (const entry of entries) {
      const { stream } = entry;
      if (cli.json) cli.item(entry, () => []);
      else sinks[stream].write(raw ? rawBytes(entry) : writers[stream].text(entry));
    }
  for (const stream of ["stdout", "stderr"] as const) {
    const rest = writers[stream].end();
    if (rest !== "") sinks[stream].write(rest);
  }
  return !interrupt.aborted;
}

/** Says how it ended, and ends the same way. */
async function end(cli: Cli, client: Client, id: number): Promise<number> {
  const [experiment, trials] = await Promise.all([
    client.experiment(id),
    client.experimentTrials(id, { limit: 1 }),
  ]);
  const first = trials.items[0];
  const trial = first === undefined ? undefined : await client.trial(first.id);
  const exitCode = exitOf(experiment.state === "completed", trial);
  if (cli.json) {
    cli.item({ end: { experiment, trial: trial ?? null, exit_code: exitCode } }, () => []);
    return exitCode;
  }
  const took = duration(experiment.spent.seconds);
  cli.err(
    cli.errPaint.dim(
      `experiment ${id} ${experiment.state} after ${took}: ${inert(experiment.reason)}`,
    ),
  );
  if (trial?.state === "error" && !experiment.reason.includes(failureText(trial)))
    cli.err(`${cli.errPaint.red("failed:")} ${inert(failureText(trial))} (trial ${trial.id})`);
  for (const next of [`experiment show ${id}`, `logs ${id}`])
    cli.err(cli.errPaint.dim(`next: ${cli.self} ${next}`));
  return exitCode;
}

/** As a shell says that there is no such program, or that it may not be run. */
const SHELL_EXIT = { notFound: 127, notExecutable: 126 } as const;

/** The program's own exit code; 127 and 126 when it could not be started; 128 + the signal's number, as a shell has it; else 1 when it failed. */
export function exitOf(completed: boolean, trial: TrialDetail | undefined): number {
  const last = trial?.allocations.at(-1);
  if (trial?.end_reason === "launch_failed")
    return /is not executable|EACCES/.test(trial.reason)
      ? SHELL_EXIT.notExecutable
      : SHELL_EXIT.notFound;
  if (last?.signal != null) return 128 + (constants.signals[last.signal as NodeJS.Signals] ?? 0);
  if (last?.exit_code != null && (last.exit_code !== 0 || completed)) return last.exit_code;
  return completed ? EXIT.ok : EXIT.failed;
}
