/** `run` and `logs`, and the options of whatever runs a program from the command line. */
import type { Command } from "commander";
import { PASSED_VARIABLES } from "../passed-environment.ts";
import { logOptions, type Run } from "./shared.ts";

/** @param self how it is called, for the help */
export const runOptions = (command: Command, self: string): Command =>
  programOptions(
    command.argument(
      "[command...]",
      `the command, after two dashes: ${self} -- python3 train.py --lr 0.1`,
    ),
  )
    .option("--restarts <n>", "start it again this often when it fails", "0")
    .option("-d, --detach", "do not wait for it")
    .option("--raw", "its output byte for byte, control sequences included")
    .option("--no-stdin", "run it although there is input on stdin, which it does not get")
    .addHelpText(
      "after",
      `
The program sees a copy of its folder as it was at the start: a later edit does not reach it, and files
that it writes there are not kept; write to an absolute path to keep them. It gets no stdin.
Of this shell's variables it gets ${PASSED_VARIABLES.join(", ")}
and what --env names, but none whose name speaks of a token, key, secret or password.`,
    );

/** Of everything that is started from the command line. */
export const programOptions = (command: Command): Command =>
  command
    .option("--name <name>", "what to call it (default: the command)")
    .option("--slots <n>", "slots that it gets (default: 1)")
    .option("--pool <pool>", "where it runs (default: the first pool)")
    .option("--dir <dir>", "the folder that is recorded as its code (default: the current one)")
    .option("--no-code", "record no folder; the program runs in an empty one")
    .option(
      "--data <dataset...>",
      "datasets that it reads: NAME=DATASET@VERSION, or DATASET for its latest version",
    )
    .option("--label <label...>", "words to find it by")
    .option("--config <file>", "a configuration for what has no option; options count before it")
    .option(
      "-e, --env <variable...>",
      "a variable for it, NAME as it is here or NAME=VALUE; stored with the experiment, so no secrets",
    );

export function addRun(program: Command, run: Run): void {
  runOptions(
    program
      .command("run")
      .description("run any program and record it; ends with the program's exit code"),
    "run",
  ).action((words: string[], options) =>
    run(async (cli) => (await import("../commands/run.ts")).run(cli, words, options)),
  );
  logOptions(
    program
      .command("logs")
      .description("show what an experiment, a trial or an allocation wrote")
      .argument("<id>", "3, 3.12 or 3.12.2"),
  ).action((id: string, options) =>
    run(async (cli) => (await import("../commands/logs.ts")).logs(cli, id, options)),
  );
}
