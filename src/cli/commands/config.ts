/** `contrail config lint FILE`: every fault of a configuration at once, without a server. */
import { readFileSync } from "node:fs";
import type { Issue } from "../../protocol/config/issue.ts";
import { type Cli, createCommand, shellWord } from "../cli.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { plural } from "../figures.ts";
import { inert } from "../inert.ts";
import { issueLines } from "../problem-view.ts";
import { requireFile } from "../user-file.ts";

export async function lint(cli: Cli, files: readonly string[]): Promise<number> {
  const { openConfig, readLayer, readOpen, writtenIn } = await import(
    "../../protocol/config/config.ts"
  );
  const results = files.map((file) => {
    const path = pathOf(cli, file, files.length > 1);
    if (typeof path !== "string") return { file, ok: false, issues: [path], warnings: [] };
    const open = openConfig(readFileSync(path, "utf8"));
    const { template } = writtenIn(open);
    const named = typeof template === "string";
    // What its template supplies is known to the server alone.
    const reading = named ? { warnings: [], ...readLayer(open, null) } : readOpen(open);
    if (named)
      cli.note(
        `${file} was checked without its template ${inert(template)}; over it: ${cli.self} ${createCommand(file)} --dry-run`,
      );
    const issues = reading.ok ? [] : reading.issues;
    return { file, ok: reading.ok, issues, warnings: reading.warnings };
  });
  const faults = results.reduce((sum, result) => sum + result.issues.length, 0);
  const warnings = results.reduce((sum, result) => sum + result.warnings.length, 0);
  cli.show({ ok: faults === 0, files: results }, () => [
    ...results.flatMap(({ file, issues, warnings: soft }) => [
      ...issues.flatMap((issue) =>
        mark(cli.paint.red("fault"), issueLines(issue, cli.paint, file)),
      ),
      ...soft.flatMap((issue) =>
        mark(cli.paint.yellow("warning"), issueLines(issue, cli.paint, file)),
      ),
    ]),
    faults === 0
      ? `${plural(files.length, "file")} without faults${warnings > 0 ? `, ${plural(warnings, "warning")}` : ""}`
      : plural(faults, "fault"),
  ]);
  const [first] = files;
  if (faults === 0 && first !== undefined)
    cli.next(`search preview ${shellWord(first)}`, createCommand(first));
  return faults === 0 ? EXIT.ok : EXIT.failed;
}

/** Of several files one that is not there is a fault like the others, which are told all the same. */
function pathOf(
  cli: Cli,
  file: string,
  isOneOfSeveral: boolean,
): string | (Omit<Issue, "code"> & { code: string }) {
  try {
    return requireFile(cli.host.cwd, file, {
      wanted: "a configuration is a file",
      hint: `Name the file in it: config lint ${shellWord(`${file.replace(/\/+$/, "")}/config.yaml`)}`,
    });
  } catch (error) {
    if (!isOneOfSeveral || !(error instanceof CliError)) throw error;
    return {
      severity: "error",
      code: "no_such_file",
      path: "",
      line: null,
      column: null,
      message: error.message,
    };
  }
}

const mark = (word: string, [first = "", ...more]: string[]): string[] => [
  `${word}${first.replace(/^ /, "")}`,
  ...more,
];
