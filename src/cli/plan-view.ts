/** The plan of a search: before it starts, and beside what came of it. */
import type { Experiment, Plan, Rung } from "../protocol/api.ts";
import { count, duration, plural, replacementWords, steps, trialsCounted } from "./figures.ts";
import type { Paint } from "./paint.ts";
import { type Cell, type Column, table } from "./table.ts";

interface Look {
  readonly paint: Paint;
  readonly width: number;
}

/** Whether a trial's entry of a rung is a report: one that failed or was ended before has none, said as NaN. */
export const cameTo = ({ objective, outcome }: Rung["entries"][number]): boolean =>
  objective !== null && !(outcome === "failed" && objective === "NaN");

/** null = no length is set: the search has none, or a trial goes on and on. */
export const lengthOf = (steps: number | null): number | null =>
  steps === null || steps >= Number.MAX_SAFE_INTEGER ? null : steps;

const range = (from: number | null, to: number | null): string | null => {
  const [min, max] = [lengthOf(from), lengthOf(to)];
  if (min === null || max === null) return null;
  return min === max ? count(min) : `${count(min)} to ${count(max)}`;
};

/** Slots, the search and its number of trials each set a limit; how busy the slots are is no matter of a plan. */
function trialsAtOnce({ slots, slots_per_trial, trials_max, concurrent_max }: Plan): number {
  const room = Math.floor(slots / Math.max(1, slots_per_trial));
  return Math.min(room, trials_max, concurrent_max ?? room);
}

/**
 * What is expected, shown before anything runs.
 * @param look `slots`: whose they are
 */
export function planLines(
  plan: Plan,
  reason: string,
  unit: string,
  look: Look & { readonly slots?: "here" | "(--slots)" },
): string[] {
  const { paint } = look;
  const amount = range(plan.steps_min, plan.steps_max);
  const lines = [
    `${paint.bold("plan")}  ${plan.searcher}: at most ${plural(plan.trials_max, "trial")}, ` +
      (amount === null ? "each until its program ends" : `${amount} ${unit} in all`),
  ];
  if (reason !== "") lines.push(paint.dim(`      ${reason}`));
  const several = new Set(plan.rungs.map((rung) => rung.bracket)).size > 1;
  if (plan.rungs.length > 1) {
    const columns: Column[] = [
      ...(several ? [{ head: "bracket", align: "right" } as const] : []),
      { head: "rung", align: "right" },
      { head: unit, align: "right" },
      { head: "trials", align: "right" },
      { head: "" },
    ];
    const most = Math.max(...plan.rungs.map((rung) => rung.trials), 1);
    const rows = plan.rungs.map((rung) => [
      ...(several ? [rung.bracket] : []),
      rung.rung,
      lengthOf(rung.step) === null ? "to its end" : count(rung.step ?? 0),
      count(rung.trials),
      { text: bar(rung.trials / most, 24), paint: paint.cyan },
    ]);
    const shown = table(columns, rows, { width: look.width - 6, headPaint: paint.dim });
    lines.push(...shown.map((line) => `      ${line}`));
  }
  const full = fullCost(plan);
  if (full !== null) lines.push(`      without early stopping it would be ${count(full)} ${unit}`);
  lines.push(
    `      ${plural(plan.slots_per_trial, "slot")} a trial, ${plural(plan.slots, "slot")} ${look.slots ?? "here"}` +
      `: at most ${plural(trialsAtOnce(plan), "trial")} at a time`,
  );
  return lines;
}

export const bar = (share: number, columns: number): string =>
  "█".repeat(Math.round(Math.max(0, Math.min(1, share)) * columns));

/** Steps of the same search without early stopping; null where that makes no difference. */
function fullCost(plan: Plan): number | null {
  const full = lengthOf(plan.steps_without_early_stopping);
  const max = lengthOf(plan.steps_max);
  return full !== null && max !== null && full > max ? full : null;
}

/** How a search ended that did not come to its own end; null for one that did. */
function cutShort({ state, reason, trials }: Experiment): string | null {
  if (state === "canceled") return "before it was canceled";
  if (state === "error") return "before it failed";
  if (state !== "completed") return "so far";
  if (reason.startsWith("budget reached")) return "before its budget ended it";
  // What failed trials did not train was saved by nobody.
  if (trials.error > 0) return `with ${plural(trials.error, "trial")} that failed`;
  return null;
}

/**
 * What early stopping saved, in steps of the same search without it; null where nothing can be said: only a
 * search that came to its own end has saved what it did not train.
 */
export function savedByStopping(experiment: Experiment): { steps: number; share: number } | null {
  const full = fullCost(experiment.plan);
  if (full === null || experiment.spent.steps >= full || cutShort(experiment) !== null) return null;
  const left = full - experiment.spent.steps;
  return { steps: left, share: left / full };
}

/** One sentence on what was trained and saved; "" where there is nothing to compare with. */
export function savedLine(experiment: Experiment): string {
  const saved = savedByStopping(experiment);
  const full = fullCost(experiment.plan);
  const short = cutShort(experiment);
  const { spent, unit } = experiment;
  if (full !== null && short !== null)
    return `${count(spent.steps)} ${unit} trained ${short}; all of it without early stopping would be ${count(full)}`;
  if (saved === null || full === null) return "";
  return (
    `${count(spent.steps)} ${unit} trained instead of ${count(full)}: ` +
    `early stopping saved ${count(saved.steps)} (${Math.round(saved.share * 100)} %)`
  );
}

/** Planned and actual side by side, row by row. */
export function planAgainstActual(
  experiment: Experiment,
  rungs: readonly Rung[],
  look: Look,
): string[] {
  const { plan, spent, trials, unit } = experiment;
  const rows: Cell[][] = [
    [
      "trials",
      count(plan.trials_max),
      [count(trialsCounted(trials)), replacementWords(trials)].filter(Boolean).join(", "),
    ],
    [`${unit} in all`, range(plan.steps_min, plan.steps_max), count(spent.steps)],
  ];
  const several = new Set(plan.rungs.map((rung) => rung.bracket)).size > 1;
  if (plan.rungs.length > 1)
    for (const planned of plan.rungs) {
      const actual = rungs.find((r) => r.bracket === planned.bracket && r.rung === planned.rung);
      rows.push([
        `${several ? `bracket ${planned.bracket} ` : ""}rung ${planned.rung} (${lengthOf(planned.step) === null ? "to its end" : steps(planned.step ?? 0, unit)})`,
        count(planned.trials),
        count(actual?.entries.filter(cameTo).length ?? 0),
      ]);
    }
  rows.push(["slot time", null, duration(spent.slot_seconds)]);
  if (spent.money !== null)
    rows.push(["cost", null, `${spent.money.amount.toFixed(2)} ${spent.money.currency}`]);
  if (spent.energy_kwh_estimated !== null)
    rows.push(["energy (estimated)", null, `${spent.energy_kwh_estimated.toFixed(2)} kWh`]);
  return table(
    [{ head: "" }, { head: "planned", align: "right" }, { head: "actual", align: "right" }],
    rows,
    { width: look.width, headPaint: look.paint.dim },
  );
}
