/** What one run of a program left behind, and where two of them first part. */
import type { TreeComparison } from "../../protocol/api/comparison.ts";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import { compareTrees, type OpenRange } from "../../store/tensors/tensors.ts";

export interface StepRecord {
  readonly step: number;
  /** JSON text of each report, as it came. */
  readonly metrics: readonly string[];
  /** Its checkpoint; null where it saves none. */
  readonly files: readonly TreeEntry[] | null;
}

export interface RunOutcome {
  /** In order; empty for a program that does not speak to Contrail. */
  readonly steps: readonly StepRecord[];
  /** What it wrote in its folder, apart from what was there. */
  readonly written: readonly TreeEntry[];
  /** Lines of its stdout. */
  readonly printed: readonly string[];
  /** What the shims saw, by kind: places in the program's files. */
  readonly seen: ReadonlyMap<string, readonly string[]>;
  readonly open: OpenRange;
  /** Nothing of it is looked at any more. */
  readonly discard: () => Promise<void>;
}

export interface Parting {
  /** Null: after the end, in what it wrote or printed. */
  readonly step: number | null;
  readonly kind: "metrics" | "checkpoint" | "steps" | "files" | "output";
  /** Name of the metric, path of the file, number of the line. */
  readonly where: string;
  /** Where the checkpoints differ, the first tensor and by how much. */
  readonly comparison: TreeComparison | null;
  readonly a: string | null;
  readonly b: string | null;
}

/** @returns undefined when nothing that was recorded differs */
export async function firstParting(a: RunOutcome, b: RunOutcome): Promise<Parting | undefined> {
  const steps = Math.min(a.steps.length, b.steps.length);
  for (let index = 0; index < steps; index++) {
    const found = await stepParting(a, b, index);
    if (found !== undefined) return found;
  }
  if (a.steps.length !== b.steps.length)
    return {
      ...{ step: steps + 1, kind: "steps", where: "the number of steps", comparison: null },
      ...{ a: String(a.steps.length), b: String(b.steps.length) },
    };
  // What goes to the terminal of a program that reports is for people, and full of times.
  if (a.steps.length > 0) return undefined;
  return (await filesParting(a, b)) ?? outputParting(a, b);
}

async function stepParting(
  a: RunOutcome,
  b: RunOutcome,
  index: number,
): Promise<Parting | undefined> {
  const [left, right] = [a.steps[index]!, b.steps[index]!];
  const { step } = left;
  if (left.step !== right.step)
    return {
      ...{ step, kind: "steps", where: "the number of the step", comparison: null },
      ...{ a: String(step), b: String(right.step) },
    };
  // Parameters first: metrics differ because parameters do, more often than the other way round.
  if (left.files !== null && right.files !== null) {
    const comparison = await compareTrees(left.files, right.files, openEither(a, b));
    if (comparison.state === "differs")
      return {
        ...{ step, kind: "checkpoint", where: comparison.first?.path ?? "", comparison },
        ...{ a: null, b: null },
      };
  }
  const metric = metricParting(left.metrics, right.metrics);
  return metric === undefined ? undefined : { step, kind: "metrics", comparison: null, ...metric };
}

function metricParting(
  a: readonly string[],
  b: readonly string[],
): { where: string; a: string | null; b: string | null } | undefined {
  const [left, right] = [merged(a), merged(b)];
  for (const name of new Set([...left.keys(), ...right.keys()]))
    if (left.get(name) !== right.get(name))
      return { where: name, a: left.get(name) ?? null, b: right.get(name) ?? null };
  return undefined;
}

/** The numbers as text, so that -0 and NaN are themselves. */
function merged(reports: readonly string[]): Map<string, string> {
  const all = new Map<string, string>();
  for (const report of reports)
    for (const [name, value] of Object.entries(JSON.parse(report) as Record<string, unknown>))
      all.set(name, Object.is(value, -0) ? "-0" : String(value));
  return all;
}

async function filesParting(a: RunOutcome, b: RunOutcome): Promise<Parting | undefined> {
  const comparison = await compareTrees(a.written, b.written, openEither(a, b));
  if (comparison.state !== "differs") return undefined;
  const where = comparison.first?.path ?? "";
  return { step: null, kind: "files", where, comparison, a: null, b: null };
}

function outputParting(a: RunOutcome, b: RunOutcome): Parting | undefined {
  const lines = Math.max(a.printed.length, b.printed.length);
  for (let index = 0; index < lines; index++) {
    const [left = null, right = null] = [a.printed[index], b.printed[index]];
    if (left === right) continue;
    const where = `line ${index + 1}`;
    return { step: null, kind: "output", where, comparison: null, a: left, b: right };
  }
  return undefined;
}

const openEither =
  (a: RunOutcome, b: RunOutcome): OpenRange =>
  async (hash, range) =>
    (await a.open(hash, range)) ?? (await b.open(hash, range));
