/**
 * One run of the command line: words in, exit code out; every failure ends here, as a message for people
 * or as one problem document. main.ts gives it the real world, tests a fake one.
 */
import { type Command, CommanderError } from "commander";
import { type Host, selfName } from "./cli.ts";
import { EXIT, failureOf, usageError } from "./exit-code.ts";
import { toldOf, wayTo } from "./field-words.ts";
import { inertJson } from "./inert.ts";
import { paintFor } from "./paint.ts";
import { problemLines } from "./problem-view.ts";
import { makeProgram } from "./program.ts";

/** @param args the words after the program's name */
export async function runCli(args: readonly string[], host: Host): Promise<number> {
  const program = makeProgram(host);
  try {
    await program.command.parseAsync(helpWords(args, program.command), { from: "user" });
    return program.exitCode() ?? EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    // A noun without a verb printed its help already.
    if (error instanceof CommanderError && error.code === "commander.help") return EXIT.usage;
    const json = program.cli()?.json ?? wantsJson(args);
    return printFailure(asUsage(error, args, program.command), host, json, program.acted());
  }
}

/**
 * `help experiment create` is `experiment create --help`; commander's own help command takes one word. Whatever else stands
 * there, nothing is run: options are left out, and so is what a command takes.
 */
function helpWords(args: readonly string[], program: Command): readonly string[] {
  const [first, ...words] = args;
  if (first !== "help" || words.length === 0) return args;
  const way: string[] = [];
  let at = program;
  for (const word of words.filter((one) => !one.startsWith("-"))) {
    const next = within(at, word);
    // Asked for as a command, what is none is refused by its name, with the nearest; help of it would be the help of all.
    if (next === undefined && at.commands.length > 0) return [...way, word];
    if (next === undefined) break;
    way.push(word);
    at = next;
  }
  return [...way, "--help"];
}

const within = ({ commands }: Command, word: string): Command | undefined =>
  commands.find((one) => one.name() === word || one.aliases().includes(word));

/** The commands that the words name, from the outside in; options and what is no command are passed over. */
function named(words: readonly string[], program: Command): Command[] {
  const way: Command[] = [];
  for (const word of words) {
    const at = way.at(-1) ?? program;
    const next = within(at, word);
    if (next !== undefined) way.push(next);
    else if (at.commands.length === 0) break;
  }
  return way;
}

function wantsJson(args: readonly string[]): boolean {
  const dashes = args.indexOf("--");
  return (dashes === -1 ? args : args.slice(0, dashes)).includes("--json");
}

/** commander's words, in our shape. */
function asUsage(error: unknown, args: readonly string[], program: Command): unknown {
  if (!(error instanceof CommanderError)) return error;
  const [first = "", ...more] = error.message.replace(/^error: /, "").split("\n");
  const detail = `${first.charAt(0).toUpperCase()}${first.slice(1)}${/[.?!]$/.test(first) ? "" : "."}`;
  const guess = more.map((line) => line.replace(/^\(|\)$/g, "")).join(" ");
  const command = named(args, program).at(-1);
  const runs = args.includes("run") && error.code === "commander.unknownOption";
  const help = runs
    ? "Write two dashes before the program's own words: `contrail run -- COMMAND --its-option`"
    : `\`contrail ${command === undefined ? "--help" : `help ${wayTo(command)}`}\` shows what there is.`;
  return usageError(detail, guess === "" ? help : `${guess} ${help}`);
}

function printFailure(
  error: unknown,
  host: Host,
  json: boolean,
  command: Command | undefined,
): number {
  const failure = failureOf(error);
  const told = toldOf(failure.problem, command);
  const exitCode = told.isTyped ? EXIT.usage : failure.exitCode;
  if (json) host.stderr.write(`${inertJson(failure.problem)}\n`);
  else {
    const lines = problemLines(told.problem, {
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
