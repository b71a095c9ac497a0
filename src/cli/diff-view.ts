/** Two runs side by side, in sections; what is the same is said in a word. Pure. */
import { fairShare } from "../analysis/fair-share.ts";
import type { Json } from "../base/json.ts";
import type { DiffReply, FileDiff, MetricDiff, ValueDifference } from "../protocol/api.ts";
import type { Look } from "./experiment-view.ts";
import { count, measured, plural } from "./figures.ts";
import { inert } from "./inert.ts";
import type { Paint } from "./paint.ts";
import { table } from "./table.ts";

const VALUES_SHOWN_MAX = 40;
const LINES_SHOWN_MAX = 400;

export function diffLines(diff: DiffReply, look: Look): string[] {
  const { paint } = look;
  const { a, b, code, trials, not_listed: more } = diff;
  const lines = (name: "config" | "data" | "environment") =>
    valueLines(diff[name], look, more[name]);
  return [
    `${paint.bold(a.id)}  ${inert(a.name)}  ${paint.dim("against")}  ${paint.bold(b.id)}  ${inert(b.name)}`,
    ...section("code", codeLines(code, paint), paint),
    ...section("configuration", lines("config"), paint),
    ...section("data", lines("data"), paint),
    ...(trials === null
      ? [
          "",
          paint.dim(
            "Environment, metrics, choices and decisions belong to trials: name two of them, such as 3.12.",
          ),
        ]
      : [
          ...section("environment", lines("environment"), paint),
          ...section(
            "hyperparameters",
            valueLines(trials.hyperparameters, look, more.hyperparameters),
            paint,
          ),
          ...section("seeds", valueLines(trials.seeds, look, 0), paint),
          ...section("metrics", metricLines(trials.metrics, look), paint),
          ...section("decisions", decisionLines(trials.decisions), paint),
        ]),
  ];
}

const section = (name: string, lines: readonly string[], paint: Paint): string[] =>
  lines.length === 0
    ? ["", `${paint.bold(name)}  ${paint.dim("the same")}`]
    : ["", paint.bold(name), ...lines];

const word = (value: Json | undefined): string =>
  value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value);

/** @param notListed so many more there are, of which the server tells nothing */
function valueLines(values: readonly ValueDifference[], look: Look, notListed: number): string[] {
  if (values.length === 0) return [];
  // Hundreds of packages leave the GPU its lines.
  const bySection = Map.groupBy(values, ({ path }) => path.replace(/[.[].*$/s, ""));
  const shown = fairShare([...bySection.values()], VALUES_SHOWN_MAX);
  const rows = table(
    [{ head: "where" }, { head: "a", flexible: true }, { head: "b", flexible: true }],
    shown.map(({ path, a, b }) => [path, word(a), word(b)]),
    { width: look.width, headPaint: look.paint.dim },
  );
  const more = values.length - shown.length + notListed;
  const told = notListed === 0 ? "all" : `${count(values.length)} of them`;
  return more > 0
    ? [...rows, look.paint.dim(`… and ${count(more)} more (--json has ${told})`)]
    : rows;
}

function codeLines(code: DiffReply["code"], paint: Paint): string[] {
  if (code.files.length === 0) return [];
  const lines: string[] = [];
  let left = LINES_SHOWN_MAX;
  for (const file of code.files) {
    lines.push(fileHead(file, paint));
    const shown = (file.diff ?? "").split("\n").slice(0, -1);
    for (const line of shown.slice(0, Math.max(0, left))) lines.push(diffLine(line, paint));
    if (shown.length > left) lines.push(paint.dim("  … (--json has all)"));
    left = Math.max(0, left - shown.length);
  }
  if (code.not_listed > 0) lines.push(paint.dim(`… and ${plural(code.not_listed, "file")} more`));
  return [...lines, paint.dim(`${plural(code.same, "file")} the same`)];
}

function fileHead(
  { path, state, lines_added, lines_removed, note }: FileDiff,
  paint: Paint,
): string {
  const lines = lines_added + lines_removed > 0 ? `  +${lines_added} -${lines_removed}` : "";
  return `${state} ${paint.bold(inert(path))}${lines}${note === null ? "" : `  ${paint.dim(inert(note))}`}`;
}

function diffLine(line: string, paint: Paint): string {
  const text = `  ${inert(line.replaceAll("\t", "    "))}`;
  if (line.startsWith("+")) return paint.green(text);
  if (line.startsWith("-")) return paint.red(text);
  return line.startsWith("@@") ? paint.cyan(text) : text;
}

/** Metrics that are the same in every point are told as a number. */
function metricLines(metrics: readonly MetricDiff[], look: Look): string[] {
  const differing = metrics.filter(
    ({ first, only_a, only_b }) => first !== null || only_a + only_b > 0,
  );
  if (differing.length === 0) return [];
  const at = (point: { step: number; value: number | string } | null): string =>
    point === null ? "–" : `${measured(point.value as number)} @${point.step}`;
  const same = metrics.length - differing.length;
  return [
    ...table(
      [
        { head: "metric", flexible: true },
        { head: "first differs", align: "right" },
        { head: "last of a", align: "right" },
        { head: "last of b", align: "right" },
        { head: "best of a", align: "right" },
        { head: "best of b", align: "right" },
      ],
      differing.map(({ name, first, last, best }) => [
        name,
        first === null ? null : `step ${first.step}`,
        at(last.a),
        at(last.b),
        measured(best?.a as number | null | undefined),
        measured(best?.b as number | null | undefined),
      ]),
      { width: look.width, headPaint: look.paint.dim },
    ),
    ...(same > 0 ? [look.paint.dim(`${plural(same, "metric")} the same in every point`)] : []),
  ];
}

function decisionLines({ same, a, b }: NonNullable<DiffReply["trials"]>["decisions"]): string[] {
  if (a.length + b.length === 0) return [];
  const line = (side: string, { what, target, text }: (typeof a)[number]): string =>
    `  ${side}  ${what}${target === null ? "" : ` to step ${target}`}: ${inert(text)}`;
  return [
    `  the first ${same === 1 ? "is" : `${count(same)} are`} the same, then`,
    ...a.map((decision) => line("a", decision)),
    ...b.map((decision) => line("b", decision)),
  ];
}
