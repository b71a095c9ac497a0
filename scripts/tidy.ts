/**
 * What linters cannot say: sizes of files, links that lead nowhere, notes left behind, tests that are
 * switched off or draw at random, paths of somebody's machine, numbers without a unit, and the dependencies.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { codeOnly } from "./layers/code-only.ts";
import { isTest } from "./layers/rooms.ts";
import { isSource } from "./layers.ts";
import { type Problem, reportProblems } from "./problem.ts";
import { readFiles, repositoryFiles, repositoryRoot } from "./repository-files.ts";
import { checkDependencies, dependencyFigures } from "./tidy/dependencies.ts";
import { checkLeftovers } from "./tidy/leftovers.ts";
import { checkLinks } from "./tidy/links.ts";
import { checkSeeds } from "./tidy/seeds.ts";
import { checkSize } from "./tidy/size.ts";
import { checkUnits } from "./tidy/units.ts";

const isText = (path: string): boolean =>
  !/(?:^|\/)package-lock\.json$|\.(?:png|jpg|svg|ico|woff2|gz|whl)$/.test(path);

/**
 * @param files every text file of the repository: path from the root → text
 * @param others the files that are no text, such as pictures
 */
export function checkTidiness(
  files: ReadonlyMap<string, string>,
  others: readonly string[] = [],
): Problem[] {
  const paths = new Set([...files.keys(), ...others]);
  const problems: Problem[] = [];
  for (const [path, text] of files) {
    const isCode = isSource(path);
    const code = isCode ? codeOnly(text) : "";
    problems.push(...checkLeftovers(path, text, isTest(path) ? code : ""));
    if (isTest(path)) problems.push(...checkSeeds(path, code));
    if (isCode || path.endsWith(".py")) problems.push(...checkSize(path, text));
    if (path.endsWith(".md")) problems.push(...checkLinks(path, text, files, paths));
    if (path.startsWith("src/") && isCode && !isTest(path))
      problems.push(...checkUnits(path, code));
  }
  return problems;
}

/** Checks the repository as it is on disk, and prints the figures that have a limit. */
export function checkRepositoryTidiness(): Problem[] {
  const read = (path: string) => readFileSync(join(repositoryRoot, path), "utf8");
  const manifest = JSON.parse(read("package.json"));
  const lock = JSON.parse(read("package-lock.json"));
  const figures = dependencyFigures(manifest, lock);
  console.log(
    `  packages at run time: ${figures.direct} direct (at most ${figures.directMax}), ` +
      `${figures.transitive} transitive (at most ${figures.transitiveMax})`,
  );
  const files = readFiles(isText);
  const others = repositoryFiles().filter((path) => !files.has(path));
  const page = files.get("docs/dependencies.md") ?? "";
  return [...checkTidiness(files, others), ...checkDependencies(manifest, lock, page)];
}

if (import.meta.filename === process.argv[1]) {
  process.exitCode = reportProblems(checkRepositoryTidiness(), "tidy: nothing to clear up");
}
