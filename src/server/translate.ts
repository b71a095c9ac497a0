/**
 * From the configuration as people write it to what core decides by. The wire and the core do not know
 * each other; this is the one place that knows both.
 */
import type { JsonObject } from "../base/json.ts";
import { type Budget, trialsAllowed } from "../core/budget.ts";
import type { ExperimentSpec } from "../core/lifecycle/experiment.ts";
import { asManyRungsAsFit, chooseMethod } from "../core/search/default-method.ts";
import { preview } from "../core/search/preview.ts";
import { type MethodSpec, type SearchSpec, UNBOUNDED_STEPS } from "../core/search/search.ts";
import { gridOf } from "../core/space/grid.ts";
import type { Space } from "../core/space/space.ts";
import type { Plan } from "../protocol/api.ts";
import { type ExperimentConfig, toSpace } from "../protocol/config/config.ts";
import { ContrailError } from "../protocol/errors.ts";
import type { ContainerLaunch } from "../protocol/runner-wire.ts";
import type { ShellSettings } from "./live-experiment.ts";
import type { LaunchSettings } from "./orders.ts";
import { unitOf } from "./views.ts";

export { UNBOUNDED_STEPS };

/** Of a configuration that asks for one run and has nothing to compare. */
const PLAIN_RUN_REASON =
  "the configuration asks for one run as it is, with no metric to compare and no length";

type Searcher = ExperimentConfig["searcher"];

/**
 * @param seed resolved experiment seed
 * @param space of its hyperparameters, where it has been read already
 * @throws ContrailError when budget and search contradict each other
 */
export function toSearch(
  config: ExperimentConfig,
  seed: number,
  space: Space = toSpace(config.hyperparameters),
): { search: SearchSpec; reason: string } {
  const { method, reason } = toMethod(config, space);
  const search = { space, seed, smallerIsBetter: config.searcher.smaller_is_better, method };
  // Absent in configurations that were stored before the field was there.
  const deterministic = config.reproducibility.deterministic_search === true;
  return { search: deterministic ? { ...search, deterministic } : search, reason };
}

function toMethod(config: ExperimentConfig, space: Space): { method: MethodSpec; reason: string } {
  const { searcher } = config;
  const budget = toBudget(config);
  const stepsMax = lengthOf(searcher);
  if (searcher.name === null) {
    const trialsMax = searcher.max_trials ?? budget.trials;
    return chooseMethod({
      space,
      stepsMax,
      concurrentMax: searcher.max_concurrent_trials,
      ...(trialsMax === undefined ? {} : { trialsMax: trialsAllowed(budget, trialsMax) }),
      ...(searcher.max_trials == null && trialsMax !== undefined
        ? { trialsFrom: "by budget.trials" }
        : {}),
    });
  }
  const reason = `named in the configuration: ${searcher.name}`;
  if (searcher.name === "single") {
    const { trial_seed: trialSeed } = config.reproducibility;
    const method = {
      ...({ name: "single", stepsMax, concurrentMax: 1 } as const),
      // Absent in configurations that were stored before the field was there.
      ...(trialSeed == null ? {} : { trialSeed }),
    };
    // A file without a searcher reads like this, too, so nothing is said of a name.
    const plain = searcher.metric === null && stepsMax === UNBOUNDED_STEPS;
    return { method, reason: plain ? PLAIN_RUN_REASON : reason };
  }
  if (searcher.name === "grid") {
    const points = gridOf(space).size;
    if (budget.trials !== undefined && budget.trials < points)
      throw new ContrailError(
        "invalid_config",
        `budget.trials is ${budget.trials}, but the grid has ${points} points and visits each of them`,
        { hint: `Raise budget.trials to ${points}, lower a count, or use the searcher random.` },
      );
    return {
      method: { name: "grid", stepsMax, concurrentMax: searcher.max_concurrent_trials },
      reason,
    };
  }
  return {
    method: halvingOrRandom(searcher, stepsMax, trialsAllowed(budget, searcher.max_trials)),
    reason,
  };
}

function halvingOrRandom(
  searcher: Exclude<Searcher, { name: null | "single" | "grid" }>,
  stepsMax: number,
  trialsMax: number,
): MethodSpec {
  const common = { stepsMax, concurrentMax: searcher.max_concurrent_trials, trialsMax };
  switch (searcher.name) {
    case "random":
      return { name: "random", ...common };
    case "asha":
      return {
        name: "asha",
        form: searcher.stop_once ? "stopping" : "promoting",
        divisor: searcher.divisor,
        rungs:
          searcher.num_rungs ??
          asManyRungsAsFit({ stepsMax, trialsMax, divisor: searcher.divisor }),
        ...common,
      };
    case "hyperband":
      return {
        name: "hyperband",
        divisor: searcher.divisor,
        stragglerFactor: searcher.straggler_factor,
        ...common,
      };
    case "adaptive_asha":
      return {
        name: "adaptive_asha",
        form: searcher.stop_once ? "stopping" : "promoting",
        mode: searcher.mode,
        divisor: searcher.divisor,
        rungsMax: searcher.max_rungs,
        bracketRungs: searcher.bracket_rungs,
        ...common,
      };
  }
}

function lengthOf(searcher: Searcher): number {
  if (searcher.max_time !== null) return searcher.max_time;
  const length = Object.values(searcher.max_length ?? {})[0];
  return typeof length === "number" ? length : UNBOUNDED_STEPS;
}

function toBudget(config: ExperimentConfig): Budget {
  const { budget } = config;
  if (budget === null) return {};
  return {
    ...(budget.trials === null ? {} : { trials: budget.trials }),
    ...(budget.steps === null ? {} : { steps: budget.steps }),
    ...(budget.time === null ? {} : { timeMs: budget.time * 1000 }),
    ...(budget.slot_hours === null ? {} : { slotHours: budget.slot_hours }),
    ...(budget.money === null
      ? {}
      : {
          money: {
            max: budget.money.max,
            perSlotHour: budget.money.per_slot_hour,
            currency: budget.money.currency,
          },
        }),
    ...(budget.energy === null
      ? {}
      : { energy: { maxKwh: budget.energy.max_kwh, wattsPerSlot: budget.energy.watts_per_slot } }),
  };
}

/** What core and shell go by, from what is stored with the experiment. */
export function toSettings(config: ExperimentConfig, search: SearchSpec): ShellSettings {
  const spec: ExperimentSpec = {
    search,
    objective: config.searcher.metric,
    timeMetric: config.searcher.time_metric,
    maxRestarts: config.max_restarts,
    slotsPerTrial: config.resources.slots_per_trial,
    budget: toBudget(config),
  };
  return {
    spec,
    priority: config.resources.priority,
    slotsMax: config.resources.max_slots ?? undefined,
    pool: config.resources.resource_pool,
    unit: unitOf(config),
  };
}

/** @param login what stands behind a sealed login */
export function toLaunchSettings(
  stored: JsonObject,
  login: (sealed: string) => Readonly<Record<string, string>> | undefined = () => undefined,
): LaunchSettings {
  const config = stored as unknown as ExperimentConfig;
  return {
    entrypoint:
      typeof config.entrypoint === "string"
        ? ["/bin/sh", "-c", config.entrypoint]
        : config.entrypoint,
    environment: config.environment.environment_variables,
    container: (kind) => toContainer(config, kind, login),
    // Absent in configurations that were stored before the field was there.
    rebuild: config.environment.rebuild ?? null,
    require: config.environment.require ?? null,
    yieldGraceMs: config.preemption_timeout * 1000,
    // Absent in configurations that were stored before the field was there.
    progressDeadlineMs:
      config.progress_deadline == null ? undefined : config.progress_deadline * 1000,
    checkpointSteps: config.reproducibility.checkpoint_steps ?? [],
    task: toTask(config),
  };
}

function toTask({ task }: ExperimentConfig): LaunchSettings["task"] {
  // Absent in configurations that were stored before the field was there.
  if (task == null) return null;
  const { kind, idle_timeout: seconds } = task;
  return { kind, idleTimeoutMs: seconds === null || seconds === 0 ? null : seconds * 1000 };
}

/** null where no image is asked for. */
function toContainer(
  { environment, resources, bind_mounts }: ExperimentConfig,
  kind: "cpu" | "cuda",
  login: (sealed: string) => Readonly<Record<string, string>> | undefined,
): ContainerLaunch | null {
  // Absent in configurations that were stored before the field was there.
  const asked = environment.image ?? null;
  const image = asked === null || typeof asked === "string" ? asked : (asked[kind] ?? null);
  if (image === null) return null;
  const sealed = environment.registry_auth?.sealed;
  const auth = sealed === undefined ? undefined : login(sealed);
  return {
    image,
    force_pull: environment.force_pull_image,
    ...(auth === undefined ? {} : { registry_auth: { ...auth } }),
    add_capabilities: environment.add_capabilities,
    drop_capabilities: environment.drop_capabilities,
    bind_mounts,
    ...(resources.shm_size === null ? {} : { shm_bytes: resources.shm_size }),
    devices: resources.devices.map(({ host_path, container_path, mode }) => ({
      ...{ host: host_path, inside: container_path, mode },
    })),
  };
}

/** What is expected before anything starts. @param slots how many there are */
export function toPlan(search: SearchSpec, slotsPerTrial: number, slots: number): Plan {
  const expected = preview(search);
  const bounded = search.method.stepsMax < UNBOUNDED_STEPS;
  const steps = (count: number): number | null => (bounded ? count : null);
  return {
    searcher: expected.method,
    trials_max: expected.trialsMax,
    rungs: expected.brackets.flatMap(({ bracket, rungs }) =>
      rungs.map(({ rung, step, trials }) => ({ bracket, rung, step: steps(step), trials })),
    ),
    steps_min: steps(expected.stepsMin),
    steps_max: steps(expected.stepsMax),
    steps_without_early_stopping: steps(expected.stepsWithoutEarlyStopping),
    slots_per_trial: slotsPerTrial,
    slots,
    concurrent_max: expected.concurrentMax,
  };
}
