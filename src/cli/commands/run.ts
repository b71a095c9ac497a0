/**
 * `contrail run -- COMMAND…`: a program that knows nothing of Contrail, recorded: its code, its output,
 * its end. It is an experiment with one trial; nothing has to be named, committed or written down first.
 * `contrail command run -- COMMAND…` is the same of what is to be no result: a task, which has all its slots for itself.
 */
import { constants } from "node:os";
import type { TrialDetail } from "../../protocol/api.ts";
import type { Client } from "../../sdk/client.ts";
import type { Cli } from "../cli.ts";
import { failureText } from "../endings.ts";
import { EXIT, usageError } from "../exit-code.ts";
import { duration } from "../figures.ts";
import { inert } from "../inert.ts";
import { LogWriter, rawBytes } from "../log-view.ts";
import { NO_PAINT } from "../paint.ts";
import { leaveSubmitted, type StartOptions, submitProgram } from "./program-start.ts";

export interface RunOptions extends StartOptions {
  readonly raw?: boolean;
  /** commander's form of --no-stdin. */
  readonly stdin?: boolean;
}

export async function run(
  cli: Cli,
  command: readonly string[],
  options: RunOptions,
  kind?: "command",
): Promise<number> {
  const self = kind === undefined ? "run" : "command run";
  if (command.length === 0)
    throw usageError(
      "There is no command to run.",
      `Write it after two dashes: ${self} -- python3 train.py`,
    );
  if (options.stdin !== false && cli.host.stdinHasInput?.() === true)
    throw usageError(
      "There is input on stdin, and the program would not get it: it runs beside the server, not in this shell.",
      "Put it into a file of the folder and name that file; or add --no-stdin to run without it.",
    );
  const client = cli.client();
  const program = { entrypoint: command, ...(kind === undefined ? {} : { kind }) };
  const experiment = await submitProgram(cli, client, program, options);
  const noun = kind ?? "experiment";
  if (options.detach === true) {
    const wait = `${kind === undefined ? "experiment" : "task"} wait ${experiment.id}`;
    return leaveSubmitted(cli, noun, experiment, `logs -f ${experiment.id}`, wait);
  }
  cli.note(
    `it runs in ${options.code === false ? "an empty folder" : "a copy of this folder"}: files that it writes there are not kept; write to an absolute path to keep them. It gets no stdin.`,
  );
  if (cli.json) cli.item({ experiment }, () => []);
  else cli.err(cli.errPaint.dim(`${noun} ${experiment.id}: ${inert(experiment.name)}`));
  const whole = await followOutput(cli, client, experiment.id, options.raw === true);
  if (!whole) {
    const killing = kind === undefined ? "experiment kill" : "task kill";
    if (!cli.json) cli.err(`It goes on. Stop it with: ${cli.self} ${killing} ${experiment.id}`);
    return EXIT.interrupted;
  }
  return await end(cli, client, experiment.id, noun);
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
async function end(cli: Cli, client: Client, id: number, noun: string): Promise<number> {
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
      `${noun} ${id} ${experiment.state} after ${took}: ${inert(experiment.reason)}`,
    ),
  );
  if (trial?.state === "error" && !experiment.reason.includes(failureText(trial)))
    cli.err(`${cli.errPaint.red("failed:")} ${inert(failureText(trial))} (trial ${trial.id})`);
  for (const next of [`${noun === "command" ? "task" : noun} show ${id}`, `logs ${id}`])
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
