/**
 * A small cluster that drives an experiment through everything that can happen to it, drawn from one
 * seed: programs that train, wait, crash, say NaN or nothing; orders that arrive late; people who change
 * their minds; words of old runs that come again. After each step it holds the experiment to its
 * invariants, each of them a sentence.
 *
 * The model is dumb on purpose: it knows processes and messages, and nothing of rungs or budgets.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reviveExact, stringifyExact } from "../../base/json.ts";
import { keyed, type Random } from "../../base/random.ts";
import { searchWantsTicks, startSearch, stepSearch } from "../search/methods.ts";
import {
  type Effects,
  type Experiment,
  type ExperimentEvent,
  type ExperimentSpec,
  isOver,
  newExperiment,
} from "./experiment.ts";
import { standsStill } from "./holding.ts";
import {
  CRASH,
  exitOf,
  NODE_LOST,
  randomSearch,
  specWith,
  TERMINATED,
  YIELDED,
} from "./lifecycle-fixtures.test.ts";
import { stepExperiment } from "./step.ts";
import { type ProcessesEnd, trialStateName, wantsSlots } from "./trial.ts";

type FromRunner = Extract<ExperimentEvent, { run: number }>;

type WithoutSender<E> = E extends FromRunner ? Omit<E, "trial" | "run"> : never;
type Said = WithoutSender<FromRunner>;

/** One allocation's processes: what they have done, and what of it is still on its way. */
interface Program {
  readonly trial: number;
  readonly run: number;
  step: number;
  started: boolean;
  gone: boolean;
  waitedAt: number;
  heard: { target: number | null; yield: "pause" | "stop" | null; kill: boolean };
  readonly outbox: FromRunner[];
}

/** How much goes wrong, from 0 to 1. */
export interface Faults {
  readonly crash: number;
  readonly silent: number;
  readonly nan: number;
  readonly people: number;
}

const PEACE: Faults = { crash: 0, silent: 0, nan: 0, people: 0 };
const VERBS = ["pause", "activate", "cancel", "kill"] as const;

export class ModelCluster {
  readonly x: Experiment;
  nowMs = 1_700_000_000_000;
  /** When the budget of steps was reached: how many were trained, and how many the running trials had been asked for. */
  atBudget: { readonly steps: number; readonly asked: number } | null = null;
  #faults: Faults;
  readonly #slots: number;
  readonly #random: Random;
  readonly #programs: Program[] = [];
  readonly #said: FromRunner[] = [];
  readonly #exitsTold = new Map<number, number>();
  /** `trial.run` → steps progressed, from what was delivered. */
  readonly #progress = new Map<string, { start: number; at: number }>();
  /** `trial.run` → the step at which it was heard to wait last. */
  readonly #waited = new Map<string, number>();
  readonly #searchLog: { told: Effects["searchLog"][number]; atMs: number }[] = [];

  constructor(spec: ExperimentSpec, seed: number, options: { slots: number; faults: Faults }) {
    this.x = newExperiment(spec);
    this.#slots = options.slots;
    this.#faults = options.faults;
    this.#random = keyed(seed, "model cluster");
    this.#send({ type: "start", paused: this.#chance(0.2), actor: "ada" });
  }

  /** Lets `moves` random things happen. */
  play(moves: number): void {
    for (let i = 0; i < moves; i++) this.#move();
  }

  /** Nothing goes wrong any more and everyone is patient: it must come to its end. */
  heal(): void {
    this.#faults = PEACE;
    this.#send({ type: "user", verb: "activate", actor: "ada" });
    for (const number of this.x.live)
      this.#send({ type: "user", verb: "activate", trial: number, actor: "ada" });
    for (let round = 0; !isOver(this.x.core); round++) {
      assert.ok(round < 3000, "faults have stopped and it does not come to its end");
      this.#nextSecond();
      while (this.#grant());
      for (const program of [...this.#programs]) {
        this.#hearOrders(program);
        this.#act(program);
        while (this.#deliver(program));
      }
    }
    this.#checkSearchReplays();
  }

  #move(): void {
    const program = this.#pick(this.#programs);
    switch (this.#random.below(10)) {
      case 0:
      case 1:
      case 2:
        return void (program && this.#act(program));
      case 3:
      case 4:
        return void (program && this.#deliver(program));
      case 5:
        return void (program && this.#hearOrders(program));
      case 6:
      case 7:
        return void this.#grant();
      case 8:
        return this.#nextSecond();
      default:
        return this.#chance(0.5) ? this.#oldWord() : this.#person();
    }
  }

  // ---- programs --------------------------------------------------------------------------------

  #act(program: Program): void {
    if (program.gone) return;
    if (!program.started) {
      program.started = true;
      if (this.#chance(this.#faults.crash / 2))
        return this.#exit(program, exitOf({ kind: "launch_failed", exits: [], detail: "no disk" }));
      return this.#say(program, { type: "started" });
    }
    if (program.heard.kill) return this.#exit(program, TERMINATED);
    if (this.#chance(this.#faults.crash)) return this.#fail(program);
    if (program.heard.yield !== null) {
      if (program.heard.yield === "pause" || this.#chance(0.5)) this.#save(program);
      return this.#exit(program, this.#chance(this.#faults.crash) ? CRASH : YIELDED);
    }
    const { target } = program.heard;
    if (target !== null && program.step >= target) {
      if (program.waitedAt !== program.step)
        this.#say(program, { type: "waiting", step: program.step });
      program.waitedAt = program.step;
      return;
    }
    program.step += 1 + this.#random.below(2);
    this.#say(program, {
      type: "report",
      step: program.step,
      metrics: this.#metrics(program.step),
    });
    if (this.#chance(0.3)) this.#save(program);
  }

  #metrics(step: number): Record<string, number> {
    const speed = this.#random.unit();
    if (this.#chance(this.#faults.silent)) return { speed };
    const loss = this.#chance(this.#faults.nan) ? Number.NaN : 1 / step + speed;
    return { speed, loss, time: step + 0.5 };
  }

  #fail(program: Program): void {
    switch (this.#random.below(5)) {
      case 0:
        this.#say(program, { type: "invalid", reason: "odd" });
        return this.#exit(program, CRASH);
      case 1:
        return this.#exit(program, NODE_LOST);
      case 2:
        return this.#exit(program, exitOf());
      case 3:
        return this.#exit(program, exitOf({ exits: CRASH.exits, outOfMemory: "kernel" }));
      default:
        return this.#exit(program, CRASH);
    }
  }

  #save(program: Program): void {
    const { step } = program;
    this.#say(program, { type: "checkpoint", step, tree: `${program.trial}.${step}` });
  }

  #exit(program: Program, end: ProcessesEnd): void {
    program.gone = true;
    this.#say(program, { type: "exited", end });
  }

  #say(program: Program, what: Said): void {
    const { trial, run } = program;
    program.outbox.push({ ...what, trial, run } as FromRunner);
  }

  /** The runner's word arrives: in order, once. @returns whether there was any */
  #deliver(program: Program): boolean {
    const event = program.outbox.shift();
    if (event === undefined) return false;
    this.#said.push(event);
    if (event.type === "report") {
      const run = this.#progress.get(`${event.trial}.${event.run}`);
      assert.ok(run);
      run.at = Math.max(run.at, event.step);
    }
    if (event.type === "waiting") this.#waited.set(`${event.trial}.${event.run}`, event.step);
    if (event.type === "exited") this.#programs.splice(this.#programs.indexOf(program), 1);
    this.#send(event);
    return true;
  }

  #hearOrders(program: Program): void {
    const trial = this.x.trials.get(program.trial);
    const allocation = trial?.allocation;
    if (!trial || allocation?.run !== program.run) return;
    program.heard = { target: trial.target, yield: allocation.yield, kill: allocation.kill };
  }

  // ---- everyone else ---------------------------------------------------------------------------

  #grant(): boolean {
    if (this.x.core.run !== "active") return false;
    if (this.#programs.length >= this.#slots) {
      this.#makeRoom();
      return false;
    }
    const ready = [...this.x.live].filter((number) => {
      const trial = this.x.trials.get(number);
      return trial && wantsSlots(trial) && trial.retryAtMs <= this.nowMs;
    });
    const number = this.#pick(ready);
    if (number === undefined) return false;
    this.#send({ type: "granted", trial: number, slots: ["cpu:0"], reason: "free" });
    const trial = this.x.trials.get(number);
    assert.ok(trial?.allocation);
    const { run, startStep } = trial.allocation;
    this.#progress.set(`${number}.${run}`, { start: startStep, at: startStep });
    this.#programs.push({
      trial: number,
      run,
      step: startStep,
      started: false,
      gone: false,
      waitedAt: -1,
      heard: { target: trial.target, yield: null, kill: false },
      outbox: [],
    });
    return true;
  }

  /** Whoever stands still while others want slots is told to go. */
  #makeRoom(): void {
    const trials = [...this.x.live].flatMap((number) => this.x.trials.get(number) ?? []);
    const one = trials.find(standsStill);
    if (one && trials.some(wantsSlots))
      this.#send({ type: "rest", trial: one.number, reason: "others need them" });
  }

  #nextSecond(): void {
    this.nowMs += 400 + this.#random.below(800);
    this.#send({ type: "tick" });
  }

  /** Something that was said before comes again, when its allocation is over. */
  #oldWord(): void {
    const event = this.#pick(this.#said);
    if (event && this.x.trials.get(event.trial)?.allocation?.run !== event.run) this.#send(event);
  }

  #person(): void {
    if (!this.#chance(this.#faults.people)) return;
    if (this.#chance(0.1)) return this.#send({ type: "drain", reason: "the server stops" });
    const verb = this.#pick(this.#chance(0.8) ? VERBS.slice(0, 2) : VERBS) ?? "pause";
    const trial = this.#pick([...this.x.trials.keys()]);
    if (trial === undefined || this.#chance(0.2)) {
      if (this.#chance(0.9) && verb !== "activate" && verb !== "pause") return;
      return this.#send({ type: "user", verb, actor: "ada" });
    }
    this.#send({ type: "user", verb, trial, actor: "ada" });
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#random.below(list.length)];
  }

  #chance(probability: number): boolean {
    return this.#random.unit() < probability;
  }

  // ---- what must hold --------------------------------------------------------------------------

  #send(event: ExperimentEvent): void {
    const before = stringifyExact(saved(this.x));
    const names = stateNames(this.x);
    const orders = ordersOf(this.x);
    const twin = this.#chance(0.3) ? restored(this.x.spec, before) : undefined;
    const effects = stepExperiment(this.x, event, this.nowMs);
    for (const told of effects.searchLog) this.#searchLog.push({ told, atMs: this.nowMs });
    const after = stringifyExact(saved(this.x));
    if (twin) {
      const again = stepExperiment(twin, event, this.nowMs);
      assert.deepEqual(again, effects, "a restored experiment decides the same");
      assert.equal(stringifyExact(saved(twin)), after, "a restored experiment becomes the same");
    }
    this.#checkWritten(JSON.parse(before), JSON.parse(after), effects, { names, orders });
    this.#checkTrials(JSON.parse(before), event);
    this.#checkSearchHeard(effects);
    this.#checkSaved(effects);
    this.#checkAlive();
    this.#noteBudget();
  }

  #checkWritten(
    before: Saved,
    after: Saved,
    effects: Effects,
    was: { names: ReadonlyMap<number, string>; orders: ReadonlyMap<number, string> },
  ): void {
    if (isOver(before.core)) assert.deepEqual(after, before, "an experiment that is over changed");
    for (const [number, name] of stateNames(this.x)) {
      const same = name === was.names.get(number) && same1(before.trials, after.trials, number);
      assert.ok(same || effects.trialsChanged.has(number), `trial ${number} changed unwritten`);
    }
    for (const [number, orders] of ordersOf(this.x)) {
      const news = orders !== was.orders.get(number);
      assert.ok(!news || effects.ordersChanged.has(number), `trial ${number}: orders not told`);
    }
    const written = effects.experimentChanged || effects.trialsChanged.size > 0;
    assert.ok(written || same(before.core, after.core), "the experiment changed unwritten");
    const logged = effects.searchLog.length > 0;
    assert.ok(logged || same(before.search, after.search), "the search changed unlogged");
  }

  #checkTrials(before: Saved, event: ExperimentEvent): void {
    const running = new Map(this.#programs.map((program) => [program.trial, program.run]));
    const granted = event.type === "granted" ? event.trial : undefined;
    assert.equal(running.size, this.#programs.length, "a trial runs twice");
    for (const [number, trial] of this.x.trials) {
      const was = before.trials.find((other) => other.number === number);
      if (was?.over) assert.equal(trial.over, was.over, "a trial that is over stays over");
      if (trial.over !== null) assert.equal(trial.allocation, null, "over, and holds slots");
      assert.equal(this.x.live.has(number), trial.over === null);
      if (number === granted) {
        assert.equal(trial.step, trial.checkpoint?.step ?? 0, "a run starts at its checkpoint");
        continue;
      }
      assert.ok(trial.step >= (was?.step ?? 0), "steps went back without a restart");
      assert.equal(trial.allocation?.run, running.get(number), "processes and slots disagree");
    }
    if (isOver(this.x.core)) assert.equal(this.x.live.size, 0, "it is over and a trial lives");
    let steps = 0;
    for (const { start, at } of this.#progress.values()) steps += at - start;
    assert.equal(this.x.core.steps, steps, "work is counted once");
  }

  #checkSearchHeard({ searchLog }: Effects): void {
    for (const { event } of searchLog)
      if (event.type === "exit")
        this.#exitsTold.set(event.trial, (this.#exitsTold.get(event.trial) ?? 0) + 1);
    for (const [number, trial] of this.x.trials)
      assert.equal(
        this.#exitsTold.get(number) ?? 0,
        trial.over === null ? 0 : 1,
        `the search is told of the end of trial ${number} exactly once`,
      );
  }

  #checkSaved({ ended }: Effects): void {
    for (const { trial: number, run, end } of ended) {
      const trial = this.x.trials.get(number);
      const failed = end === "user_error" || end === "out_of_memory" || end === "node_lost";
      if (!failed || trial?.over !== "finished") continue;
      const saved = Math.max(
        trial.checkpoint?.step ?? -1,
        this.#waited.get(`${number}.${run}`) ?? -1,
      );
      assert.ok(saved >= (trial.target ?? trial.step), "finished, and its last step is lost");
    }
  }

  #checkAlive(): void {
    if (this.x.core.run !== "active") return;
    const trials = [...this.x.live].map((number) => this.x.trials.get(number));
    const moves = trials.some((t) => t && (t.allocation || wantsSlots(t) || t.userHold));
    assert.ok(moves, "it is active, and nobody runs, waits for slots or is held by a person");
  }

  #noteBudget(): void {
    const { steps } = this.x.spec.budget;
    if (steps === undefined || this.x.core.steps < steps || this.atBudget !== null) return;
    let asked = 0;
    for (const { trial } of this.#programs) {
      const { target, step } = this.x.trials.get(trial) ?? { target: 0, step: 0 };
      // Two steps at a time is how these programs train.
      asked += Math.max(0, (target ?? 0) - step) + 1;
    }
    this.atBudget = { steps: this.x.core.steps, asked };
  }

  /** From the log alone, offline: the same answers. */
  #checkSearchReplays(): void {
    const { search } = this.x.spec;
    let state = startSearch(search);
    for (const { told, atMs } of this.#searchLog) {
      const again = stepSearch(search, state, told.event, atMs);
      state = reviveExact(JSON.parse(stringifyExact(again.state)));
      assert.deepEqual(again.actions, told.actions);
    }
    assert.ok(
      searchWantsTicks(search) || this.#searchLog.every(({ told }) => told.event.type !== "tick"),
    );
  }
}

const saved = ({ core, search, trials }: Experiment) => ({
  core,
  search,
  trials: [...trials.values()],
});
type Saved = ReturnType<typeof saved>;
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const same1 = (a: Saved["trials"], b: Saved["trials"], number: number): boolean =>
  same(
    a.find((trial) => trial.number === number),
    b.find((trial) => trial.number === number),
  );

function restored(spec: ExperimentSpec, text: string): Experiment {
  const { core, search, trials }: Saved = reviveExact(JSON.parse(text));
  return {
    spec,
    core,
    search,
    trials: new Map(trials.map((trial) => [trial.number, trial])),
    live: new Set(trials.filter((trial) => trial.over === null).map((trial) => trial.number)),
  };
}

const stateNames = ({ core, trials }: Experiment): Map<number, string> =>
  new Map([...trials].map(([n, trial]) => [n, trialStateName(trial, core.run === "paused")]));

/** What a runner has to hear of; the target means nothing to a program that is on its way out. */
function ordersOf({ trials }: Experiment): Map<number, string> {
  const orders = new Map<number, string>();
  for (const [number, { allocation, target }] of trials)
    if (allocation) {
      const { run, yield: leave, kill } = allocation;
      orders.set(number, `${run} ${leave} ${kill} ${leave === null && !kill ? target : ""}`);
    }
  return orders;
}

test("the model notices an experiment that changes behind its back", () => {
  const cluster = new ModelCluster(specWith(randomSearch(3)), 1, { slots: 2, faults: PEACE });
  cluster.play(20);
  cluster.x.core.steps += 1;
  assert.throws(() => cluster.play(20), /work is counted once/);
});
