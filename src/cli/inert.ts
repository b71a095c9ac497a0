/**
 * Text from elsewhere (names, logs, errors) made harmless for a terminal: everything that a terminal
 * would obey, or that would make one text look like another, is shown as an escape instead. Nothing is
 * dropped silently; `--json` and `logs --raw` give the exact characters and bytes.
 *
 * Also the measure of such text in columns, since a table cannot be aligned by `length`.
 */

const HARMFUL_RANGES = [
  // Control characters, C0 and C1.
  "\\x00-\\x1f\\x7f-\\x9f",
  // Marks, overrides and isolates of bidirectional text; separators of lines and paragraphs.
  "\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u206f",
  // Invisible fillers and the tag block. Joiners (U+200C, U+200D) stay: emoji and Persian need them.
  "\\u200b\\u2060-\\u2065\\ufeff\\u{e0000}-\\u{e007f}",
  // Halves of surrogate pairs.
  "\\p{Cs}",
];
const HARMFUL = new RegExp(`[${HARMFUL_RANGES.join("")}]`, "gu");

const SHORT: { readonly [char: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (SHORT[char] !== undefined) return SHORT[char];
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`;
}

/** One line of `text` that a terminal shows as it is and obeys in nothing. */
export const inert = (text: string): string => text.replace(HARMFUL, escaped);

/** Like `inert`, but line breaks stay line breaks and tabs become spaces: for texts of several lines. */
export const inertLines = (text: string): string[] =>
  text.split(/\r?\n/).map((line) => inert(line.replaceAll("\t", "    ")));

// biome-ignore lint/suspicious/noControlCharactersInRegex: the colour sequences that programs print
const COLOUR = /\x1b\[[0-9;:]*m/g;

/**
 * One line of a program's output. Colour sequences go (they are decoration), tabs become spaces, and
 * of a progress bar that returns to the line's start the last state is shown, with a count of the others.
 */
export function inertLog(text: string): string {
  const plain = text.replace(COLOUR, "").replaceAll("\t", "    ");
  const states = plain.split("\r").filter((state) => state !== "");
  if (states.length <= 1) return inert(states[0] ?? "");
  return `${inert(states.at(-1) ?? "")}  [${states.length - 1} overwritten before; --raw shows all]`;
}

/** JSON that is as safe to print as it is to parse: the harmful characters stand as \u escapes. */
export function inertJson(value: unknown, indent?: number): string {
  return (JSON.stringify(value, null, indent) ?? "null").replace(HARMFUL, (char) => {
    if (char === "\n") return char;
    return [...Array(char.length).keys()]
      .map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`)
      .join("");
  });
}

const PLAIN = /^[\x20-\x7e]*$/;
const WIDE =
  /^(?:\p{Emoji_Presentation}|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\u3000-\u303e\uff01-\uff60\uffe0-\uffe6])/u;
let segmenter: Intl.Segmenter | undefined;

function graphemes(text: string): string[] {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

const graphemeColumns = (grapheme: string): number => {
  if (/^[\p{M}\u200c\u200d]+$/u.test(grapheme)) return 0;
  return WIDE.test(grapheme) || grapheme.includes("\ufe0f") ? 2 : 1;
};

/** How many terminal columns `text` takes; `text` must be inert. */
export function columnsOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  return graphemes(text).reduce((sum, grapheme) => sum + graphemeColumns(grapheme), 0);
}

/** `text` in at most `columnsMax` columns, with an ellipsis where something was cut. */
export function cut(text: string, columnsMax: number): string {
  if (columnsOf(text) <= columnsMax) return text;
  if (columnsMax <= 0) return "";
  let columns = 0;
  let kept = "";
  for (const grapheme of graphemes(text)) {
    columns += graphemeColumns(grapheme);
    if (columns > columnsMax - 1) break;
    kept += grapheme;
  }
  return `${kept}…`;
}

// Colours that we put in ourselves (paint.ts); split by them, not rid of them.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are our own
const PAINT = /(\x1b\[\d+m)/;

/** Like `cut`, for a line with our own colours in it: each that was switched on is switched off again. */
export function cutPainted(line: string, columnsMax: number): string {
  const parts = line.split(PAINT);
  // Odd parts are colours.
  const texts = parts.filter((_, i) => i % 2 === 0);
  if (texts.reduce((sum, text) => sum + columnsOf(text), 0) <= columnsMax) return line;
  let left = columnsMax;
  return parts
    .map((part, i) => {
      if (i % 2 === 1 || left <= 0) return i % 2 === 1 ? part : "";
      // One column stays free for the ellipsis, for something will be cut.
      const shown = columnsOf(part) < left ? part : cut(`${part}……`, left);
      left -= columnsOf(shown);
      return shown;
    })
    .join("");
}

/** A line that may hold our own colours, with everything else in it inert: the last net before a terminal. */
export const inertPainted = (line: string): string =>
  line
    .split(PAINT)
    .map((part, i) => (i % 2 === 1 ? part : inert(part)))
    .join("");

/** `text` filled up with spaces to `columns`. */
export function pad(text: string, columns: number, side: "left" | "right"): string {
  const fill = " ".repeat(Math.max(0, columns - columnsOf(text)));
  return side === "right" ? fill + text : text + fill;
}
