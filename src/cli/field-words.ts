/**
 * A server names the fields of a request (`querystring.sort`, `params.token`, `body.name`). Whoever typed a command knows
 * its options and arguments, so a refusal is told in those: one place turns the one into the other, for every command.
 * A field that nobody typed stays as it is: that the command sent it is a mistake of ours.
 */
import type { Command } from "commander";
import type { Problem, ProblemIssue } from "../protocol/errors.ts";

/** What was typed: the option or the argument, and with which value where it had one. */
interface Typed {
  readonly name: string;
  readonly value: unknown;
}

export interface Told {
  readonly problem: Problem;
  /** What was typed cannot be: the command line is wrong, and nothing else. */
  readonly isTyped: boolean;
}

/** What is said to whoever typed the command; a script reads the fields as the server names them. */
export function toldOf(problem: Problem, command: Command | undefined): Told {
  if (command === undefined) return { problem, isTyped: false };
  const typed = inTypedWords(problem, command);
  if (typed !== undefined) return { problem: typed, isTyped: true };
  const { code, issues = [] } = problem;
  // The catalogue's hint, where there is no list to look at.
  const isBare = code === "invalid_request" && issues.length === 0 && /`issues`/.test(problem.hint);
  const told = isBare ? { ...problem, hint: helpHint(command) } : problem;
  return { problem: inTaskWords(told, command), isTyped: false };
}

const helpHint = (command: Command): string =>
  `\`contrail ${wayTo(command)} --help\` shows what it takes.`;

/** @returns the problem in words of the command line, or undefined where a field of it was not typed */
function inTypedWords(problem: Problem, command: Command): Problem | undefined {
  const { code, issues = [] } = problem;
  if (code !== "invalid_request" || issues.length === 0) return undefined;
  const told = issues.map((issue) => sentenceOf(issue, command));
  if (!told.every((sentence) => sentence !== undefined)) return undefined;
  return {
    ...problem,
    detail: told.join("\n"),
    issues: [],
    // Where there is more to say than the catalogue does, it stays.
    hint: /`issues`|^$/.test(problem.hint) ? helpHint(command) : problem.hint,
  };
}

function sentenceOf(issue: ProblemIssue, command: Command): string | undefined {
  const { path, message, column } = issue;
  // What a filter says has places of its own.
  const place = /^(?:querystring|params|body)(?:\.(\w*))?(?:\.|$)|^(?=filter$)/.exec(path);
  if (place === null) return undefined;
  const words = plainWords(message);
  const field = place[1] ?? (path === "filter" ? path : "");
  if (field === "") {
    // A rule about several fields names them itself.
    const said = words.replace(
      /\b[a-z]+(?:_[a-z]+)+\b/g,
      (name) => optionOf(name, command)?.name ?? name,
    );
    return said.includes("--") ? sentence(said) : undefined;
  }
  const typed =
    optionOf(field, command) ?? argumentOf(field, command, place[0].startsWith("params"));
  if (typed === undefined) return undefined;
  const { name, value } = typed;
  const is = typeof value === "string" ? ` is ${JSON.stringify(value)}` : "";
  const at = path === "filter" && column != null ? `, column ${column}` : "";
  return sentence(`${name}${is}${at}: ${words}`);
}

const sentence = (text: string): string => (/[.?!]$/.test(text) ? text : `${text}.`);

/** `from_step` is --from-step, or --from where a command calls it so; `labels` is --label. */
function optionOf(field: string, command: Command): Typed | undefined {
  const whole = field.replaceAll("_", "-");
  for (const name of [whole, whole.replace(/s$/, ""), whole.replace(/-.*$/, "")]) {
    const option = command.options.find(({ long }) => long === `--${name}`);
    const value = option && command.getOptionValue(option.attributeName());
    if (option && command.getOptionValueSource(option.attributeName()) === "cli")
      return { name: `--${name}`, value };
  }
  return undefined;
}

/** @param inPath the server took it out of the address, which holds what a command is about */
function argumentOf(field: string, command: Command, inPath: boolean): Typed | undefined {
  const { registeredArguments: all, args } = command;
  const called = field === "filter" ? "query" : field;
  const named = all.findIndex((argument) => argument.name() === called);
  const at = named === -1 && inPath && all.length === 1 ? 0 : named;
  const argument = all[at];
  if (argument === undefined) return undefined;
  return {
    name: argument.name(),
    value: argument.variadic && args.length > 1 ? undefined : args[at],
  };
}

/** A task is an experiment to the server; whoever typed a command about tasks is told of tasks. */
function inTaskWords(problem: Problem, command: Command): Problem {
  const [noun = ""] = wayTo(command).split(" ");
  if (!["task", "notebook", "shell"].includes(noun)) return problem;
  const list = noun === "task" ? "task list --ended" : `task list --ended --kind ${noun}`;
  return {
    ...problem,
    detail: problem.detail
      .replace(/\bexperiment (?=\d)/g, "task ")
      .replace(/^Experiment (?=\d)/, "Task "),
    hint: problem.hint
      .replace(/\bcontrail experiment list\b/, `contrail ${list}`)
      .replace(/\bcontrail experiment (?=(?:show|wait)\b)/, "contrail task "),
  };
}

/** `experiment list` */
export function wayTo(command: Command): string {
  const above = command.parent;
  return above === null || above.parent === null
    ? command.name()
    : `${wayTo(above)} ${command.name()}`;
}

/** The sentences of a schema that has none of its own. */
function plainWords(message: string): string {
  const bounds =
    /^Too (?:small|big): expected (string|number|int|array) to (?:have|be) ([<>])(=?)(\d+)/.exec(
      message,
    );
  if (bounds !== null) {
    const [, kind, side, equal, limit = ""] = bounds;
    if (kind === "string" && side === ">" && limit === "1") return "must not be empty";
    const most = side === "<" ? "at most" : "at least";
    const bound =
      equal === "=" ? `${most} ${limit}` : `${side === "<" ? "less" : "more"} than ${limit}`;
    if (kind === "string") return `must have ${bound} characters`;
    return kind === "array" ? `takes ${bound} of them` : `must be ${bound}`;
  }
  return message.replace(
    /^Invalid string: must match pattern \/(.*)\/[a-z]*$/s,
    "is not of the form $1",
  );
}
