/**
 * One line of a program's output as pieces of text with a look. Of all that a terminal obeys, only the sequences that
 * colour text (SGR) are understood, by an allow-list; any other control character, sequence or override of direction
 * stands there as an escape, and does nothing. A progress bar that returns to the line's start is shown in its last
 * state, with a count of the others.
 *
 * Looks are names of a closed list that the style sheet knows, so a line can choose among them and nothing else: colours
 * of its own (256, 24 bits) are mapped to the nearest of the sixteen, which keeps every line readable on
 * either ground. A terminal emulator was refused: it would run what is only to be looked at.
 */
import { inert } from "../../src/cli/inert.ts";

export interface Piece {
  /** Inert already. */
  readonly text: string;
  /** Classes of the style sheet, "" for plain text. */
  readonly look: string;
}

export interface ShownLine {
  readonly pieces: readonly Piece[];
  /** States of a progress bar that were written over. */
  readonly overwritten: number;
  /** Characters that are not shown, because the line is longer than was asked for. */
  readonly cut: number;
}

/** A line can change its look as often as it has characters; a browser should not make an element for each. */
const PIECES_MAX = 200;
const TAB = "    ";
/** How much of a long line is looked through for the last state of its progress bar. */
const BAR_CHARS_MAX = 65_536;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences that colour text
const SGR = /\x1b\[([0-9;:]{0,64})m/g;

interface Look {
  readonly bold: boolean;
  readonly dim: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
  /** 0 to 15. */
  readonly colour: number | undefined;
  readonly ground: number | undefined;
}

const PLAIN: Look = {
  ...{ bold: false, dim: false, italic: false, underline: false },
  ...{ colour: undefined, ground: undefined },
};

/** @param charsMax at most this many characters are shown */
export function shownLine(text: string, charsMax = Number.POSITIVE_INFINITY): ShownLine {
  const { state, overwritten, carried } = lastState(text);
  const pieces: Piece[] = [];
  let look = carried;
  let left = charsMax;
  let cut = 0;
  const add = (part: string): void => {
    if (part === "") return;
    if (left <= 0) {
      cut += part.length;
      return;
    }
    // Cut before it is made inert: a million control characters would become four million.
    const kept = part.length > left ? wholeCharacters(part, left) : part;
    cut += part.length - kept.length;
    left = kept.length < part.length ? 0 : left - kept.length;
    const name = pieces.length < PIECES_MAX ? lookName(look) : "";
    const shown = inert(kept.replaceAll("\t", TAB));
    const last = pieces.at(-1);
    if (last?.look === name) pieces[pieces.length - 1] = { text: last.text + shown, look: name };
    else pieces.push({ text: shown, look: name });
  };
  let at = 0;
  for (const match of state.matchAll(SGR)) {
    add(state.slice(at, match.index));
    at = match.index + match[0].length;
    look = applySgr(look, match[1] ?? "");
    if (left <= 0) break;
  }
  add(state.slice(at));
  return { pieces, overwritten, cut };
}

/** What is left to see of a line whose beginning was written over, and the colour that it carries on. */
function lastState(text: string): { state: string; overwritten: number; carried: Look } {
  if (!text.includes("\r")) return { state: text, overwritten: 0, carried: PLAIN };
  if (text.length > BAR_CHARS_MAX) {
    // Colours of what was written over are not looked for in so long a line.
    const states = text.split("\r");
    const state = states.findLast((one) => visible(one)) ?? "";
    return { state, overwritten: states.length - 1, carried: PLAIN };
  }
  const states = text.split("\r").filter((state) => visible(state));
  if (states.length <= 1)
    return { state: text.replaceAll("\r", ""), overwritten: 0, carried: PLAIN };
  let carried = PLAIN;
  for (const state of states.slice(0, -1))
    for (const match of state.matchAll(SGR)) carried = applySgr(carried, match[1] ?? "");
  return { state: states.at(-1) ?? "", overwritten: states.length - 1, carried };
}

const visible = (state: string): boolean => state.replace(SGR, "") !== "";

/** Does not leave half of a character that takes two. */
function wholeCharacters(text: string, length: number): string {
  const code = text.charCodeAt(length - 1);
  return text.slice(0, code >= 0xd800 && code <= 0xdbff ? length - 1 : length);
}

/** Parameters of one sequence; what it does not know it passes over, with the numbers that belong to it. */
function applySgr(before: Look, parameters: string): Look {
  const codes = parameters.split(/[;:]/).map((code) => (code === "" ? 0 : Number(code)));
  let look = before;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 38 || code === 48) {
      const { colour, taken } = extendedColour(codes.slice(i + 1, i + 6));
      if (colour !== undefined) look = { ...look, [code === 38 ? "colour" : "ground"]: colour };
      i += taken;
    } else look = simple(look, code);
  }
  return look;
}

function simple(look: Look, code: number): Look {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...look, bold: true };
  if (code === 2) return { ...look, dim: true };
  if (code === 3) return { ...look, italic: true };
  if (code === 4) return { ...look, underline: true };
  if (code === 22) return { ...look, bold: false, dim: false };
  if (code === 23) return { ...look, italic: false };
  if (code === 24) return { ...look, underline: false };
  if (code >= 30 && code <= 37) return { ...look, colour: code - 30 };
  if (code === 39) return { ...look, colour: undefined };
  if (code >= 40 && code <= 47) return { ...look, ground: code - 40 };
  if (code === 49) return { ...look, ground: undefined };
  if (code >= 90 && code <= 97) return { ...look, colour: code - 82 };
  if (code >= 100 && code <= 107) return { ...look, ground: code - 92 };
  return look;
}

/** @param rest the numbers after 38 or 48 */
function extendedColour(rest: readonly number[]): { colour: number | undefined; taken: number } {
  const [kind, a = 0, b = 0, c = 0] = rest;
  if (kind === 5) return { colour: nearestOf256(a), taken: 2 };
  if (kind === 2) return { colour: nearest(a, b, c), taken: 4 };
  return { colour: undefined, taken: 0 };
}

function nearestOf256(code: number): number | undefined {
  if (code < 16) return code;
  if (code > 255) return undefined;
  if (code >= 232) return nearest(...grey(8 + (code - 232) * 10));
  const level = (n: number): number => (n === 0 ? 0 : 55 + n * 40);
  const cube = code - 16;
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

const grey = (level: number): [number, number, number] => [level, level, level];

const SIXTEEN: readonly (readonly [number, number, number])[] = [
  ...([grey(0), [170, 0, 0], [0, 170, 0], [170, 85, 0]] as const),
  ...([[0, 0, 170], [170, 0, 170], [0, 170, 170], grey(170)] as const),
  ...([grey(85), [255, 85, 85], [85, 255, 85], [255, 255, 85]] as const),
  ...([[85, 85, 255], [255, 85, 255], [85, 255, 255], grey(255)] as const),
];

function nearest(r: number, g: number, b: number): number | undefined {
  if (![r, g, b].every((part) => part <= 255)) return undefined;
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [i, [x, y, z]] of SIXTEEN.entries()) {
    const distance = (x - r) ** 2 + (y - g) ** 2 + (z - b) ** 2;
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

function lookName(look: Look): string {
  const names: string[] = [];
  if (look.bold) names.push("sgr-bold");
  if (look.dim) names.push("sgr-dim");
  if (look.italic) names.push("sgr-italic");
  if (look.underline) names.push("sgr-underline");
  if (look.ground !== undefined) names.push(`sgr-bg${look.ground}`);
  // On a ground of its own the style sheet chooses a colour that can be read.
  else if (look.colour !== undefined) names.push(`sgr-fg${look.colour}`);
  return names.join(" ");
}
