/**
 * What differs between two texts, line by line: Myers' algorithm on the part between the common beginning and end. Its cost
 * grows with the number of differences, so that number is bounded: two texts with more of them than a person would
 * read are shown as one replaced block, which is true as well, and takes no time. Pure.
 */

export interface DiffLine {
  readonly kind: "same" | "removed" | "added";
  readonly text: string;
  /** Line numbers from 1; undefined where it is not there. */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

export interface Diff {
  readonly lines: readonly DiffLine[];
  readonly removed: number;
  readonly added: number;
  /** False where the texts differ in so much that the middle is shown as replaced as a whole. */
  readonly exact: boolean;
}

export const DIFFERENCES_MAX = 1_000;

export function diffLines(before: string, after: string): Diff {
  const a = linesOf(before);
  const b = linesOf(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end))
    end++;
  const middle = shortest(a.slice(start, a.length - end), b.slice(start, b.length - end));
  const kinds: DiffLine["kind"][] = [
    ...Array<"same">(start).fill("same"),
    ...(middle ?? [
      ...Array<"removed">(a.length - end - start).fill("removed"),
      ...Array<"added">(b.length - end - start).fill("added"),
    ]),
    ...Array<"same">(end).fill("same"),
  ];
  let [i, j] = [0, 0];
  const lines = kinds.map((kind): DiffLine => {
    const text = (kind === "added" ? b[j] : a[i]) as string;
    return {
      ...{ kind, text },
      before: kind === "added" ? undefined : ++i,
      after: kind === "removed" ? undefined : ++j,
    };
  });
  const of = (kind: DiffLine["kind"]): number => kinds.filter((one) => one === kind).length;
  return { lines, removed: of("removed"), added: of("added"), exact: middle !== undefined };
}

/** A last line without a line end is another line than one with it, and is said to be. */
function linesOf(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  else lines[lines.length - 1] += "  (no line end)";
  return lines;
}

/** @returns the shortest way from a to b, undefined beyond DIFFERENCES_MAX */
function shortest(a: readonly string[], b: readonly string[]): DiffLine["kind"][] | undefined {
  const max = Math.min(a.length + b.length, DIFFERENCES_MAX);
  const middle = max + 1;
  const furthest = new Int32Array(2 * max + 3);
  const trail: Int32Array[] = [];
  for (let d = 0; d <= max; d++) {
    trail.push(furthest.slice(middle - d - 1, middle + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const down =
        k === -d || (k !== d && at(furthest, middle + k - 1) < at(furthest, middle + k + 1));
      let x = down ? at(furthest, middle + k + 1) : at(furthest, middle + k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      furthest[middle + k] = x;
      if (x >= a.length && x - k >= b.length) return wayBack(a.length, b.length, trail);
    }
  }
  return undefined;
}

/** @param trail before each round d: the furthest x of diagonals -d-1 … d+1 */
function wayBack(aLength: number, bLength: number, trail: readonly Int32Array[]) {
  const kinds: DiffLine["kind"][] = [];
  let [x, y] = [aLength, bLength];
  for (let d = trail.length - 1; d >= 0; d--) {
    const round = trail[d] as Int32Array;
    const middle = d + 1;
    const k = x - y;
    const down = k === -d || (k !== d && at(round, middle + k - 1) < at(round, middle + k + 1));
    const beforeX = d === 0 ? 0 : at(round, middle + (down ? k + 1 : k - 1));
    const beforeY = d === 0 ? 0 : beforeX - (down ? k + 1 : k - 1);
    while (x > beforeX && y > beforeY) {
      kinds.push("same");
      x--;
      y--;
    }
    if (d === 0) break;
    kinds.push(down ? "added" : "removed");
    [x, y] = [beforeX, beforeY];
  }
  return kinds.toReversed();
}

const at = (values: Int32Array, index: number): number => values[index] as number;

export interface Hunk {
  readonly lines: readonly DiffLine[];
  /** Lines that are the same and left out before it. */
  readonly skipped: number;
}

/** As `diff -u` writes it, without the two lines of names; "" where nothing differs. */
export function unifiedText(diff: Pick<Diff, "lines">, around = 3): string {
  let text = "";
  for (const { lines } of hunksOf(diff, around)) {
    if (lines.length === 0) continue;
    const old = lines.filter(({ kind }) => kind !== "added");
    const now = lines.filter(({ kind }) => kind !== "removed");
    text += `@@ -${range(old.map(({ before }) => before))} +${range(now.map(({ after }) => after))} @@\n`;
    for (const { kind, text: line } of lines) text += `${SIGNS[kind]}${line}\n`;
  }
  return text;
}

const SIGNS = { same: " ", removed: "-", added: "+" } as const;

/** `first,count`; of none the line before, which nobody needs: 0. */
const range = (numbers: readonly (number | undefined)[]): string =>
  `${numbers[0] ?? 0},${numbers.length}`;

/** Only what differs, with some lines around it. The last hunk may be empty: what is left out at the end. */
export function hunksOf({ lines }: Pick<Diff, "lines">, around = 3): Hunk[] {
  const near = new Uint8Array(lines.length);
  for (const [i, { kind }] of lines.entries())
    if (kind !== "same")
      near.fill(1, Math.max(0, i - around), Math.min(lines.length, i + around + 1));
  const hunks: { lines: DiffLine[]; skipped: number }[] = [];
  let skipped = 0;
  for (const [i, line] of lines.entries()) {
    if (near[i] === 0) {
      skipped++;
      continue;
    }
    if (skipped > 0 || hunks.length === 0) hunks.push({ lines: [], skipped });
    skipped = 0;
    hunks.at(-1)?.lines.push(line);
  }
  if (skipped > 0) hunks.push({ lines: [], skipped });
  return hunks;
}
