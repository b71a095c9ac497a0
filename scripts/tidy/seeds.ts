/**
 * Properties that draw other cases at every run. Such a test fails on a change that has nothing to do with it, and the
 * case is gone when somebody looks. The seed stands in the call, or in an object called `options` that is handed to it.
 */
import { lineAt, type Problem } from "../problem.ts";

/** @param code a test through `codeOnly` */
export function checkSeeds(path: string, code: string): Problem[] {
  const problems: Problem[] = [];
  for (const { 0: call, index } of code.matchAll(/\bfc\s*\.\s*(?:assert|sample)\s*\(/g)) {
    if (/\bseed\b|\boptions\b/.test(settingsOf(code, index + call.length))) continue;
    const text = "this draws other cases at every run; give it a seed: { seed: 20261123 }";
    problems.push({ path, line: lineAt(code, index), rule: "seed", text });
  }
  return problems;
}

/** What follows the first argument of a call, up to the end of the call. @param from where the arguments begin */
function settingsOf(code: string, from: number): string {
  let depth = 0;
  let settings: number | undefined;
  for (let at = from; at < code.length; at++) {
    const char = code[at] ?? "";
    if ("([{".includes(char)) depth += 1;
    else if (")]}".includes(char)) depth -= 1;
    else if (char === "," && depth === 0) settings ??= at + 1;
    if (depth < 0) return settings === undefined ? "" : code.slice(settings, at);
  }
  return "";
}
