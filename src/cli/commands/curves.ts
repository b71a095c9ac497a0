/** `contrail experiment curves`: what the learning curves of the web page are drawn from. */
import type { CurvesReply } from "../../protocol/api.ts";
import { type Cli, optionWords } from "../cli.ts";
import { EXIT } from "../exit-code.ts";
import { stateCell } from "../experiment-view.ts";
import { aligned, count } from "../figures.ts";
import { inert } from "../inert.ts";
import { type Cell, table } from "../table.ts";
import { experimentOf, wholeOf } from "../values.ts";
import { lookOf } from "./experiment.ts";

export interface CurvesOptions {
  readonly metric?: string;
  readonly points?: string;
  readonly limit?: string;
  readonly fromStep?: string;
  readonly toStep?: string;
}

const POINTS_MAX = 2_000;
const TRIALS_MAX = 1_000;
/** Columns of the table; `--json` has every point. */
const COLUMNS = 6;

export async function curves(cli: Cli, id: string, options: CurvesOptions): Promise<number> {
  const number = experimentOf(id);
  const { metric, points, limit, fromStep, toStep } = options;
  const step = (name: string, text: string | undefined): number | undefined =>
    text === undefined ? undefined : wholeOf(name, text, 0, Number.MAX_SAFE_INTEGER);
  const reply = await cli.client().curves(number, {
    metric,
    points: points === undefined ? undefined : wholeOf("--points", points, 1, POINTS_MAX),
    limit: limit === undefined ? undefined : wholeOf("--limit", limit, 1, TRIALS_MAX),
    from_step: step("--from-step", fromStep),
    to_step: step("--to-step", toStep),
  });
  cli.show(reply, () =>
    curveLines(cli, reply, optionWords({ "from-step": fromStep, "to-step": toStep })),
  );
  const first = reply.items.find((item) => item.points.length > 0);
  if (first !== undefined) cli.next(`trial metrics ${first.trial}`);
  return EXIT.ok;
}

/**
 * A few steps of each trial side by side, from its first to its last.
 * @param between the options by which steps are left out, as they were given
 */
function curveLines(cli: Cli, reply: CurvesReply, between: string): string[] {
  const drawn = reply.items.filter(({ points }) => points.length > 0);
  if (drawn.length === 0) {
    const { experiment, metric } = reply;
    if (metric === "")
      return [`Experiment ${experiment} is judged by no metric; name another: --metric NAME.`];
    const where = between === "" ? "" : ` within${between}`;
    return [`No trial of experiment ${experiment} has reported ${inert(metric)}${where}.`];
  }
  const look = lookOf(cli);
  const steps = shownSteps(drawn);
  const rows = drawn.map(({ trial, state, points }): Cell[] => {
    const values = new Map(points);
    return [
      trial,
      stateCell(look.paint, state),
      ...steps.map((step) => (values.has(step) ? aligned(values.get(step)) : null)),
    ];
  });
  const lines = table(
    [
      { head: "trial" },
      { head: "state" },
      ...steps.map((step) => ({ head: `${reply.unit} ${count(step)}`, align: "right" as const })),
    ],
    rows,
    { width: look.width, headPaint: look.paint.dim },
  );
  const left = reply.trials_total - reply.items.length;
  return left > 0 ? [...lines, `… ${count(left)} more trials: --limit N`] : lines;
}

function shownSteps(drawn: CurvesReply["items"]): number[] {
  const all = [...new Set(drawn.flatMap(({ points }) => points.map(([step]) => step)))].toSorted(
    (a, b) => a - b,
  );
  if (all.length <= COLUMNS) return all;
  const at = (i: number): number =>
    all[Math.round((i * (all.length - 1)) / (COLUMNS - 1))] as number;
  return Array.from({ length: COLUMNS }, (_, i) => at(i));
}
