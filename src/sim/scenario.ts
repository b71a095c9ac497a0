/**
 * What a seed stands for: the cluster, the work, how its programs behave, and what goes wrong.
 *
 * Parameters themselves are drawn per seed: each kind of fault is there or not, so that some runs know no
 * network trouble at all and others little else. A mix in which everything happens a little would hide
 * whatever needs one trouble often, or another one never.
 */
import { keyed, type Random } from "../base/random.ts";
import type { LeaseLimits } from "../core/lease/lease.ts";
import { checkConfigValue, type ExperimentConfig } from "../protocol/config/config.ts";
import { DEFAULT_LEASE } from "../server/leases.ts";
import { LOCAL_RUNNER } from "../server/world.ts";

export interface Faults {
  /** Of a request, on its way there or its answer on the way back; chances. */
  readonly requestLost: number;
  readonly replyLost: number;
  readonly doubled: number;
  readonly late: number;
  /** Mean time between two of these; 0 = never. Milliseconds. */
  readonly serverCrashEveryMs: number;
  readonly runnerCrashEveryMs: number;
  readonly processDeathEveryMs: number;
  readonly nodeLossEveryMs: number;
  readonly partitionEveryMs: number;
  readonly clockEveryMs: number;
  readonly diskFullEveryMs: number;
  /** In good order: told to, and given its time. */
  readonly runnerStopEveryMs: number;
  readonly serverStopEveryMs: number;
  /** Of asking the engine about a runner: that it cannot tell; chance. */
  readonly engineUnknown: number;
  /** Of a commit; chances. */
  readonly commitFails: number;
  readonly commitUnknown: number;
  readonly commitRefused: number;
  readonly commitSlow: number;
  /** Most that any commit takes beyond what it must. */
  readonly commitMsMax: number;
  readonly readFails: number;
  /** Of starting a rank; chance. */
  readonly spawnFails: number;
}

export const PEACE: Faults = {
  requestLost: 0,
  replyLost: 0,
  doubled: 0,
  late: 0,
  serverCrashEveryMs: 0,
  runnerCrashEveryMs: 0,
  processDeathEveryMs: 0,
  nodeLossEveryMs: 0,
  partitionEveryMs: 0,
  clockEveryMs: 0,
  diskFullEveryMs: 0,
  runnerStopEveryMs: 0,
  serverStopEveryMs: 0,
  engineUnknown: 0,
  commitFails: 0,
  commitUnknown: 0,
  commitRefused: 0,
  commitSlow: 0,
  commitMsMax: 0,
  readFails: 0,
  spawnFails: 0,
};

export const BEHAVIOURS = [
  "normal",
  "slow",
  "crashes once",
  "crashes always",
  "killed by a signal",
  "out of memory",
  "hangs",
  "ignores SIGTERM",
  "never reports",
  "says NaN",
  "invalid hyperparameters",
  "exits early",
  "holds stdout open",
  "leaves a child",
  "deaf",
  "crashes at the start",
  "saves nothing",
] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

export interface Submission {
  readonly key: string;
  readonly atMs: number;
  readonly config: ExperimentConfig;
  readonly paused: boolean;
}

export interface Act {
  readonly atMs: number;
  readonly verb: "activate" | "pause" | "cancel" | "kill";
  /** Which of the experiments there are then, and which of its trials; 0 … 1. */
  readonly experiment: number;
  readonly trial: number | null;
}

export interface Scenario {
  readonly seed: number;
  /** Of the first runner: as many as the widest trial may want. */
  readonly slots: number;
  readonly runners: readonly { readonly id: string; readonly slots: number }[];
  readonly lease: LeaseLimits;
  readonly submissions: readonly Submission[];
  readonly acts: readonly Act[];
  readonly faults: Faults;
  /** When they stop. */
  readonly healAtMs: number;
  /** Mean length of a step of training. */
  readonly stepMs: number;
  /** Steps between two checkpoints that are not asked for; 0 = none. */
  readonly checkpointEverySteps: number;
  /** How strange programs are, 0 … 1, and in which ways. */
  readonly strangeness: number;
  readonly strange: readonly Behaviour[];
}

export function drawScenario(seed: number): Scenario {
  const random = keyed(seed, "scenario");
  const slots = 1 + random.below(8);
  const healAtMs = 4_000 + random.below(chance(random, 0.1) ? 40_000 : 10_000);
  const experiments = 1 + random.below(random.below(4) + 1);
  const submissions = Array.from({ length: experiments }, (_, index) =>
    drawSubmission(keyed(seed, "submission", index), index, { slots, untilMs: healAtMs / 2 }),
  );
  const acts = Array.from(
    { length: chance(random, 0.6) ? random.below(chance(random, 0.3) ? 30 : 10) : 0 },
    () => drawAct(random, healAtMs),
  );
  const strange = BEHAVIOURS.slice(1).filter(() => chance(random, 0.4));
  return {
    seed,
    slots,
    ...drawRunners(keyed(seed, "runners"), slots),
    submissions,
    acts: acts.sort((a, b) => a.atMs - b.atMs),
    faults: drawFaults(random, keyed(seed, "more faults")),
    healAtMs,
    stepMs: 50 + random.below(400),
    checkpointEverySteps: random.below(4),
    strangeness: chance(random, 0.3) ? 0 : random.unit() * 0.7,
    strange,
  };
}

/** Leases are short where they are to run out: a minute is longer than most runs. */
function drawRunners(random: Random, slots: number): Pick<Scenario, "runners" | "lease"> {
  const more = chance(random, 0.5) ? 1 + random.below(2) : 0;
  const others = Array.from({ length: more }, (_, i) => ({
    id: "bc"[i] ?? "",
    slots: 1 + random.below(4),
  }));
  const silentMs = 2_100 + random.below(1_500);
  const leaseMs = silentMs + random.below(1_500);
  const short = { silentMs, leaseMs, lostMs: leaseMs + random.below(2_000) };
  return {
    runners: [{ id: LOCAL_RUNNER, slots }, ...others],
    lease: chance(random, 0.6) ? short : DEFAULT_LEASE,
  };
}

export const chance = (random: Random, probability: number): boolean => random.unit() < probability;

export function pick<T>(random: Random, list: readonly T[]): T | undefined {
  return list[random.below(list.length)];
}

/** Swarm: a fault is in the mix or it is not. */
function drawFaults(random: Random, other: Random): Faults {
  if (chance(random, 0.05)) return PEACE;
  const share = (max: number): number => (chance(random, 0.5) ? random.unit() * max : 0);
  const every = (fromMs: number, toMs: number): number =>
    chance(random, 0.4) ? fromMs + random.below(toMs - fromMs) : 0;
  const rarely = (fromMs: number, toMs: number): number =>
    chance(other, 0.2) ? fromMs + other.below(toMs - fromMs) : 0;
  return {
    requestLost: share(0.3),
    replyLost: share(0.3),
    doubled: share(0.4),
    late: share(0.3),
    serverCrashEveryMs: every(1_000, 12_000),
    runnerCrashEveryMs: every(2_000, 16_000),
    processDeathEveryMs: every(1_000, 12_000),
    nodeLossEveryMs: chance(random, 0.4) ? every(4_000, 25_000) : 0,
    partitionEveryMs: every(2_000, 16_000),
    clockEveryMs: every(1_000, 8_000),
    diskFullEveryMs: every(2_000, 12_000),
    runnerStopEveryMs: rarely(3_000, 16_000),
    serverStopEveryMs: rarely(4_000, 20_000),
    engineUnknown: chance(other, 0.7) ? other.unit() : 0,
    commitFails: share(0.15),
    commitUnknown: share(0.15),
    commitRefused: chance(random, 0.2) ? share(0.05) : 0,
    commitSlow: share(0.2),
    commitMsMax: Math.ceil(share(600)),
    readFails: share(0.2),
    spawnFails: chance(random, 0.3) ? share(0.2) : 0,
  };
}

function drawAct(random: Random, healAtMs: number): Act {
  const mild = chance(random, 0.7);
  const verb = mild
    ? pick(random, ["pause", "activate"] as const)
    : pick(random, ["cancel", "kill"] as const);
  // Ends of whole experiments are rare, or there would be little left to see.
  const whole = mild ? chance(random, 0.4) : chance(random, 0.15);
  return {
    atMs: random.below(healAtMs),
    verb: verb ?? "pause",
    experiment: random.unit(),
    trial: whole ? null : random.unit(),
  };
}

const METHODS = [
  "single",
  "random",
  "grid",
  "asha",
  "asha",
  "hyperband",
  "adaptive_asha",
  "adaptive_asha",
  null,
] as const;

function drawSubmission(
  random: Random,
  index: number,
  cluster: { readonly slots: number; readonly untilMs: number },
): Submission {
  const { slots, untilMs } = cluster;
  const config = drawConfig(random, index, slots);
  return {
    key: `submission ${index}`,
    atMs: index === 0 ? 20 : random.below(untilMs),
    config,
    paused: chance(random, 0.1),
  };
}

function drawConfig(random: Random, index: number, slots: number): ExperimentConfig {
  const document = {
    name: `work-${index}`,
    ...{ workspace: "default", project: "default", entrypoint: "train" },
    max_restarts: random.below(4),
    // Of those who ignore it; a real one is an hour.
    preemption_timeout: 1 + random.below(10),
    reproducibility: { experiment_seed: random.uint32() },
    resources: {
      slots_per_trial: chance(random, 0.8) ? 1 : 1 + random.below(slots),
      ...(chance(random, 0.2) ? { max_slots: slots } : {}),
      priority: 1 + random.below(99),
    },
    hyperparameters: {
      rate: { type: "log", base: 10, minval: -4, maxval: -1, count: 3 },
      kind: { type: "categorical", vals: ["a", "b"] },
    },
    ...(chance(random, 0.35) ? { budget: drawBudget(random) } : {}),
    searcher: drawSearcher(random),
  };
  const reading = checkConfigValue(perhapsDeterministic(document));
  if (!reading.ok)
    throw new Error(
      `a scenario with a configuration that is refused: ${reading.issues.map((issue) => `${issue.path}: ${issue.message}`).join("; ")}`,
    );
  return reading.config;
}

/** Some are, of those that may be. No draw is spent on it, so that what a seed stands for stays what it was. */
function perhapsDeterministic<
  D extends { reproducibility: { experiment_seed: number }; budget?: object; searcher: object },
>(document: D): D {
  const { reproducibility, budget = {}, searcher } = document;
  const clocks = { ...budget, ...searcher } as Record<string, unknown>;
  const byClock = ["steps", "time", "slot_hours", "time_metric"].some((name) => name in clocks);
  if (reproducibility.experiment_seed % 3 !== 0 || byClock || clocks.straggler_factor)
    return document;
  return { ...document, reproducibility: { ...reproducibility, deterministic_search: true } };
}

function drawBudget(random: Random): Record<string, unknown> {
  switch (random.below(4)) {
    case 0:
      return { steps: 1 + random.below(30) };
    case 1:
      return { time: 1 + random.below(15) };
    case 2:
      return { slot_hours: (1 + random.below(60)) / 3600 };
    default:
      return { trials: 6 + random.below(6) };
  }
}

function drawSearcher(random: Random): Record<string, unknown> {
  const name = pick(random, METHODS) ?? null;
  const byTime = chance(random, 0.15) && name !== "single";
  const length = 1 + random.below(chance(random, 0.1) ? 12 : 4);
  const common = {
    ...(name === null ? {} : { name }),
    metric: "loss",
    smaller_is_better: chance(random, 0.8),
    ...(byTime ? { max_time: length, time_metric: "time" } : { max_length: { epochs: length } }),
  };
  const many = { max_trials: 1 + random.below(chance(random, 0.15) ? 12 : 5) };
  const concurrent = { max_concurrent_trials: random.below(5) };
  switch (name) {
    case "single":
      return chance(random, 0.3) ? { ...common, metric: null } : common;
    case "grid":
      return { ...common, ...concurrent };
    case "random":
      return { ...common, ...many, ...concurrent };
    case "hyperband":
      return {
        ...common,
        ...many,
        divisor: 2 + random.below(2),
        straggler_factor: random.below(3),
      };
    case "asha":
    case "adaptive_asha":
      return {
        ...common,
        ...many,
        ...concurrent,
        divisor: 2 + random.below(3),
        stop_once: chance(random, 0.4),
        ...(name === "asha" && chance(random, 0.5) ? { num_rungs: 1 + random.below(3) } : {}),
      };
    default:
      return { ...common, ...many, ...concurrent };
  }
}

/** How a trial's program behaves, and at which step it begins to. */
export function behaviourOf(
  scenario: Scenario,
  trial: string,
): { readonly behaviour: Behaviour; readonly step: number; readonly code: number } {
  const random = keyed(scenario.seed, "behaviour", trial);
  const strange = chance(random, scenario.strangeness) ? pick(random, scenario.strange) : undefined;
  return {
    behaviour: strange ?? "normal",
    step: 1 + random.below(4),
    code: 1 + random.below(100),
  };
}
