/**
 * One run of the command line: words in, exit code out; every failure ends here, as a message for people
 * or as one problem document. main.ts gives it the real world, tests a fake one.
 */
import { type Command, CommanderError } from "commander";
import { type Host, selfName } from "./cli.ts";
import { EXIT, failureOf, usageError } from "./exit-code.ts";
import { inTypedWords } from "./field-words.ts";
import { inertJson } from "./inert.ts";
import { paintFor } from "./paint.ts";
import { problemLines } from "./problem-view.ts";
import { makeProgram } from "./program.ts";

/** @param args the words after the program's name */
export async function runCli(args: readonly string[], host: Host): Promise<number> {
  const program = makeProgram(host);
  try {
    await program.command.parseAsync(helpWords(args), { from: "user" });
    return program.exitCode() ?? EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    // A noun without a verb printed its help already.
    if (error instanceof CommanderError && error.code === "commander.help") return EXIT.usage;
    const json = program.cli()?.json ?? wantsJson(args);
    return printFailure(asUsage(error, args), host, json, program.acted());
  }
}

/** `help experiment create` is `experiment create --help`; commander's own help command takes one word. */
function helpWords(args: readonly string[]): readonly string[] {
  const [first, ...words] = args;
  return first === "help" && words.length > 1 ? [...words, "--help"] : args;
}

function wantsJson(args: readonly string[]): boolean {
  const dashes = args.indexOf("--");
  return (dashes === -1 ? args : args.slice(0, dashes)).includes("--json");
}

/** commander's words, in our shape. */
function asUsage(error: unknown, args: readonly string[]): unknown {
  if (!(error instanceof CommanderError)) return error;
  const [first = "", ...more] = error.message.replace(/^error: /, "").split("\n");
  const detail = `${first.charAt(0).toUpperCase()}${first.slice(1)}${/[.?!]$/.test(first) ? "" : "."}`;
  const guess = more.map((line) => line.replace(/^\(|\)$/g, "")).join(" ");
  const words = args.filter((arg) => /^[a-z]+$/.test(arg)).slice(0, 2);
  const runs = args.includes("run") && error.code === "commander.unknownOption";
  const help = runs
    ? "Write two dashes before the program's own words: `contrail run -- COMMAND --its-option`"
    : `\`contrail ${words.length > 0 && words[0] !== "help" && error.code !== "commander.unknownCommand" ? `help ${words[0]}` : "--help"}\` shows what there is.`;
  return usageError(detail, guess === "" ? help : `${guess} ${help}`);
}

function printFailure(
  error: unknown,
  host: Host,
  json: boolean,
  command: Command | undefined,
): number {
  const failure = failureOf(error);
  // A script reads the fields as the server names them.
  const { problem } = failure;
  const typed = command === undefined ? undefined : inTypedWords(problem, command);
  const exitCode = typed === undefined ? failure.exitCode : EXIT.usage;
  if (json) host.stderr.write(`${inertJson(problem)}\n`);
  else {
    const lines = problemLines(typed ?? problem, {
      paint: paintFor(host.stderr, host.env),
      self: selfName(host.env),
      file: (error as { file?: string }).file,
    });
    host.stderr.write(`${lines.join("\n")}\n`);
  }
  if (host.env.CONTRAIL_DEBUG && error instanceof Error && !json)
    host.stderr.write(`${error.stack ?? ""}\n`);
  return exitCode;
}
