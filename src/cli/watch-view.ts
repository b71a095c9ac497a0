/**
 * The live view of a search as lines of text: a pure function of what is known, so that a test can look
 * at it and the demo shows the same. Reads from top to bottom as one asks: how far is it, who is at which
 * rung, which are the best so far, what do the others wait for. `watch.ts` brings it to a terminal.
 */
import type { Experiment, Rung, StreamEvent, Trial } from "../protocol/api.ts";
import {
  aligned,
  count,
  duration,
  hyperparametersLine,
  measured,
  plural,
  replacementWords,
  steps,
  trialsCounted,
} from "./figures.ts";
import { columnsOf, cut, cutPainted, inert } from "./inert.ts";
import { type Paint, paintState } from "./paint.ts";
import { cameTo, lengthOf } from "./plan-view.ts";
import { type Cell, type Column, table } from "./table.ts";

export interface WatchState {
  readonly experiment: Experiment | null;
  readonly trials: ReadonlyMap<string, Trial>;
  readonly rungs: readonly Rung[];
  readonly over: boolean;
}

export const NOTHING_YET: WatchState = {
  experiment: null,
  trials: new Map(),
  rungs: [],
  over: false,
};

/** The state after one event; each event carries whole things, so order and repeats do no harm. */
export function watchStep(state: WatchState, event: StreamEvent): WatchState {
  switch (event.event) {
    case "experiment":
      return { ...state, experiment: event.data };
    case "end":
      return { ...state, experiment: event.data, over: true };
    case "rungs":
      return { ...state, rungs: event.data };
    case "trials": {
      const trials = new Map(state.trials);
      for (const trial of event.data) trials.set(trial.id, trial);
      return { ...state, trials };
    }
  }
}

export interface WatchLook {
  /** Columns that a line may take. */
  readonly width: number;
  /** Lines that the whole view may take. */
  readonly height: number;
  readonly nowMs: number;
  readonly paint: Paint;
  /** Slots of the server; null while unknown. */
  readonly slots: number | null;
  /** False while the pace is not known: after the server was away. */
  readonly paceKnown?: boolean;
  /** Said in place of the waiting line while the connection is down. */
  readonly trouble?: string | undefined;
}

const HOLDING = new Set(["starting", "running", "pausing", "stopping"]);

export function watchLines(state: WatchState, look: WatchLook): string[] {
  const { experiment } = state;
  if (experiment === null) return ["connecting …"];
  const { paint, width } = look;
  const head = headLines(experiment, state, look);
  const last = lastLine(state, look);
  const rungs = rungTable(state.rungs, measureOf(experiment), look);
  const room = look.height - head.length - last.length;
  const rungLines = section("rungs", rungs, Math.max(4, Math.floor(room / 2)), paint);
  const bestRoom = room - rungLines.length;
  const best = bestTable(state, look, Math.max(1, Math.min(10, bestRoom - 3)));
  const bestLines = bestRoom < 4 ? [] : section("best so far", best, bestRoom, paint);
  const lines = [...head, ...rungLines, ...bestLines, ...last].slice(0, look.height);
  return lines.map((line) => cutPainted(line, width));
}

function headLines(experiment: Experiment, state: WatchState, look: WatchLook): string[] {
  const { paint, width } = look;
  const { searcher, plan, spent, trials, unit } = experiment;
  const title = cut(
    `experiment ${experiment.id}  ${inert(experiment.name)}  ${experiment.state}`,
    width,
  );
  const how = cut(`${inert(searcherText(searcher))}`, width);
  const held = [...state.trials.values()].filter((t) => HOLDING.has(t.state)).length;
  const slots = held * plan.slots_per_trial;
  const share = Math.max(0, Math.min(1, experiment.progress));
  const columns = Math.max(8, Math.min(32, width - 48));
  const filled = Math.round(share * columns);
  const time = timeText(
    experiment,
    look.nowMs,
    look.paceKnown !== false && look.trouble === undefined,
  );
  const most = lengthOf(plan.steps_max);
  const figures = [
    `trials ${[`${trialsCounted(trials)} of at most ${plan.trials_max}`, replacementWords(trials)].filter(Boolean).join(", ")}: ${trialCounts(trials)}`,
    [
      `${unit} ${count(spent.steps)}${most === null ? "" : ` of at most ${count(most)}`}`,
      look.slots === null ? `slots ${slots}` : `slots ${slots} of ${look.slots}`,
    ].join(" · "),
  ];
  return [
    paint.bold(title),
    paint.dim(how),
    `${paint.cyan("█".repeat(filled))}${paint.dim("░".repeat(columns - filled))} ${String(Math.floor(share * 100)).padStart(3)} %  ${cut(time, Math.max(0, width - columns - 8))}`,
    ...figures.map((line) => cut(line, width)),
  ];
}

/** Every trial is in exactly one of these, so that the counts add up. */
const trialCounts = (trials: Experiment["trials"]): string =>
  [
    [trials.running, "running"],
    [trials.queued, "queued"],
    [trials.paused, "paused"],
    [trials.completed + trials.canceled + trials.error, "ended"],
  ]
    .filter(([n]) => n !== 0)
    .map(([n, word]) => `${n} ${word}`)
    .join(", ") || "none";

/** `asha on accuracy, larger is better`; a single run without a metric is judged by nothing. */
export function searcherText(searcher: Experiment["searcher"]): string {
  if (searcher.metric === "") return searcher.name;
  const better = searcher.smaller_is_better ? "smaller is better" : "larger is better";
  return `${searcher.name} on ${searcher.metric}, ${better}`;
}

/** An estimate is given where it can be near: not at the start, and not for the last stragglers. */
function timeText(experiment: Experiment, nowMs: number, paceKnown = true): string {
  if (experiment.started_at === null) return "not started";
  const began = Date.parse(experiment.started_at);
  const end = experiment.ended_at === null ? nowMs : Date.parse(experiment.ended_at);
  const seconds = Math.max(0, (end - began) / 1000);
  const share = experiment.progress;
  if (experiment.ended_at !== null) return `took ${duration(seconds)}`;
  const steady = paceKnown && experiment.state === "active" && share >= 0.05 && share < 0.97;
  if (!steady || seconds < 5) return duration(seconds);
  return `${duration(seconds)}, about ${duration((seconds * (1 - share)) / share)} left`;
}

function section(
  title: string,
  lines: readonly string[],
  linesMax: number,
  paint: Paint,
): string[] {
  if (lines.length <= 1) return [];
  const room = Math.max(2, linesMax - 2);
  const shown =
    lines.length <= room
      ? lines
      : [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more`];
  return ["", paint.bold(title), ...shown];
}

/** What the objective is called, in which direction it is better, and what steps are counted in. */
export interface Measure {
  readonly metric: string;
  readonly smallerIsBetter: boolean;
  readonly unit: string;
}

export const measureOf = (experiment: Experiment): Measure => ({
  metric: experiment.searcher.metric,
  smallerIsBetter: experiment.searcher.smaller_is_better,
  unit: experiment.unit,
});

/** One line a rung: who came, and what became of them. */
export function rungTable(
  rungs: readonly Rung[],
  { metric, smallerIsBetter, unit }: Measure,
  look: Pick<WatchLook, "paint" | "width">,
): string[] {
  // Without a metric nothing is compared at a rung.
  if (rungs.length === 0 || metric === "") return [];
  const several = new Set(rungs.map((rung) => rung.bracket)).size > 1;
  const failures = rungs.some((rung) => rung.entries.some((e) => e.outcome === "failed"));
  const right = (head: string): Column => ({ head, align: "right" });
  const columns: Column[] = [
    ...(several ? [right("bracket")] : []),
    ...["rung", unit, "came"].map(right),
    // Narrow terminals first lose the columns that say nothing yet.
    ...(["promoted", "waiting", "stopped", "finished"] as const).map((outcome, i): Column => {
      const none = rungs.every((rung) => rung.entries.every((e) => e.outcome !== outcome));
      const head = outcome === "finished" ? "done" : outcome;
      return { head, align: "right", drop: none ? 20 + i : [11, 13, 12, 10][i]! };
    }),
    ...(failures ? [right("failed")] : []),
    { head: metric, align: "right", flexible: true },
    { head: "best trial" },
  ];
  const rows = rungs.map((rung): Cell[] => {
    const outcomes = (outcome: string): Cell => {
      const n = rung.entries.filter((entry) => entry.outcome === outcome).length;
      const text = n === 0 ? "·" : String(n);
      return { text, paint: n === 0 ? look.paint.dim : paintState(look.paint, outcome) };
    };
    const came = rung.entries.filter(cameTo);
    const best = came.toSorted((a, b) =>
      compareObjective(a.objective, b.objective, smallerIsBetter),
    )[0];
    return [
      ...(several ? [rung.bracket] : []),
      rung.rung,
      lengthOf(rung.step) === null ? "-" : count(rung.step ?? 0),
      rung.expected === null ? came.length : `${came.length}/${rung.expected}`,
      ...["promoted", "waiting", "stopped", "finished"].map(outcomes),
      ...(failures ? [outcomes("failed")] : []),
      best === undefined ? "·" : aligned(best.objective),
      best?.trial ?? "·",
    ];
  });
  return table(columns, rows, { width: look.width, headPaint: look.paint.dim });
}

/** `4/9`: the step a trial has reached, of where the search wants it. */
export const stepOf = ({ step, target }: Pick<Trial, "step" | "target">): string | number =>
  lengthOf(target) === null ? step : `${step}/${target}`;

/** The best trials by their best objective. */
export function bestTable(
  state: Pick<WatchState, "experiment" | "trials">,
  look: Pick<WatchLook, "paint" | "width">,
  rowsMax: number,
): string[] {
  const { experiment } = state;
  if (experiment === null) return [];
  const { smaller_is_better: smaller, metric } = experiment.searcher;
  const ranked = [...state.trials.values()]
    .filter((trial) => trial.best !== null)
    .toSorted(
      (a, b) =>
        compareObjective(a.best?.objective, b.best?.objective, smaller) || a.number - b.number,
    )
    .slice(0, rowsMax);
  const rows = ranked.map((trial): Cell[] => [
    trial.id,
    { text: trial.state, paint: paintState(look.paint, trial.state) },
    aligned(trial.best?.objective),
    stepOf(trial),
    hyperparametersLine(trial.hyperparameters),
  ]);
  const columns: Column[] = [
    { head: "trial" },
    { head: "state" },
    { head: metric, align: "right" },
    { head: experiment.unit, align: "right" },
    { head: "hyperparameters", flexible: true },
  ];
  return table(columns, rows, { width: look.width, headPaint: look.paint.dim });
}

function lastLine(state: WatchState, look: WatchLook): string[] {
  if (look.trouble !== undefined) return ["", look.paint.yellow(cut(look.trouble, look.width))];
  const { experiment } = state;
  if (experiment === null) return [];
  if (state.over) return ["", cut(inert(`${experiment.state}: ${experiment.reason}`), look.width)];
  const waiting = [...state.trials.values()].filter((trial) => trial.state === "queued");
  const first = waiting[0];
  if (first === undefined) return [];
  const more = waiting.length > 1 ? ` (and ${waiting.length - 1} more wait)` : "";
  return ["", look.paint.dim(cut(inert(`${first.id} waits: ${first.reason}${more}`), look.width))];
}

/** Best first; NaN and what is missing last, whatever the direction. */
export function compareObjective(
  a: number | string | null | undefined,
  b: number | string | null | undefined,
  smallerIsBetter: boolean,
): number {
  const x = a == null ? Number.NaN : Number(a);
  const y = b == null ? Number.NaN : Number(b);
  if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
  if (x === y) return 0;
  return (smallerIsBetter ? x < y : x > y) ? -1 : 1;
}

/** The same in one line, for logs and pipes. */
export function watchSummary(state: WatchState, nowMs: number, paceKnown = true): string {
  const { experiment } = state;
  if (experiment === null) return "connecting …";
  const { trials, spent, plan, unit, best, searcher } = experiment;
  const most = lengthOf(plan.steps_max);
  const parts = [
    `${Math.floor(experiment.progress * 100)} %`,
    `${plural(trials.total, "trial")} (${trialCounts(trials)})`,
    `${unit} ${count(spent.steps)}${most === null ? "" : ` of at most ${count(most)}`}`,
    best === null
      ? "nothing measured yet"
      : `best ${inert(searcher.metric)} ${measured(best.objective)} (trial ${best.trial} after ${steps(best.step, unit)})`,
  ];
  return `experiment ${experiment.id} ${experiment.state}: ${parts.join(" · ")} · ${timeText(experiment, nowMs, paceKnown)}`;
}

/** Lines of a view never wrap: used by tests and by the terminal before it counts rows. */
export const visibleColumns = (line: string): number =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours that this view puts in
  columnsOf(line.replace(/\x1b\[[0-9;]*m/g, ""));
