import { lineAt } from "../problem.ts";

export interface Import {
  /** As written; undefined for `import(expression)`, which nobody can follow. */
  readonly specifier: string | undefined;
  /** From 1. */
  readonly line: number;
  /** `import type` and `export type`: gone when the program runs. */
  readonly isType: boolean;
}

/** `import … from "x"`, `export … from "x"`, `import "x"`. */
const DECLARATION =
  /(?<![\w$.])(?:import|export)\b(?:[\s\w$*{},]|"\s*")*?(?:\bfrom\s*|(?<=import\s*))("|')/g;
/** `import("x")`, in values and in types. */
const CALL = /(?<![\w$.])import\s*\(\s*(["'`]?)/g;

/**
 * Every module that a source names.
 * @param source the text as it is
 * @param code the same text through `codeOnly`
 */
export function importsOf(source: string, code: string): Import[] {
  const found: Import[] = [];
  for (const pattern of [DECLARATION, CALL]) {
    for (const match of code.matchAll(pattern)) {
      const from = match.index + match[0].length;
      const quote = match[1];
      const to = quote ? code.indexOf(quote, from) : -1;
      found.push({
        specifier: to < 0 ? undefined : source.slice(from, to),
        line: lineAt(source, match.index),
        isType: /^(?:import|export)\s+type\b(?!\s*from\b)/.test(match[0]),
      });
    }
  }
  return found;
}
