/** One experiment, whole: what it is, how far, the best trial, planned against actual. Pure. */
import type { Json, JsonObject } from "../base/json.ts";
import type { Experiment, ExperimentDetail, Rung, Trial, TrialDetail } from "../protocol/api.ts";
import { ancestryLines } from "./ancestry-view.ts";
import { completedText, type Endings } from "./endings.ts";
import {
  ago,
  bytes,
  count,
  duration,
  heldText,
  hyperparametersLine,
  measured,
  moment,
  plural,
  silentText,
  steps,
  trialsCounted,
} from "./figures.ts";
import { inert } from "./inert.ts";
import { layerFacts } from "./layer-view.ts";
import { type Paint, paintState } from "./paint.ts";
import { lengthOf, planAgainstActual, savedLine } from "./plan-view.ts";
import { type Cell, facts, table } from "./table.ts";
import { experimentVerdictText, verdictCell, verdictText } from "./verdict-view.ts";
import { measureOf, rungTable, searcherText, stepOf } from "./watch-view.ts";
import { withdrawnFacts, withdrawnWord } from "./withdrawn-view.ts";

export interface Look {
  readonly paint: Paint;
  readonly width: number;
  readonly nowMs: number;
}

export const stateCell = (paint: Paint, state: string): Cell => ({
  text: state,
  paint: paintState(paint, state),
});

/** 12 digits tell snapshots apart; `--json` has all 64. */
export const shortHash = (hash: string): string => hash.slice(0, 12);

/** `digits@2`; of one that an import left as none here, that what is called so here is something else. */
export function versionText(item: Json): string | undefined {
  const { dataset, foreign } = (item ?? {}) as JsonObject;
  if (typeof dataset !== "string") return undefined;
  return foreign === true ? `${dataset} (foreign: of where it was imported from)` : dataset;
}

/** Dataset versions by the names under which training has them; what is no dataset is in --json. */
function dataText(data: ExperimentDetail["data"]): string | undefined {
  const names = Object.entries(data).flatMap(([name, item]) => {
    const version = versionText(item);
    return version === undefined ? [] : [`${name} = ${version}`];
  });
  return names.length === 0 ? undefined : names.sort().join(", ");
}

export function experimentRows(items: readonly Experiment[], look: Look): string[] {
  return table(
    [
      { head: "id", align: "right" },
      { head: "name", flexible: true },
      { head: "state" },
      { head: "progress", align: "right" },
      { head: "trials", align: "right" },
      { head: "best", align: "right" },
      { head: "metric", flexible: true, drop: 2 },
      { head: "verdict", drop: 3 },
      { head: "searcher", drop: 4 },
      { head: "owner", drop: 5 },
      { head: "created", drop: 1 },
    ],
    items.map((item) => [
      item.id,
      item.name,
      {
        text: `${item.state}${withdrawnWord(item)}`,
        paint: paintState(look.paint, item.state),
      },
      `${Math.floor(item.progress * 100)} %`,
      `${trialsCounted(item.trials)}/${item.plan.trials_max}`,
      measured(item.best?.objective),
      item.searcher.metric,
      verdictCell(look.paint, item.verdict),
      item.searcher.name,
      item.owner,
      ago(item.created_at, look.nowMs),
    ]),
    { width: look.width, headPaint: look.paint.dim },
  );
}

export function experimentLines(
  experiment: Experiment &
    Partial<Pick<ExperimentDetail, "seed" | "data" | "layers" | "ancestry" | "descendants">>,
  best: Trial | null,
  rungs: readonly Rung[],
  look: Look,
  endings: Endings | null = null,
): string[] {
  const { paint } = look;
  const { searcher, trials, spent, unit } = experiment;
  const states = (["running", "queued", "paused", "completed", "canceled", "error"] as const)
    .filter((state) => trials[state] > 0)
    .map((state) =>
      state === "completed"
        ? completedText(trials.completed, endings)
        : `${trials[state]} ${state === "error" ? "errored" : state}`,
    );
  const lines = [
    `${paint.bold(`experiment ${experiment.id}`)}  ${inert(experiment.name)}`,
    ...facts(
      [
        ["state", stateCell(paint, experiment.state)],
        ...withdrawnFacts(experiment, look.nowMs),
        ["because", experiment.reason],
        ["description", experiment.description ?? undefined],
        ["labels", experiment.labels.length > 0 ? experiment.labels.join(", ") : undefined],
        ["owner", experiment.owner],
        ["created", moment(experiment.created_at)],
        ["started", experiment.started_at === null ? undefined : moment(experiment.started_at)],
        ["ended", experiment.ended_at === null ? undefined : moment(experiment.ended_at)],
        ["code", experiment.code === null ? "none" : shortHash(experiment.code)],
        ["data", dataText(experiment.data ?? {})],
        ...layerFacts(experiment.layers ?? []),
        ["seed", experiment.seed],
        [
          "verdict",
          experiment.verdict === null ? undefined : experimentVerdictText(experiment.verdict),
        ],
        ["searcher", searcherText(searcher)],
        ["chosen because", searcher.reason],
        ["progress", `${Math.floor(experiment.progress * 100)} %`],
        ["trials", `${trials.total}${states.length > 0 ? `: ${states.join(", ")}` : ""}`],
        ["took", spent.seconds > 0 ? duration(spent.seconds) : undefined],
        ["order cost", spent.held === null ? undefined : heldText(spent.held)],
      ],
      paint.dim,
    ),
  ];
  if (experiment.ancestry !== undefined && experiment.descendants !== undefined) {
    const { ancestry, descendants } = experiment;
    lines.push(...ancestryLines({ ancestry, descendants }, paint));
  }
  if (experiment.best !== null) {
    const { trial, step, objective } = experiment.best;
    lines.push(
      "",
      `${paint.bold("best")}  trial ${trial}: ${inert(searcher.metric)} ${measured(objective)} after ${steps(step, unit)}`,
    );
    if (best !== null) lines.push(`      ${inert(hyperparametersLine(best.hyperparameters))}`);
  }
  const rungLines = rungTable(rungs, measureOf(experiment), look);
  if (rungLines.length > 0) lines.push("", paint.bold("rungs"), ...rungLines);
  lines.push("", paint.bold("plan against actual"), ...planAgainstActual(experiment, rungs, look));
  const saved = savedLine(experiment);
  if (saved !== "") lines.push(saved);
  return lines;
}

/** The flag stands beside the state: nobody knows that anything changed. */
export const trialStateCell = (paint: Paint, trial: Trial): Cell =>
  trial.silent === undefined
    ? stateCell(paint, trial.state)
    : { text: `${trial.state}, silent`, paint: paint.yellow };

export function trialRows(
  items: readonly Trial[],
  metric: string,
  unit: string,
  look: Look,
): string[] {
  return table(
    [
      { head: "trial" },
      { head: "state" },
      { head: unit, align: "right" },
      { head: metric, align: "right", flexible: true, drop: 1 },
      { head: "best", align: "right" },
      { head: "verdict", drop: 3 },
      { head: "restarts", align: "right", drop: 2 },
      { head: "why", flexible: true },
      { head: "hyperparameters", flexible: true },
    ],
    items.map((trial) => [
      trial.id,
      trialStateCell(look.paint, trial),
      stepOf(trial),
      measured(trial.objective),
      measured(trial.best?.objective),
      verdictCell(look.paint, trial.verdict),
      trial.restarts,
      trial.end_reason ?? trial.reason,
      hyperparametersLine(trial.hyperparameters),
    ]),
    { width: look.width, headPaint: look.paint.dim },
  );
}

export function trialLines(trial: TrialDetail, look: Look): string[] {
  const { paint } = look;
  const refused = Object.entries(trial.refused_metrics);
  const lines = [
    paint.bold(`trial ${trial.id}`),
    ...facts(
      [
        ["state", stateCell(paint, trial.state)],
        ["because", trial.reason],
        ["silent", trial.silent && silentText(trial.silent)],
        ["ended", trial.end_reason ?? undefined],
        ["step", lengthOf(trial.target) === null ? trial.step : `${trial.step} of ${trial.target}`],
        ["objective", trial.objective === null ? undefined : measured(trial.objective)],
        [
          "best",
          trial.best === null
            ? undefined
            : `${measured(trial.best.objective)} at step ${trial.best.step}`,
        ],
        ["metrics", trial.metric_names.length > 0 ? trial.metric_names.join(", ") : undefined],
        [
          "checkpoint",
          trial.checkpoint === null
            ? "none"
            : `${shortHash(trial.checkpoint.id)} at step ${trial.checkpoint.step}`,
        ],
        ["seed", trial.seed],
        ["verdict", trial.verdict === null ? undefined : verdictText(trial.verdict)],
        ["restarts", trial.restarts],
        ["slot time", duration(trial.slot_seconds)],
        ["image", trial.container && `${trial.container.image} (${trial.container.digest})`],
        ["hyperparameters", hyperparametersLine(trial.hyperparameters)],
      ],
      paint.dim,
    ),
  ];
  if (refused.length > 0)
    lines.push(
      "",
      paint.bold("not numbers, so not stored as metrics"),
      ...refused.map(([name, what]) => `  ${inert(name)}: ${inert(what)}`),
    );
  if (trial.decisions.length > 0)
    lines.push("", paint.bold("decisions"), ...decisionLines(trial, look));
  if (trial.allocations.length > 0)
    lines.push("", paint.bold("allocations"), ...allocationLines(trial, look));
  if (trial.last_lines.length > 0)
    lines.push(
      "",
      paint.bold("last lines of its output"),
      ...trial.last_lines.map((l) => `  ${inert(l)}`),
    );
  return lines;
}

function decisionLines(trial: TrialDetail, look: Look): string[] {
  return trial.decisions.flatMap((decision) => {
    const target = decision.target === null ? "" : ` to step ${decision.target}`;
    const head = `  ${look.paint.dim(inert(decision.at.slice(11, 19)))}  ${decision.what}${target}: ${inert(decision.text)}`;
    const { standing } = decision;
    if (standing === null) return [head];
    const threshold =
      standing.threshold === null ? "" : `, threshold ${measured(standing.threshold)}`;
    return [
      head,
      look.paint.dim(
        `            rung ${standing.rung} (step ${standing.step}): ${measured(standing.objective)} is rank ${standing.rank} of ${standing.of}; ${plural(standing.passing, "rank")} may pass${threshold}`,
      ),
    ];
  });
}

function allocationLines(trial: TrialDetail, look: Look): string[] {
  return table(
    [
      { head: "allocation" },
      { head: "state" },
      { head: "from step", align: "right", drop: 2 },
      { head: "slots", flexible: true, drop: 1 },
      { head: "started", drop: 3 },
      { head: "time", align: "right" },
      { head: "exit" },
      { head: "why", flexible: true },
    ],
    trial.allocations.map((a) => {
      const end = a.ended_at === null ? look.nowMs : Date.parse(a.ended_at);
      const late = a.exit_heard_at !== null && a.exit_heard_at !== a.ended_at ? " (late)" : "";
      const exit =
        a.signal !== null || a.exit_code !== null ? `${a.signal ?? a.exit_code}${late}` : null;
      return [
        a.id,
        stateCell(look.paint, a.end ?? a.state),
        a.start_step,
        a.slots.join(" ") + (a.nodes === undefined ? "" : ` on ${a.nodes.map(inert).join(" ")}`),
        moment(a.started_at),
        a.started_at === null ? null : duration((end - Date.parse(a.started_at)) / 1000),
        exit,
        a.reason,
      ];
    }),
    { width: look.width, headPaint: look.paint.dim },
  );
}

export function checkpointRows(
  items: readonly {
    trial: string;
    step: number;
    id: string;
    files: number;
    bytes: number;
    created_at: string;
    objective: number | string | null;
    pinned: boolean;
    deleted: { at: string; why: string } | null;
  }[],
  look: Look,
): string[] {
  return table(
    [
      { head: "checkpoint" },
      { head: "objective", align: "right" },
      { head: "files", align: "right", drop: 3 },
      { head: "size", align: "right", drop: 1 },
      { head: "created", drop: 2 },
      { head: "id" },
      { head: "kept", flexible: true },
    ],
    items.map((item) => [
      `${item.trial}@${item.step}`,
      measured(item.objective as number | null),
      count(item.files),
      bytes(item.bytes),
      ago(item.created_at, look.nowMs),
      shortHash(item.id),
      item.deleted !== null
        ? `deleted ${ago(item.deleted.at, look.nowMs)}: ${item.deleted.why}`
        : item.pinned
          ? "pinned"
          : null,
    ]),
    { width: look.width, headPaint: look.paint.dim },
  );
}
