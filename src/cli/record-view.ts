/**
 * The record of a run for people: what is missing first, because that is what has to be known; then the sections.
 * Packages and variables are counted and cut short unless all are asked for.
 */
import { completeText, sectionTitle } from "../analysis/record-words.ts";
import type { TrialRecord } from "../protocol/api.ts";
import { inert } from "./inert.ts";
import type { Paint } from "./paint.ts";
import { table } from "./table.ts";

interface Look {
  readonly width: number;
  readonly paint: Paint;
  readonly all: boolean;
}

/** Fields shown of a section, unless all are wanted. */
const SHOWN_MAX = 30;
const VALUE_CHARS_MAX = 200;

export function recordLines(record: TrialRecord, look: Look): string[] {
  const { paint } = look;
  const at = record.captured_at === null ? "" : `, captured ${record.captured_at}`;
  const lines = [
    paint.bold(`record of ${record.allocation ?? `trial ${record.trial}`}`) + paint.dim(at),
    completeText(record),
  ];
  if (record.environment !== null) lines.push(paint.dim(`environment ${record.environment}`));
  if (record.runs.length > 1)
    lines.push(paint.dim(`runs: ${record.runs.map(({ run }) => run).join(", ")} (--run N)`));
  lines.push(...gapLines("missing", record.missing, look, paint.red));
  for (const [section, fields] of Object.entries(record.captured))
    lines.push(...sectionLines(section, Object.entries(fields ?? {}), look));
  lines.push(...gapLines("does not apply", record.not_applicable, look, paint.dim));
  return lines;
}

function gapLines(
  title: string,
  gaps: TrialRecord["missing"],
  { width, paint }: Look,
  colour: (text: string) => string,
): string[] {
  if (gaps.length === 0) return [];
  const rows = gaps.map(({ what, why }) => [{ text: what, paint: colour }, why]);
  const [, ...body] = table([{ head: "" }, { head: "", flexible: true }], rows, { width });
  return ["", paint.bold(title), ...body.map((line) => `  ${line}`)];
}

function sectionLines(
  section: string,
  fields: readonly (readonly [string, string | number | boolean])[],
  { width, paint, all }: Look,
): string[] {
  if (fields.length === 0) return [];
  const sorted = fields.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const shown = all ? sorted : sorted.slice(0, SHOWN_MAX);
  const cut = (text: string): string =>
    all || text.length <= VALUE_CHARS_MAX ? text : `${text.slice(0, VALUE_CHARS_MAX)}…`;
  const [, ...body] = table(
    [{ head: "" }, { head: "", flexible: true }],
    shown.map(([name, value]) => [{ text: name, paint: paint.dim }, cut(String(value))]),
    { width: width - 2 },
  );
  const more = sorted.length - shown.length;
  return [
    "",
    paint.bold(inert(sectionTitle(section))) +
      (sorted.length > SHOWN_MAX ? paint.dim(` (${sorted.length})`) : ""),
    ...body.map((line) => `  ${line}`),
    ...(more > 0 ? [paint.dim(`  … and ${more} more: --all`)] : []),
  ];
}
