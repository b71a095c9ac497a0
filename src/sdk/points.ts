/**
 * Reads the CSV that `GET /metrics/export` sends into points, while it arrives. It knows the columns and the one way in
 * which they are written, and no more of CSV than that.
 */

/** One reported value. */
export interface Point {
  readonly experiment: number;
  /** Its number within the experiment. */
  readonly trial: number;
  readonly run: number;
  /** Its report's place in what the run told: the larger of two is the later. */
  readonly seq: number;
  readonly step: number;
  /** When it was reported, RFC 3339 in UTC. */
  readonly time: string;
  readonly name: string;
  readonly value: number;
  /** A later report counts in its place. */
  readonly superseded: boolean;
}

/** @throws Error where the text is not that of an export */
export async function* readPoints(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<Point[], void> {
  const decoder = new TextDecoder();
  let rest = "";
  let isFirst = true;
  for await (const bytes of stream) {
    const { lines, tail } = wholeLines(rest + decoder.decode(bytes, { stream: true }));
    rest = tail;
    // The names of the columns.
    if (isFirst && lines.length > 0) {
      lines.shift();
      isFirst = false;
    }
    if (lines.length > 0) yield lines.map(pointOf);
  }
  if (rest !== "") throw new Error("the export ends in the middle of a line");
}

/** Cut at the line feeds that are no part of a quoted name. */
function wholeLines(text: string): { lines: string[]; tail: string } {
  const lines: string[] = [];
  let from = 0;
  let quotes = 0;
  for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", end + 1)) {
    const piece = text.slice(from, end);
    if (piece.includes('"')) quotes = piece.split('"').length - 1;
    if (quotes % 2 === 1) continue;
    lines.push(piece);
    from = end + 1;
    quotes = 0;
  }
  return { lines, tail: text.slice(from) };
}

const VALUE = "NaN|-?Infinity|-?\\d[\\d.]*(?:e[+-]?\\d+)?";
const LINE = new RegExp(
  `^(\\d+),(\\d+),(\\d+),(\\d+),(\\d+),([^,"]+),("(?:[^"]|"")*"|[^",]*),(${VALUE}),(true|false)$`,
  "s",
);

function pointOf(line: string): Point {
  const match = LINE.exec(line);
  if (match === null) throw new Error(`a line of the export is no point: ${line.slice(0, 200)}`);
  const [, experiment, trial, run, seq, step, time = "", name = "", value, superseded] = match;
  return {
    experiment: Number(experiment),
    trial: Number(trial),
    run: Number(run),
    seq: Number(seq),
    step: Number(step),
    time,
    name: name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name,
    value: Number(value),
    superseded: superseded === "true",
  };
}
