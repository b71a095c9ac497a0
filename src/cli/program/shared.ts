/** What the commands of all nouns have in common. */
import type { Command } from "commander";
import type { Verb } from "../../sdk/client.ts";
import type { Cli } from "../cli.ts";

/** What a command gets, and the exit code that it gives. */
export type Run = (work: (cli: Cli) => Promise<number>) => Promise<void>;

export const listOptions = (command: Command): Command =>
  command.option("-n, --limit <n>", "at most this many", "50").option("-a, --all", "all of them");

export const logOptions = (command: Command): Command =>
  command
    .option("-f, --follow", "go on until it is over")
    .option("-t, --tail <n>", "only the last N lines")
    .option("--rank <rank>", "only this process of the trial")
    .option("--stream <stream>", "only stdout or stderr")
    .option("--contains <text>", "only lines that contain this text")
    .option(
      "--since <time>",
      "only what was written at this time (RFC 3339, UTC where no zone is named) or later",
    )
    .option("--until <time>", "only what was written before this time")
    .option("--from <run.line>", "of a trial: begin with this line, such as 2.1041")
    .option("--times", "begin each line with its time (UTC)")
    .option("--raw", "the bytes as the program wrote them");

export const VERBS: readonly (readonly [Verb, string, string])[] = [
  ["pause", "save and give the slots back; `activate` goes on", "save and give its slots back"],
  ["activate", "go on after a pause", "go on after a pause"],
  ["cancel", "end it in good order, checkpoints saved", "end it in good order, checkpoint saved"],
  ["kill", "end it now", "end it now"],
];
