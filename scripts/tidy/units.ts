/**
 * Numbers of time whose name does not say the unit. A `timeout: 30` has been read as seconds by one
 * side and as milliseconds by the other often enough; `timeoutMs` has not.
 *
 * Only the few words that are nearly always a time, and only where a number is declared: a check that
 * cries wolf is switched off.
 */
import { lineAt, type Problem } from "../problem.ts";

const WORD = "\\w*(?:[tT]imeout|[dD]elay|[iI]nterval|[dD]uration|[bB]ackoff)";
/** `timeout: number`, `timeout?: number`, `timeout: z.number()`; not `timeout: 5`, an argument to others. */
const MEMBER = `\\b(${WORD})\\??\\s*:\\s*(?:number\\b|z\\s*\\.\\s*(?:int|number|coerce)\\b)`;
/** `const delay = 5`, `let interval = 60 * 1000` */
const VARIABLE = `\\b(?:const|let)\\s+(${WORD})\\s*(?::\\s*number\\s*)?=\\s*[0-9]`;
const UNITLESS = new RegExp(`${MEMBER}|${VARIABLE}`, "g");

/** Names that others have chosen, each with its reason. */
export const allowed: readonly {
  readonly path: string;
  readonly name: string;
  readonly why: string;
}[] = [
  {
    path: "src/protocol/config/fields.ts",
    name: "preemption_timeout",
    why: "the name that existing configuration files use; its description says seconds",
  },
];

/** @param code the file through `codeOnly` */
export function checkUnits(path: string, code: string): Problem[] {
  return [...code.matchAll(UNITLESS)].flatMap((match) => {
    const name = (match[1] ?? match[2]) as string;
    if (allowed.some((entry) => entry.path === path && entry.name === name)) return [];
    const [ms, s] = name.includes("_") ? ["_ms", "_s"] : ["Ms", "S"];
    const text = `${name} is a number without a unit; say it last: ${name}${ms}, ${name}${s}`;
    return [{ path, line: lineAt(code, match.index), rule: "unit", text }];
  });
}
