/**
 * `npm run generate` writes every file that is made from the sources; with `--check` it writes nothing
 * and fails where one differs. Documents that are made this way cannot part from the code.
 *
 * A new one is a line in `generated`. Sources are imported when they are needed, so that a source that
 * does not load spoils its own file and no other.
 */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorsDocument } from "./generate/errors-document.ts";
import { schemaDump } from "./generate/schema-dump.ts";
import { type Problem, reportProblems } from "./problem.ts";
import { repositoryRoot } from "./repository-files.ts";
import { stopDatabase } from "./suite/database.ts";

export interface Generated {
  /** From the repository's root. */
  readonly file: string;
  /** The whole text of the file, the same at every call. */
  produce(): Promise<string>;
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

async function openapiText(): Promise<string> {
  const { openapiDocument } = await import("../src/server/http/openapi.ts");
  const text = await readFile(join(repositoryRoot, "package.json"), "utf8");
  const document = await openapiDocument((JSON.parse(text) as { version: string }).version);
  return formatted("openapi.json", json(document));
}

/** As the formatter would have it, so that the two do not fight over a file. */
function formatted(name: string, text: string): string {
  const biome = join(repositoryRoot, "node_modules", ".bin", "biome");
  const options = { input: text, encoding: "utf8", cwd: repositoryRoot } as const;
  return execFileSync(biome, ["format", `--stdin-file-path=${name}`], options);
}

export const generated: readonly Generated[] = [
  {
    file: "docs/configuration.md",
    produce: async () =>
      (await import("../src/protocol/config/document.ts")).configurationDocument(),
  },
  {
    file: "docs/experiment.schema.json",
    produce: async () =>
      json((await import("../src/protocol/config/json-schema.ts")).configJsonSchema()),
  },
  { file: "docs/openapi.json", produce: openapiText },
  {
    file: "docs/cli.md",
    produce: async () => (await import("../src/cli/document.ts")).cliDocument(),
  },
  { file: "docs/errors.md", produce: errorsDocument },
  { file: "src/store/schema.dump.txt", produce: schemaDump },
];

/** @returns how many are as they should be, and a problem for each that is not */
export async function checkGenerated(
  registry: readonly Generated[] = generated,
  root: string = repositoryRoot,
): Promise<{ fresh: number; problems: Problem[] }> {
  const problems: Problem[] = [];
  for (const { file, produce } of registry) {
    const text = await faultIn(file, produce, root);
    if (text !== undefined) problems.push({ path: file, line: 0, rule: "generated", text });
  }
  return { fresh: registry.length - problems.length, problems };
}

async function faultIn(
  file: string,
  produce: () => Promise<string>,
  root: string,
): Promise<string | undefined> {
  let wanted: string;
  try {
    wanted = await produce();
  } catch (error) {
    return `cannot be made: ${(error as Error).stack}`;
  }
  const there = await readFile(join(root, file), "utf8").catch(() => undefined);
  if (there === wanted) return undefined;
  const what =
    there === undefined ? "is missing" : `differs from line ${firstDifference(there, wanted)} on`;
  return `${what}; run: npm run generate`;
}

function firstDifference(there: string, wanted: string): number {
  const [a, b] = [there.split("\n"), wanted.split("\n")];
  return a.findIndex((line, index) => line !== b[index]) + 1 || a.length + 1;
}

async function writeGenerated(): Promise<void> {
  for (const { file, produce } of generated) {
    const path = join(repositoryRoot, file);
    const wanted = await produce();
    const there = await readFile(path, "utf8").catch(() => undefined);
    if (there !== wanted) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, wanted);
    }
    console.log(`${file}${there === wanted ? "" : "  written"}`);
  }
}

if (import.meta.filename === process.argv[1]) {
  try {
    if (process.argv.includes("--check")) {
      const { fresh, problems } = await checkGenerated();
      process.exitCode = reportProblems(problems, `generated: all ${fresh} files are fresh`);
    } else {
      await writeGenerated();
    }
  } finally {
    await stopDatabase();
  }
}
