/**
 * Plays a whole search on a virtual cluster against a learning curve: the plan made flesh, before
 * anybody spends a GPU hour on it, and the bench that search quality is measured on.
 *
 * Time is virtual, slots have speeds, trials may fail; all of it drawn by key from one seed. A trial
 * that is paused goes on from the step it was at; one that is told to go on keeps its slot; whoever
 * wants a slot waits in order of asking. Nothing real is involved, so a search of a thousand trials
 * takes a fraction of a second.
 */
import { assert } from "../../base/assert.ts";
import { keyed } from "../../base/random.ts";
import type { Hyperparameters } from "../space/space.ts";
import { gaussian, type LearningCurve } from "./curves.ts";
import { searchRungs, searchWantsTicks, startSearch, stepSearch } from "./methods.ts";
import type { ExitReason, RungView, SearchAction, SearchEvent, SearchSpec } from "./search.ts";
import type { Plan } from "./state.ts";

export interface ClusterOptions {
  readonly slots: number;
  readonly seed: number;
  /** One step on a slot of plain speed. Default 1000. */
  readonly stepMs?: number;
  /** Slot i takes slowdown[i] times as long; 1 where the list ends. */
  readonly slowdown?: readonly number[];
  /**
   * Each stretch from target to target takes (1 + |z|) times as long, z normal with this standard
   * deviation: the model of stragglers in Li et al. 2020, appendix A.1. Default 0.
   */
  readonly jitter?: number;
  /** Chance that a stretch ends in an error somewhere on the way. Default 0. */
  readonly failureProbability?: number;
  /** Also report every so many steps; 0 = only at targets. Default 0. */
  readonly reportEverySteps?: number;
  /** Stop looking at this time, whatever is still running. Default never. */
  readonly endMs?: number;
  /** Another layout than the method's own, to compare what no method offers. */
  readonly plan?: Plan;
}

export interface SimulatedTrial {
  readonly trial: number;
  readonly bracket: number;
  readonly hyperparameters: Hyperparameters;
  /** Steps it trained. */
  readonly steps: number;
  /** Its last measurement; NaN where it has none. */
  readonly objective: number;
  readonly exit: ExitReason | "running" | "paused";
}

export interface Simulation {
  readonly timeMs: number;
  /** undefined when `endMs` came first. */
  readonly outcome: "completed" | "errored" | "canceled" | undefined;
  readonly rungs: readonly RungView[];
  readonly trials: readonly SimulatedTrial[];
  readonly stepsTrained: number;
  /** What the same trials cost when each is trained to the end. */
  readonly stepsWithoutEarlyStopping: number;
  /** Whose last measurement is best; undefined while there is none. */
  readonly best: SimulatedTrial | undefined;
  /** The trial that would be best if every one were trained to the end, and its loss there. */
  readonly bestInFull: { readonly trial: number; readonly objective: number } | undefined;
  /** Loss without noise of `best` as trained, minus that of `bestInFull`: the price of stopping early. */
  readonly regret: number;
  /** Trials that reached the end of training, in order of time. */
  readonly fullLength: readonly { readonly trial: number; readonly timeMs: number }[];
  /** Each time the best measurement so far improved. */
  readonly incumbents: readonly {
    readonly timeMs: number;
    readonly stepsTrained: number;
    readonly trial: number;
    readonly step: number;
    readonly objective: number;
  }[];
  readonly decisions: readonly { readonly timeMs: number; readonly action: SearchAction }[];
}

/**
 * @param curve losses; with `smallerIsBetter` false the search is shown their negatives
 * @throws AssertionFailed when the search stops moving before its end (a bug in a method)
 */
export function simulate(
  spec: SearchSpec,
  curve: LearningCurve,
  options: ClusterOptions,
): Simulation {
  const cluster = new Cluster(spec, curve, options);
  for (const _ of cluster.run());
  return cluster.result();
}

/** How far a search has come that is being played. */
export interface SimulationProgress {
  readonly trials: number;
  readonly stepsTrained: number;
}

/** Far below a tenth of a second of work, far above what it costs to stop in between. */
const HAPPENINGS_AT_ONCE = 100;

/** The same in small pieces, for who shows how far it is or wants to end it before. */
export function* simulateByPieces(
  spec: SearchSpec,
  curve: LearningCurve,
  options: ClusterOptions,
): Generator<SimulationProgress, Simulation, void> {
  const cluster = new Cluster(spec, curve, options);
  yield* cluster.run();
  return cluster.result();
}

interface Running {
  readonly number: number;
  readonly bracket: number;
  readonly hyperparameters: Hyperparameters;
  target: number;
  step: number;
  objective: number;
  slot: number | undefined;
  stretches: number;
  state: "queued" | "running" | "held" | "paused" | ExitReason;
}

interface Happening {
  readonly atMs: number;
  /** Ties happen in the order in which they were planned. */
  readonly order: number;
  readonly run: () => void;
}

class Cluster {
  readonly #spec: SearchSpec;
  readonly #curve: LearningCurve;
  readonly #options: ClusterOptions;
  readonly #trials: Running[] = [];
  readonly #queue: Running[] = [];
  readonly #free: number[];
  readonly #agenda: Happening[] = [];
  readonly #decisions: { timeMs: number; action: SearchAction }[] = [];
  readonly #fullLength: { trial: number; timeMs: number }[] = [];
  readonly #incumbents: Simulation["incumbents"][number][] = [];
  #state;
  #outcome: Simulation["outcome"];
  #nowMs = 0;
  #planned = 0;
  #stepsTrained = 0;

  constructor(spec: SearchSpec, curve: LearningCurve, options: ClusterOptions) {
    assert(options.slots >= 1, `simulate: ${options.slots} slots`);
    this.#spec = spec;
    this.#curve = curve;
    this.#options = options;
    this.#free = Array.from({ length: options.slots }, (_, i) => i);
    this.#state = startSearch(spec, options.plan);
  }

  *run(): Generator<SimulationProgress, void, void> {
    this.#tell({ type: "start" });
    if (searchWantsTicks(this.#spec)) this.#tickLater();
    const endMs = this.#options.endMs ?? Number.POSITIVE_INFINITY;
    for (let happenings = 1; this.#outcome === undefined; happenings++) {
      const next = this.#agenda.shift();
      assert(next !== undefined, "simulate: nothing is running and the search is not over");
      if (next.atMs > endMs) {
        this.#nowMs = endMs;
        return;
      }
      this.#nowMs = next.atMs;
      next.run();
      if (happenings % HAPPENINGS_AT_ONCE === 0)
        yield { trials: this.#trials.length, stepsTrained: this.#stepsTrained };
    }
  }

  #tickLater(): void {
    this.#plan(1000, () => {
      this.#tell({ type: "tick" });
      if (this.#outcome === undefined) this.#tickLater();
    });
  }

  #plan(delayMs: number, run: () => void): void {
    const item = { atMs: this.#nowMs + delayMs, order: this.#planned++, run };
    let [low, high] = [0, this.#agenda.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#agenda[middle] as Happening).atMs <= item.atMs) low = middle + 1;
      else high = middle;
    }
    this.#agenda.splice(low, 0, item);
  }

  #tell(event: SearchEvent): void {
    const { state, actions } = stepSearch(this.#spec, this.#state, event, this.#nowMs);
    this.#state = state;
    const exits: Running[] = [];
    for (const action of actions) {
      this.#decisions.push({ timeMs: this.#nowMs, action });
      if (action.type === "finish") this.#outcome = action.outcome;
      else if (action.type === "create") this.#create(action);
      else this.#obey(this.#trials[action.trial - 1] as Running, action, exits);
    }
    for (const trial of exits) {
      trial.state = "stopped";
      this.#tell({ type: "exit", trial: trial.number, reason: "stopped" });
    }
    this.#serve();
  }

  #create(action: Extract<SearchAction, { type: "create" }>): void {
    const trial: Running = {
      number: action.trial,
      bracket: action.bracket,
      hyperparameters: action.hyperparameters,
      target: action.target,
      step: 0,
      objective: Number.NaN,
      slot: undefined,
      stretches: 0,
      state: "queued",
    };
    this.#trials.push(trial);
    this.#queue.push(trial);
  }

  #obey(
    trial: Running,
    action: Extract<SearchAction, { type: "train" | "pause" | "stop" | "hold" }>,
    exits: Running[],
  ): void {
    if (action.type === "hold") {
      trial.state = "held";
      return;
    }
    if (action.type === "train") {
      trial.target = action.target;
      if (trial.slot !== undefined) this.#stretch(trial);
      else {
        trial.state = "queued";
        this.#queue.push(trial);
      }
      return;
    }
    if (trial.slot !== undefined) this.#free.push(trial.slot);
    trial.slot = undefined;
    const waits = this.#queue.indexOf(trial);
    if (waits >= 0) this.#queue.splice(waits, 1);
    trial.stretches++; // What was planned for the stretch at hand is void.
    if (action.type === "pause") trial.state = "paused";
    else exits.push(trial);
  }

  /** Whoever is held keeps its slot while nobody else needs it. */
  #makeRoom(): void {
    for (const trial of this.#trials) {
      if (this.#free.length >= this.#queue.length) return;
      if (trial.state !== "held" || trial.slot === undefined) continue;
      this.#free.push(trial.slot);
      trial.slot = undefined;
    }
  }

  /** Gives free slots, lowest first, to those who asked first. */
  #serve(): void {
    if (this.#spec.deterministic) this.#makeRoom();
    this.#free.sort((a, b) => a - b);
    while (this.#free.length > 0 && this.#queue.length > 0) {
      const trial = this.#queue.shift() as Running;
      trial.slot = this.#free.shift();
      this.#stretch(trial);
      const granted = { type: "granted", trial: trial.number } as const;
      this.#state = stepSearch(this.#spec, this.#state, granted, this.#nowMs).state;
    }
  }

  /** Plans the way from where a trial is to its target: reports, and perhaps a failure. */
  #stretch(trial: Running): void {
    trial.state = "running";
    const {
      stepMs = 1000,
      jitter = 0,
      failureProbability = 0,
      reportEverySteps = 0,
    } = this.#options;
    const stretch = ++trial.stretches;
    const random = keyed(this.#options.seed, "stretch", trial.number, stretch);
    const slow = this.#options.slowdown?.[trial.slot as number] ?? 1;
    const eachMs = stepMs * slow * (1 + Math.abs(jitter * gaussian(random.unit)));
    const from = trial.step;
    const fails = random.unit() < failureProbability;
    const last = fails ? from + random.unit() * (trial.target - from) : trial.target;
    const current = (): boolean => trial.stretches === stretch && trial.state === "running";
    if (reportEverySteps > 0) {
      const first = (Math.floor(from / reportEverySteps) + 1) * reportEverySteps;
      for (let step = first; step < last; step += reportEverySteps) {
        this.#plan((step - from) * eachMs, () => current() && this.#report(trial, step));
      }
    }
    this.#plan((last - from) * eachMs, () => {
      if (!current()) return;
      if (fails) this.#fail(trial, Math.floor(last));
      else this.#report(trial, last);
    });
  }

  #report(trial: Running, step: number): void {
    this.#stepsTrained += step - trial.step;
    trial.step = step;
    trial.objective = this.#curve.measured(trial.hyperparameters, step);
    const best = this.#incumbents.at(-1);
    if (best === undefined ? !Number.isNaN(trial.objective) : trial.objective < best.objective) {
      this.#incumbents.push({
        timeMs: this.#nowMs,
        stepsTrained: this.#stepsTrained,
        trial: trial.number,
        step,
        objective: trial.objective,
      });
    }
    if (step === this.#spec.method.stepsMax) {
      this.#fullLength.push({ trial: trial.number, timeMs: this.#nowMs });
    }
    const objective = this.#spec.smallerIsBetter ? trial.objective : -trial.objective;
    this.#tell({ type: "report", trial: trial.number, step, objective });
  }

  #fail(trial: Running, step: number): void {
    this.#stepsTrained += Math.max(0, step - trial.step);
    trial.step = Math.max(step, trial.step);
    trial.state = "errored";
    this.#free.push(trial.slot as number);
    trial.slot = undefined;
    this.#tell({ type: "exit", trial: trial.number, reason: "errored" });
  }

  result(): Simulation {
    const { stepsMax } = this.#spec.method;
    const trials = this.#trials.map((trial): SimulatedTrial => {
      const { number, bracket, hyperparameters, step: steps, objective, state } = trial;
      const exit = state === "queued" || state === "held" ? "paused" : state;
      return { trial: number, bracket, hyperparameters, steps, objective, exit };
    });
    const better = <T extends { objective: number }>(a: T | undefined, b: T): T =>
      a === undefined || b.objective < a.objective || Number.isNaN(a.objective) ? b : a;
    const best = trials
      .filter((trial) => !Number.isNaN(trial.objective))
      .reduce<SimulatedTrial | undefined>(better, undefined);
    const bestInFull = trials
      .map(({ trial, hyperparameters }) => ({
        trial,
        objective: this.#curve.truth(hyperparameters, stepsMax),
      }))
      .reduce<{ trial: number; objective: number } | undefined>(better, undefined);
    const asTrained = best && this.#curve.truth(best.hyperparameters, best.steps);
    return {
      timeMs: this.#nowMs,
      outcome: this.#outcome,
      rungs: searchRungs(this.#spec, this.#state),
      trials,
      stepsTrained: this.#stepsTrained,
      stepsWithoutEarlyStopping: trials.length * stepsMax,
      best,
      bestInFull,
      regret: (asTrained ?? Number.NaN) - (bestInFull?.objective ?? Number.NaN),
      fullLength: this.#fullLength,
      incumbents: this.#incumbents,
      decisions: this.#decisions,
    };
  }
}
