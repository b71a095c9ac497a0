/**
 * What somebody meant to take out again: notes to self, tests that are switched off or switch others
 * off, and paths that exist on one machine only.
 */
import { lineAt, type Problem } from "../problem.ts";

// Put together here so that this file does not find itself.
const NOTES = new RegExp(
  `\\b(?:${["FIX" + "ME", "TO" + "DO", "XX" + "X", "HA" + "CK"].join("|")})\\b`,
  "g",
);
const SWITCHED_OFF =
  /\b(?:test|it|describe|suite|t|context)\s*\.\s*(?:only|skip|todo)\s*\(|(?<=[{,]\s*)(?:only|skip|todo)\s*:\s*(?=true\b|process\b|["'`!])/g;
const HOMES = ["work", "root", "home/[a-z_][\\w-]*", "Users/[A-Za-z][\\w-]*"].join("|");
const MACHINE_PATHS = new RegExp(`(?<![\\w.~)}$-])/(?:${HOMES})/[\\w.-]+`, "g");

/** Where such words are right, each with its reason. */
export const allowed: readonly {
  readonly path: string;
  readonly word: string;
  readonly why: string;
}[] = [];

/** @param testCode the text through `codeOnly` when it is a test, otherwise "" */
export function checkLeftovers(path: string, text: string, testCode: string): Problem[] {
  if (path === "LICENSE") return [];
  const problems: Problem[] = [];
  const look = (pattern: RegExp, where: string, describe: (found: string) => string): void => {
    for (const { 0: found, index } of where.matchAll(pattern)) {
      if (allowed.some((entry) => entry.path === path && entry.word === found)) continue;
      const line = lineAt(where, index);
      problems.push({ path, line, rule: "leftover", text: describe(found) });
    }
  };
  look(
    NOTES,
    text,
    (word) => `${word} left behind; do it, or write down what is missing as an issue`,
  );
  look(MACHINE_PATHS, text, (found) => `${found} exists on one machine only`);
  look(
    SWITCHED_OFF,
    testCode,
    (found) => `"${found.trim()}" switches tests off; repair or delete the test`,
  );
  return problems;
}
