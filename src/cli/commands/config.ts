/** `contrail config lint FILE`: every fault of a configuration at once, without a server. */
import { readFileSync } from "node:fs";
import type { Issue } from "../../protocol/config/issue.ts";
import { type Cli, createCommand, shellWord } from "../cli.ts";
import { EXIT, failureOf } from "../exit-code.ts";
import { plural } from "../figures.ts";
import { inert } from "../inert.ts";
import { issueLines } from "../problem-view.ts";
import { requireFile } from "../user-file.ts";

export async function lint(cli: Cli, files: readonly string[]): Promise<number> {
  const { openConfig, readLayer, readOpen, writtenIn } = await import(
    "../../protocol/config/config.ts"
  );
  const results = files.map((file) => {
    const text = textOf(cli, file, files.length > 1);
    if (typeof text !== "string") return { file, ok: false, issues: [text], warnings: [] };
    const open = openConfig(text);
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

/** Of several files one that cannot be read is a fault like the others, which are told all the same. */
function textOf(
  cli: Cli,
  file: string,
  isOneOfSeveral: boolean,
): string | (Omit<Issue, "code"> & { code: string }) {
  try {
    const path = requireFile(cli.host.cwd, file, {
      wanted: "a configuration is a file",
      instead: (inner) => `config lint ${inner}`,
    });
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!isOneOfSeveral) throw error;
    const { code, detail: message } = failureOf(error).problem;
    return { severity: "error", code, path: "", line: null, column: null, message };
  }
}

const mark = (word: string, [first = "", ...more]: string[]): string[] => [
  `${word}${first.replace(/^ /, "")}`,
  ...more,
];
