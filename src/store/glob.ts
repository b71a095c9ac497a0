/**
 * One pattern of an ignore file, matched without a regular expression: a folder of files may come from anybody, and
 * `*a*a*a*a*a*b`, written as a regular expression, takes longer for a name of fifty letters than anybody waits.
 *
 * Every part of a pattern fits exactly one character (of a name) or one name (of a path), stars aside. So when
 * something does not fit it is enough to let the last star take one more: an earlier star could only do the same
 * work again. The cost is at most the length of the pattern times that of the path.
 */
export interface Glob {
  /** @param path relative, with forward slashes */
  fits(path: string): boolean;
}

/** Longer than any path that a snapshot takes; a longer pattern fits nothing. */
const GLOB_CHARS_MAX = 4096;

type Range = readonly [first: number, last: number];
type Part =
  | { readonly kind: "star" }
  | { readonly kind: "any" }
  | { readonly kind: "character"; readonly code: number }
  | { readonly kind: "set"; readonly negated: boolean; readonly ranges: readonly Range[] };
/** null is `**`: any number of names. */
type Level = readonly Part[] | null;

const NOTHING: Glob = { fits: () => false };

/** @param anchored at the root of the folder; otherwise the pattern is a name, at any depth */
export function parseGlob(pattern: string, anchored: boolean): Glob {
  if (pattern.length > GLOB_CHARS_MAX) return NOTHING;
  const levels: Level[] = anchored ? [] : [null];
  for (const part of pattern.split("/").filter((name) => name !== "")) {
    if (/^\*{2,}$/.test(part)) levels.push(null);
    else {
      const parts = readParts(part);
      if (parts === undefined) return NOTHING;
      levels.push(parts);
    }
  }
  // At the end `**` is what lies below, so there has to be something.
  if (levels.at(-1) === null) levels.push([{ kind: "star" }]);
  return { fits: (path) => fitsInOrder(levels, path.split("/"), isManyNames, fitsName) };
}

const isManyNames = (level: Level): boolean => level === null;
const isStar = (part: Part): boolean => part.kind === "star";

const fitsName = (level: Level, name: string): boolean =>
  level !== null && fitsInOrder(level, codesOf(name), isStar, fitsCode);

function fitsCode(part: Part, code: number): boolean {
  switch (part.kind) {
    case "character":
      return part.code === code;
    case "set":
      return part.negated !== part.ranges.some(([first, last]) => first <= code && code <= last);
    default:
      return true;
  }
}

/** @param many which parts stand for any number of things; each of the others stands for one */
function fitsInOrder<P, T>(
  parts: readonly P[],
  things: readonly T[],
  many: (part: P) => boolean,
  one: (part: P, thing: T) => boolean,
): boolean {
  let at = 0;
  let next = 0;
  /** Of the last star: the part behind it, and the first thing that it has not taken. */
  let back: { at: number; next: number } | undefined;
  while (next < things.length) {
    const part = parts[at];
    if (part !== undefined && many(part)) {
      at += 1;
      back = { at, next };
    } else if (part !== undefined && one(part, things[next] as T)) {
      at += 1;
      next += 1;
    } else if (back !== undefined) {
      back.next += 1;
      ({ at, next } = back);
    } else return false;
  }
  while (at < parts.length && many(parts[at] as P)) at += 1;
  return at === parts.length;
}

const codesOf = (text: string): number[] =>
  Array.from(text, (character) => character.codePointAt(0) as number);

/** @returns undefined where it can fit nothing: a set such as [z-a], as with git */
function readParts(glob: string): Part[] | undefined {
  const characters = Array.from(glob);
  const parts: Part[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string;
    const escaped = character === "\\" ? characters[at + 1] : undefined;
    if (character === "*") parts.push({ kind: "star" });
    else if (character === "?") parts.push({ kind: "any" });
    else if (escaped !== undefined) {
      parts.push(literal(escaped));
      at += 1;
    } else if (character === "[") {
      const end = endOfSet(characters, at);
      if (end === undefined) parts.push(literal(character));
      else {
        const set = readSet(characters.slice(at + 1, end));
        if (set === undefined) return undefined;
        parts.push(set);
        at = end;
      }
    } else parts.push(literal(character));
  }
  return parts;
}

const literal = (character: string): Part => ({
  kind: "character",
  code: character.codePointAt(0) as number,
});

const isNegation = (character: string | undefined): boolean =>
  character === "!" || character === "^";

/** A bracket that comes first in a set is a member of it. @returns where the closing one stands */
function endOfSet(characters: readonly string[], start: number): number | undefined {
  const first = start + (isNegation(characters[start + 1]) ? 2 : 1);
  const end = characters.indexOf("]", characters[first] === "]" ? first + 1 : first);
  return end === -1 ? undefined : end;
}

function readSet(inside: readonly string[]): Part | undefined {
  const negated = isNegation(inside[0]);
  const codes = codesOf(inside.slice(negated ? 1 : 0).join(""));
  const ranges: Range[] = [];
  for (let at = 0; at < codes.length; at++) {
    const first = codes[at] as number;
    const last = codes[at + 1] === HYPHEN ? codes[at + 2] : undefined;
    ranges.push([first, last ?? first]);
    if (last === undefined) continue;
    if (last < first) return undefined;
    at += 2;
  }
  return { kind: "set", negated, ranges };
}

const HYPHEN = 0x2d;
