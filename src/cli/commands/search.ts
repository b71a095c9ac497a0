/**
 * `contrail search preview|simulate`: a search on paper. The configuration is read as the server reads it,
 * so what is shown here is what would happen there; no server is needed and nothing is trained.
 */
import { readFileSync } from "node:fs";
import { toWire } from "../../base/json.ts";
import type { LearningCurve } from "../../core/search/curves.ts";
import type { SearchSpec } from "../../core/search/search.ts";
import type { Simulation, SimulationProgress } from "../../core/search/simulate.ts";
import type { Plan, Rung } from "../../protocol/api.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import type { Issue } from "../../protocol/config/issue.ts";
import type { Cli } from "../cli.ts";
import { createCommand, shellWord } from "../cli.ts";
import { CliError, EXIT, type FileError, inFile, usageError } from "../exit-code.ts";
import { count, duration, hyperparametersLine, measured, plural, steps } from "../figures.ts";
import { inert } from "../inert.ts";
import { planLines } from "../plan-view.ts";
import { interrupted } from "../server-process.ts";
import { requireFile } from "../user-file.ts";
import { wholeOf } from "../values.ts";
import { type Measure, rungTable } from "../watch-view.ts";
import { CURVE_SHAPE, type CurveFunction, curveOfFile } from "./curve-file.ts";

interface Read {
  readonly search: SearchSpec;
  readonly reason: string;
  readonly plan: Plan;
  readonly measure: Measure;
}

async function read(
  cli: Cli,
  file: string,
  options: { slots: number; seed?: number | undefined; played: boolean },
): Promise<Read> {
  const [{ openConfig, readOpen, writtenIn }, { toPlan, toSearch, toSettings, UNBOUNDED_STEPS }] =
    await Promise.all([
      import("../../protocol/config/config.ts"),
      import("../../server/translate.ts"),
    ]);
  const open = openConfig(readFileSync(requireFile(cli.host.cwd, file), "utf8"));
  const reading = readOpen(open, { requireComplete: false });
  const { template } = writtenIn(open);
  const hint =
    typeof template === "string"
      ? `Its template ${inert(template)} is on a server, which reads it over that: contrail ${createCommand(file)} --dry-run`
      : undefined;
  if (!reading.ok) throw invalidConfig(file, reading.issues, hint);
  if (typeof template === "string")
    cli.note(
      `${file} was read without its template ${inert(template)}; over it: ${cli.self} ${createCommand(file)} --dry-run`,
    );
  const { config } = reading;
  // What trains plays no part on paper. No seed named: 0, so that it can be repeated.
  const whole: ExperimentConfig = { ...config, entrypoint: config.entrypoint ?? "" };
  const seed = options.seed ?? config.reproducibility.experiment_seed ?? 0;
  const from = config.searcher.source_checkpoint_uuid;
  if (from !== null && !cli.json)
    cli.err(
      `note: counted from step 0: the step of checkpoint ${inert(from)}, from which its trials go on, is known to the server; what is left to train: ${cli.self} ${createCommand(file)} --dry-run`,
    );
  const { search, reason } = toSearch(whole, seed);
  if (search.method.stepsMax >= UNBOUNDED_STEPS && options.played)
    throw new CliError("no_length", `The search of ${file} has no length: nothing can be played.`, {
      hint: hint ?? "Set searcher.max_length, such as max_length: {epochs: 9}.",
    });
  return {
    search,
    reason,
    plan: toPlan(search, config.resources.slots_per_trial, options.slots),
    measure: {
      metric: config.searcher.metric ?? "objective",
      smallerIsBetter: config.searcher.smaller_is_better,
      unit: toSettings(whole, search).unit,
    },
  };
}

export function invalidConfig(
  file: string,
  issues: readonly Issue[],
  hint = "Correct each line.",
): FileError {
  const error = new CliError("invalid_config", `${file} has ${plural(issues.length, "fault")}.`, {
    hint,
    issues: issues.map(({ code, path, message, line, column }) => ({
      code,
      path,
      message,
      ...(line === null ? {} : { line }),
      ...(column === null ? {} : { column }),
    })),
  });
  return inFile(error, file);
}

export async function preview(cli: Cli, file: string, options: { slots: string }): Promise<number> {
  const slots = wholeOf("--slots", options.slots, 1, 100_000);
  const { plan, reason, measure } = await read(cli, file, { slots, played: false });
  cli.show({ plan, searcher_reason: reason, unit: measure.unit }, () =>
    planLines(plan, reason, measure.unit, lookOf(cli)),
  );
  cli.next(`search simulate ${shellWord(file)}`, createCommand(file));
  return EXIT.ok;
}

/** A machine is neither asked nor looked at: its slots are what was said, or left out. */
const lookOf = ({ paint, width }: Cli) => ({ paint, width, slots: "(--slots)" }) as const;

export interface SimulateOptions {
  readonly slots: string;
  readonly curve?: string;
  readonly seed?: string;
}

export async function simulate(cli: Cli, file: string, options: SimulateOptions): Promise<number> {
  const slots = wholeOf("--slots", options.slots, 1, 100_000);
  const seed =
    options.seed === undefined ? undefined : wholeOf("--seed", options.seed, 0, 4_294_967_295);
  const found = await read(cli, file, { slots, seed, played: true });
  const { search, plan, reason } = found;
  const atOnce = Math.floor(slots / plan.slots_per_trial);
  if (atOnce < 1)
    throw new CliError(
      "slots_unavailable",
      `Each trial needs ${plural(plan.slots_per_trial, "slot")}; the virtual cluster has ${slots}.`,
      { hint: `Give it more: --slots ${plan.slots_per_trial}` },
    );
  const { curve, measure } = await curveOf(cli, options.curve ?? "power", found);
  const { simulateByPieces } = await import("../../core/search/simulate.ts");
  const playing = simulateByPieces(search, curve, { slots: atOnce, seed: search.seed });
  const result = await cli.during("playing the search", (progress) =>
    played(cli, playing, (at) =>
      progress.detail(
        `${count(at.trials)} of ${plural(plan.trials_max, "trial")}, ${count(at.stepsTrained)} ${measure.unit} trained`,
      ),
    ),
  );
  const rungs = rungsOf(result);
  const report = reportOf(result, measure);
  cli.show(
    { plan, searcher_reason: reason, curve: options.curve ?? "power", ...report, rungs },
    () => [
      ...planLines(plan, reason, measure.unit, lookOf(cli)),
      "",
      cli.paint.bold("rungs"),
      ...rungTable(rungs, measure, { paint: cli.paint, width: cli.width }),
      "",
      ...outcomeLines(cli, result, report, measure),
    ],
  );
  cli.next(createCommand(file));
  return result.outcome === "completed" ? EXIT.ok : EXIT.failed;
}

/** Who works on and on hears neither clock nor Ctrl-C: between two stretches both have their turn. */
const STRETCH_MS = 50;

async function played(
  cli: Cli,
  playing: Generator<SimulationProgress, Simulation, void>,
  heard: (at: SimulationProgress) => void,
): Promise<Simulation> {
  const { clock } = cli.host;
  const interrupt = cli.host.catchInterrupt();
  for (let beganMs = clock.monotonicMs(); ; ) {
    const next = playing.next();
    if (next.done === true) return next.value;
    if (clock.monotonicMs() - beganMs < STRETCH_MS) continue;
    heard(next.value);
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (interrupt.aborted) throw interrupted();
    beganMs = clock.monotonicMs();
  }
}

/** A built-in family of curves, or the default export of a file: (hyperparameters, step) → the metric. */
async function curveOf(
  cli: Cli,
  name: string,
  { search, measure }: Read,
): Promise<{ curve: LearningCurve; measure: Measure }> {
  const { curveFor, curveNames } = await import("../../core/search/curves.ts");
  const builtIn = curveNames.find((known) => known === name);
  if (builtIn !== undefined) {
    const { space, seed, method } = search;
    return {
      curve: curveFor(builtIn, { space, seed, stepsMax: method.stepsMax }),
      // Made-up losses must not be taken for the metric.
      measure: { ...measure, metric: measure.smallerIsBetter ? "made-up loss" : "made-up score" },
    };
  }
  if (!/\.[cm]?[jt]s$/.test(name))
    throw usageError(
      `--curve is "${name}".`,
      `Use one of ${curveNames.join(", ")}, or a file such as curve.ts whose default export is ${CURVE_SHAPE}.`,
    );
  const metric = curveOfFile(name, cli.host.cwd);
  // The simulator plays with losses and turns them for searches that want more.
  const loss: CurveFunction = measure.smallerIsBetter ? metric : (h, step) => -metric(h, step);
  return { curve: { measured: loss, truth: loss }, measure };
}

/** The wire's form, so that the table of a real search shows it. Trials have no experiment here. */
const rungsOf = (result: Simulation): Rung[] =>
  result.rungs.map((rung) => ({
    ...rung,
    expected: rung.expected ?? null,
    entries: rung.entries.map((entry) => ({
      trial: `#${entry.trial}`,
      outcome: entry.outcome,
      objective: entry.objective === null ? null : toWire(entry.objective),
    })),
  }));

function reportOf(result: Simulation, measure: Measure) {
  const sign = measure.smallerIsBetter ? 1 : -1;
  const { best, bestInFull } = result;
  return {
    outcome: result.outcome ?? null,
    virtual_seconds: result.timeMs / 1000,
    trials: result.trials.length,
    steps_trained: result.stepsTrained,
    steps_without_early_stopping: result.stepsWithoutEarlyStopping,
    best:
      best === undefined
        ? null
        : {
            trial: best.trial,
            step: best.steps,
            objective: sign * best.objective,
            hyperparameters: best.hyperparameters,
          },
    /** Which trial full training of all would have found. */
    best_in_full:
      bestInFull === undefined
        ? null
        : { trial: bestInFull.trial, objective: sign * bestInFull.objective },
    regret: Number.isFinite(result.regret) ? result.regret : null,
  };
}

function outcomeLines(
  cli: Cli,
  result: Simulation,
  report: ReturnType<typeof reportOf>,
  { unit }: Measure,
): string[] {
  const { steps_trained: trained, steps_without_early_stopping: full } = report;
  const saved = full > trained ? `, ${Math.round((1 - trained / full) * 100)} % less` : "";
  const lines = [
    `${cli.paint.bold("spent")}  ${count(trained)} ${unit} on ${plural(report.trials, "trial")}; without early stopping ${count(full)}${saved}`,
    `       ${duration(report.virtual_seconds)} of virtual time, at one second a step`,
  ];
  if (report.best === null) return [...lines, "nothing was measured"];
  const { trial, step, objective, hyperparameters } = report.best;
  lines.push(
    `${cli.paint.bold("best")}   #${trial}: ${measured(objective)} after ${steps(step, unit)}`,
    `       ${inert(hyperparametersLine(hyperparameters))}`,
  );
  if (report.best_in_full !== null && result.regret >= 0)
    lines.push(
      report.best_in_full.trial === trial
        ? "       training all of them to the end would have found the same one"
        : `       training all of them to the end would have found #${report.best_in_full.trial}, better by ${measured(result.regret)}`,
    );
  return lines;
}
