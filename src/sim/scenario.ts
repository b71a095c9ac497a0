/**
 * What a seed stands for: the cluster, the work, how its programs behave, and what goes wrong.
 *
 * Parameters themselves are drawn per seed: each kind of fault is there or not, so that some runs know no
 * network trouble at all and others little else. A mix in which everything happens a little would hide
 * whatever needs one trouble often, or another one never.
 */
import { keyed, type Random } from "../base/random.ts";
import type { LeaseLimits } from "../core/lease/lease.ts";
import { DEFAULT_LEASE } from "../server/leases.ts";
import { SEARCH_SNAPSHOT_EVERY } from "../server/live-experiment.ts";
import { LOCAL_RUNNER } from "../server/world.ts";
import { drawSubmission, type Submission } from "./drawn-work.ts";
import { chance, pick } from "./draws.ts";
import { drawFaults, type Faults } from "./faults.ts";
import { drawSize, type Size } from "./sizes.ts";

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

export interface Act {
  readonly atMs: number;
  readonly verb: "activate" | "pause" | "cancel" | "kill";
  /** Which of the experiments there are then, and which of its trials; 0 … 1. */
  readonly experiment: number;
  readonly trial: number | null;
}

/** The server is started anew, by a person: in good order or not. */
export interface Restart {
  readonly atMs: number;
  readonly how: "kill" | "stop";
}

export interface Scenario {
  readonly seed: number;
  readonly size: Size;
  /** Of the first runner: as many as the widest trial may want. */
  readonly slots: number;
  readonly runners: readonly { readonly id: string; readonly slots: number }[];
  readonly lease: LeaseLimits;
  readonly submissions: readonly Submission[];
  readonly acts: readonly Act[];
  /** Some of them when all else is well again. */
  readonly restarts: readonly Restart[];
  /** A search is saved after so many events. */
  readonly searchSnapshotEvery: number;
  readonly faults: Faults;
  /** When they stop. */
  readonly healAtMs: number;
  /** Whether people let their work come to its own end when all is well. */
  readonly seesItThrough: boolean;
  /** Mean length of a step of training. */
  readonly stepMs: number;
  /** Steps between two checkpoints that are not asked for; 0 = none. */
  readonly checkpointEverySteps: number;
  /** How strange programs are, 0 … 1, and in which ways. */
  readonly strangeness: number;
  readonly strange: readonly Behaviour[];
}

/** Of runs without a budget that time and work use up: who has set one wants to see it reached. */
const SEES_IT_THROUGH = 0.25;

/** @param size for those who compare sizes */
export function drawScenario(seed: number, size = drawSize(keyed(seed, "size"))): Scenario {
  const random = keyed(seed, "scenario");
  const slots = 1 + random.below(size.slots);
  const healAtMs = Math.round(
    size.pace * (4_000 + random.below(chance(random, 0.1) ? 40_000 : 10_000)),
  );
  const drawn = 1 + random.below(random.below(size.experiments) + 1);
  const experiments = size.isFull ? size.experiments : drawn;
  const submissions = Array.from({ length: experiments }, (_, index) =>
    drawSubmission(keyed(seed, "submission", index), index, { slots, untilMs: healAtMs / 2, size }),
  );
  const busy = chance(random, 0.3) ? size.acts * 3 : size.acts;
  const acts = Array.from({ length: chance(random, 0.6) ? random.below(busy) : 0 }, () =>
    drawAct(random, healAtMs),
  );
  const strange = BEHAVIOURS.slice(1).filter(() => chance(random, 0.4));
  return {
    ...{ seed, size, slots },
    ...drawRunners(keyed(seed, "runners"), slots, size),
    submissions,
    acts: acts.sort((a, b) => a.atMs - b.atMs),
    restarts: drawRestarts(keyed(seed, "restarts"), healAtMs),
    searchSnapshotEvery: drawSnapshots(keyed(seed, "snapshots")),
    faults: drawFaults(random, keyed(seed, "more faults"), size),
    healAtMs,
    seesItThrough:
      submissions.some(({ config: { budget } }) => budget !== null && budget.trials == null) ||
      chance(keyed(seed, "patience"), SEES_IT_THROUGH),
    stepMs: 50 + random.below(400),
    checkpointEverySteps: random.below(4),
    strangeness: chance(random, 0.3) ? 0 : random.unit() * 0.7,
    strange,
  };
}

/**
 * Leases are short where they are to run out. The others are as much longer than the troubles as in earnest, and not the minute
 * itself, which at the end would be waited for with nothing going on.
 */
function drawRunners(
  random: Random,
  slots: number,
  size: Size,
): Pick<Scenario, "runners" | "lease"> {
  const drawn = chance(random, 0.5) ? 1 + random.below(size.runners - 1) : 0;
  const more = size.isFull ? size.runners - 1 : drawn;
  const others = Array.from({ length: more }, (_, i) => ({
    id: "bc"[i] ?? `n${i}`,
    slots: 1 + random.below(4),
  }));
  const silentMs = 2_100 + random.below(1_500);
  const leaseMs = silentMs + random.below(1_500);
  const short = { silentMs, leaseMs, lostMs: leaseMs + random.below(2_000) };
  return {
    runners: [{ id: LOCAL_RUNNER, slots }, ...others],
    lease: chance(random, 0.6) ? short : longLease(size.pace),
  };
}

function longLease(pace: number): LeaseLimits {
  const { silentMs, leaseMs, lostMs } = DEFAULT_LEASE;
  const scaled = (ms: number): number => Math.round(ms * pace);
  return { silentMs: scaled(silentMs), leaseMs: scaled(leaseMs), lostMs: scaled(lostMs) };
}

/** Whoever starts a server anew wants nothing but to find everything as it was. */
function drawRestarts(random: Random, healAtMs: number): Restart[] {
  const count = chance(random, 0.35) ? 1 + random.below(3) : 0;
  return Array.from({ length: count }, () => ({
    atMs: 500 + random.below(2 * healAtMs),
    how: chance(random, 0.5) ? "kill" : "stop",
  }));
}

/** In earnest so rarely that seconds would not see it. */
const drawSnapshots = (random: Random): number =>
  chance(random, 0.3) ? SEARCH_SNAPSHOT_EVERY : 1 + random.below(12);

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

/** How a trial's program behaves, and at which step it begins to; those that crash do so while they train or while they save. */
export function behaviourOf(
  scenario: Scenario,
  trial: string,
): {
  readonly behaviour: Behaviour;
  readonly step: number;
  readonly code: number;
  readonly inSave: boolean;
} {
  const random = keyed(scenario.seed, "behaviour", trial);
  const strange = chance(random, scenario.strangeness) ? pick(random, scenario.strange) : undefined;
  return {
    behaviour: strange ?? "normal",
    step: 1 + random.below(4),
    code: 1 + random.below(255),
    inSave: chance(keyed(scenario.seed, "crash in save", trial), 0.5),
  };
}
