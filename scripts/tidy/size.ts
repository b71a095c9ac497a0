import type { Problem } from "../problem.ts";

const LINES_TO_LOOK_AGAIN = 400;
const LINES_MAX = 600;
/** How a longer file says in its header why it is one: `Long because …`. */
const REASON = /\bLong because \S/;
const HEADER_LINES = 40;

export function checkSize(path: string, text: string): Problem[] {
  const lines = text.split("\n");
  const count = lines.length - (lines.at(-1) === "" ? 1 : 0);
  if (count <= LINES_TO_LOOK_AGAIN) return [];
  const problem = { path, line: 0, rule: "size" };
  if (count <= LINES_MAX) {
    const text = `${count} lines; look again past ${LINES_TO_LOOK_AGAIN}: is this one noun?`;
    return [{ ...problem, text, isWarning: true }];
  }
  if (REASON.test(lines.slice(0, HEADER_LINES).join("\n"))) return [];
  const advice = `split it, or say why not in its header with the words "Long because …"`;
  return [{ ...problem, text: `${count} lines, at most ${LINES_MAX}; ${advice}` }];
}
