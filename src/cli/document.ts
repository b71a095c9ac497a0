/** docs/cli.md, rendered from the tree of commands itself, so that the two cannot part. Pure. */
import type { Argument, Command, Option } from "commander";
import type { Host } from "./cli.ts";
import { EXIT_MEANINGS } from "./exit-code.ts";
import { PASSED_VARIABLES } from "./passed-environment.ts";

/** Rendering runs no command, so the tree is made for a host that does nothing. */
const SILENT_SINK = { write() {}, isTTY: false, columns: 80, rows: 24 };
const NOWHERE: Host = {
  env: {},
  cwd: "/",
  argv: [],
  stdout: SILENT_SINK,
  stderr: SILENT_SINK,
  clock: { nowMs: () => 0, monotonicMs: () => 0, after: () => () => {} },
  newKey: () => "",
  catchInterrupt: () => new AbortController().signal,
  capture: async () => undefined,
  readSecret: async () => undefined,
};

const HEAD = `# The command line

Made by \`npm run generate\` from the commands themselves (src/cli/program.ts).

\`bin/contrail\` in a clone, \`contrail\` where the package is installed. \`contrail help COMMAND\` prints the same.
`;

const CUSTOMS = `
## Customs

- **\`--json\`** works everywhere. What shows one thing prints one JSON document; what streams (\`logs\`, \`create -f\`,
  \`run\`) prints one JSON object a line. A failure is one problem document on stderr (the codes are in \`errors.md\`).
- **Ids contain their parents**: experiment \`3\`, its trial \`3.12\`, that trial's second allocation \`3.12.2\`.
- **Several ids**: each is tried, and a refusal of one is its line, or \`{"id", "problem"}\` in the list of \`--json\`; the
  exit code is that of the refusals where they have one in common, else 1.
- **Where the server is**: \`--server\`, else \`CONTRAIL_SERVER\` (with \`CONTRAIL_TOKEN\`), else the current one of
  \`~/.config/contrail/credentials.json\` (\`CONTRAIL_CONFIG_DIR\` names another folder), which \`up\` and \`login\` write.
  Where \`--server\` names another than \`CONTRAIL_SERVER\`, that one's stored token is sent and not \`CONTRAIL_TOKEN\`.
- **Progress** goes to stderr: a spinner on a terminal, a line every few seconds elsewhere, nothing with \`--json\`.
- **Colours** only on a terminal; \`NO_COLOR\` turns them off, \`FORCE_COLOR\` on.
- **Text from elsewhere** (names, logs) is shown inert: control characters stand as \`\\x1b\`, \`\\u202e\` and the like.
  \`--json\` has the exact text, \`logs --raw\` the exact bytes.
- **\`run\`** gives the program a copy of the folder (what it writes there is not kept), no stdin, and of the shell's
  variables ${PASSED_VARIABLES.map((name) => `\`${name}\``).join(", ")}
  and those of \`--env\`. They are stored with the experiment, for all to see who may read it ([record.md](record.md)); names that
  speak of a token, key, secret or password pass only with \`--env\`.
- **\`CONTRAIL_DATA_DIR\`** is the default data folder of \`up\`, \`down\` and \`doctor\`; \`CONTRAIL_DEBUG=1\` adds the place
  in the source to an error.
`;

/** The whole document. */
export async function cliDocument(): Promise<string> {
  const { makeProgram } = await import("./program.ts");
  return renderCliDocument(makeProgram(NOWHERE).command);
}

/** @param program the root of the tree */
export function renderCliDocument(program: Command): string {
  const commands = leaves(program);
  return [
    HEAD,
    overview(commands),
    CUSTOMS,
    exitCodes(),
    "\n## Options of every command\n",
    optionTable(visibleOptions(program)),
    ...commands.map((command) => section(command)),
  ].join("\n");
}

const isHelp = (command: Command): boolean => command.name() === "help";

function leaves(command: Command): Command[] {
  const children = command.commands.filter((child) => !isHelp(child));
  return children.length === 0 ? [command] : children.flatMap(leaves);
}

/** Names from below the program down, each with its alias. */
function pathOf(command: Command): Command[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command];
}

const nameOf = (command: Command): string =>
  pathOf(command)
    .map((part) => part.name())
    .join(" ");

const aliasOf = (command: Command): string | undefined => {
  const path = pathOf(command);
  if (path.every((part) => part.alias() === undefined)) return undefined;
  return path.map((part) => part.alias() ?? part.name()).join(" ");
};

const anchorOf = (command: Command): string => nameOf(command).replaceAll(" ", "-");

function overview(commands: readonly Command[]): string {
  const rows = commands.map((command) => {
    const alias = aliasOf(command);
    const short = alias === undefined ? "" : `\`${alias}\``;
    return `| [\`${nameOf(command)}\`](#${anchorOf(command)}) | ${short} | ${cell(command.description())} |`;
  });
  return ["| command | short | what it does |", "| --- | --- | --- |", ...rows].join("\n");
}

function exitCodes(): string {
  const rows = EXIT_MEANINGS.map(([code, meaning]) => `| ${code} | ${meaning} |`);
  return [
    "## Exit codes",
    "",
    "| code | meaning |",
    "| --- | --- |",
    ...rows,
    "",
    "`run` ends with the exit code of the program that it ran; 128 + n when signal n ended it, 127 and 126 when there is no such program or it may not be run.",
  ].join("\n");
}

function section(command: Command): string {
  const parts = [`\n## ${nameOf(command)}\n`, `${sentence(command.description())}\n`];
  const words = command.registeredArguments.map(argumentWord);
  const options = visibleOptions(command);
  const usage = [
    "contrail",
    nameOf(command),
    ...(options.length > 0 ? ["[options]"] : []),
    ...words,
  ];
  parts.push(`    ${usage.join(" ")}\n`);
  const described = command.registeredArguments.filter((argument) => argument.description !== "");
  if (described.length > 0)
    parts.push(
      `${["| argument | |", "| --- | --- |", ...described.map((a) => `| \`${cell(argumentWord(a))}\` | ${cell(a.description)} |`)].join("\n")}\n`,
    );
  if (options.length > 0) parts.push(optionTable(options));
  return parts.join("\n").trimEnd();
}

const visibleOptions = (command: Command): Option[] =>
  command.options.filter((option) => !option.hidden);

function optionTable(options: readonly Option[]): string {
  const rows = options.map((option) => {
    const fallback =
      option.defaultValue === undefined || typeof option.defaultValue === "boolean"
        ? ""
        : `\`${String(option.defaultValue)}\``;
    return `| \`${cell(option.flags)}\` | ${cell(option.description)} | ${fallback} |`;
  });
  return `${["| option | | default |", "| --- | --- | --- |", ...rows].join("\n")}\n`;
}

function argumentWord(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;

const cell = (text: string): string => text.replaceAll("|", "\\|");
