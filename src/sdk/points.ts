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

/** More than any point has: a name has a thousand characters at most. */
const LINE_CHARS_MAX = 65_536;

/** @throws Error where the text is not that of an export */
export async function* readPoints(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<Point[], void> {
  const decoder = new TextDecoder();
  const cutter = new LineCutter();
  let isFirst = true;
  for await (const bytes of stream) {
    const lines = cutter.cut(decoder.decode(bytes, { stream: true }));
    // The names of the columns.
    if (isFirst && lines.length > 0) {
      lines.shift();
      isFirst = false;
    }
    if (lines.length > 0) yield lines.map(pointOf);
  }
  if (cutter.isWithin) throw new Error("the export ends in the middle of a line");
}

/**
 * Cuts at the line feeds that are no part of a quoted name. Looks at each character once: what is begun may be foreign, and
 * a quote that nobody closes would have each line feed after it, and each piece, looked at from that quote on.
 */
class LineCutter {
  /** Of the line that is begun. */
  #begun = "";
  #isQuoted = false;

  get isWithin(): boolean {
    return this.#begun !== "";
  }

  /** @returns the lines that are whole now */
  cut(text: string): string[] {
    const lines: string[] = [];
    const next = (what: string, from: number): number => {
      const at = text.indexOf(what, from);
      return at === -1 ? text.length : at;
    };
    let from = 0;
    let quote = next('"', 0);
    for (let end = next("\n", 0); ; end = next("\n", end + 1)) {
      for (; quote < end; quote = next('"', quote + 1)) this.#isQuoted = !this.#isQuoted;
      const isEnd = end === text.length;
      if (this.#isQuoted && !isEnd) continue;
      this.#begun += text.slice(from, end);
      if (this.#begun.length > LINE_CHARS_MAX)
        throw new Error(`a line has more than ${LINE_CHARS_MAX} characters`);
      if (isEnd) return lines;
      lines.push(this.#begun);
      this.#begun = "";
      from = end + 1;
    }
  }
}

const VALUE = "NaN|-?Infinity|-?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?";
const LINE = new RegExp(
  `^(\\d+),(\\d+),(\\d+),(\\d+),(\\d+),([^,"]+),("(?:[^"]|"")*"|[^",]*),(${VALUE}),(true|false)$`,
  "s",
);

function pointOf(line: string): Point {
  const match = LINE.exec(line);
  if (match === null) throw new Error(`a line of the export is no point: ${line.slice(0, 200)}`);
  const [, experiment, trial, run, seq, step, time = "", name = "", text = "", superseded] = match;
  const value = Number(text);
  if (/^-?\d/.test(text) && !Number.isFinite(value))
    throw new Error(`a value of the export is beyond what a double holds: ${text.slice(0, 200)}`);
  return {
    experiment: Number(experiment),
    trial: Number(trial),
    run: Number(run),
    seq: Number(seq),
    step: Number(step),
    time,
    name: name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name,
    value,
    superseded: superseded === "true",
  };
}
