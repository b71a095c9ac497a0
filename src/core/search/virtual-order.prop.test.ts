/**
 * A deterministic search on clusters of 1, 4 and 16 slots whose programs take as long as they like, are
 * restarted, lose their slots and fail: the same decisions, and always an end. The cluster here knows
 * slots, queues and programs, and nothing of virtual time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { keyed, type Random } from "../../base/random.ts";
import { spaceOf } from "../space/space-fixtures.test.ts";
import { searchProgress, searchRungs, startSearch, stepSearch } from "./methods.ts";
import type { ExitReason, MethodSpec, SearchAction, SearchEvent, SearchSpec } from "./search.ts";

const numRuns = Number(process.env.CONTRAIL_PROPERTY_RUNS ?? 300);
const options = { seed: 24_036_037, numRuns };

const limits = fc.record({
  stepsMax: fc.integer({ min: 1, max: 30 }),
  concurrentMax: fc.integer({ min: 0, max: 20 }),
});
const halving = fc.record({
  trialsMax: fc.integer({ min: 1, max: 24 }),
  divisor: fc.constantFrom(2, 3, 4, 1.5),
});
const form = fc.constantFrom("promoting" as const, "stopping" as const);
const methods: fc.Arbitrary<MethodSpec> = fc.oneof(
  limits.map((l) => ({ name: "single" as const, ...l })),
  fc.tuple(limits, halving).map(([l, h]) => ({
    name: "random" as const,
    trialsMax: h.trialsMax,
    ...l,
  })),
  limits.map((l) => ({ name: "grid" as const, ...l })),
  fc
    .tuple(limits, halving, form, fc.integer({ min: 1, max: 4 }))
    .map(([l, h, f, rungs]) => ({ name: "asha" as const, form: f, rungs, ...l, ...h })),
  fc.tuple(limits, halving, fc.constantFrom(0, 2)).map(([l, h, stragglerFactor]) => ({
    name: "hyperband" as const,
    stragglerFactor,
    ...l,
    ...h,
  })),
  fc
    .tuple(limits, halving, form, fc.constantFrom("standard" as const, "conservative" as const))
    .map(([l, h, f, mode]) => ({
      ...{ name: "adaptive_asha" as const, form: f, mode, rungsMax: 4, bracketRungs: [] },
      ...l,
      ...h,
    })),
);
const specs: fc.Arbitrary<SearchSpec> = fc.record({
  space: fc.constant(spaceOf({ x: { type: "int", min: 1, max: 9, count: 9 } })),
  seed: fc.nat(),
  smallerIsBetter: fc.boolean(),
  method: methods,
  deterministic: fc.constant(true as const),
});

/** How a trial's program behaves: a function of the trial alone. */
interface Fate {
  /** It never gets past this step. */
  readonly endsAt: number;
  readonly end: Exclude<ExitReason, "stopped" | "canceled">;
  /** It reports every so many steps, and at its target only if that is one of them or it has to. */
  readonly reportEvery: number;
  /** It trains on past its target before it listens. */
  readonly overshoot: number;
  readonly values: number;
}

interface Running {
  readonly number: number;
  readonly fate: Fate;
  target: number;
  step: number;
  checkpoint: number;
  reported: number;
  last: number;
  state: "wants" | "runs" | "held" | "waits" | "stopping" | "over";
  hasSlot: boolean;
}

interface World {
  readonly slots: number;
  /** Of everything that is not a function of the trial: who moves when, what is lost. */
  readonly chance: number;
  readonly fates: number;
  readonly trouble: number;
  readonly restores?: boolean;
  /** People kill whatever they like, and programs die while they stand still: not repeatable, and it must end. */
  readonly wild?: boolean;
}

class Cluster {
  readonly spec: SearchSpec;
  readonly decisions: SearchAction[] = [];
  readonly log: { event: SearchEvent; actions: SearchAction[]; nowMs: number }[] = [];
  readonly trials = new Map<number, Running>();
  state;
  finish: SearchAction | undefined;
  nowMs = 5_000;
  #random: Random;
  #progress = 0;
  readonly #world: World;

  constructor(spec: SearchSpec, world: World) {
    this.spec = spec;
    this.#world = world;
    this.#random = keyed(world.chance, "cluster");
    this.state = startSearch(spec);
    this.#tell({ type: "start" });
    for (let moves = 0; this.finish === undefined; moves++) {
      assert.ok(moves < 200_000, "the search does not end");
      this.#schedule();
      this.#move();
    }
  }

  #tell(event: SearchEvent): void {
    if (this.#world.restores) this.state = JSON.parse(JSON.stringify(this.state));
    const step = stepSearch(this.spec, this.state, event, this.nowMs);
    this.state = step.state;
    this.log.push({ event, actions: step.actions, nowMs: this.nowMs });
    for (const action of step.actions) this.#obey(action);
    const progress = searchProgress(this.spec, this.state);
    assert.ok(progress >= this.#progress && progress <= 1, "progress went backwards");
    assert.equal(progress === 1, this.finish !== undefined);
    this.#progress = progress;
  }

  #obey(action: SearchAction): void {
    assert.equal(this.finish, undefined, `${action.type} after the end`);
    if (action.type === "finish") {
      for (const { number, state } of this.trials.values())
        assert.equal(state, "over", `trial ${number} stranded`);
      this.finish = action;
    }
    if (action.type !== "hold") this.decisions.push(action);
    if (action.type === "finish") return;
    if (action.type === "create") {
      assert.equal(action.trial, this.trials.size + 1);
      this.trials.set(action.trial, {
        ...{ number: action.trial, fate: fateOf(this.#world, action.trial), target: action.target },
        ...{
          step: 0,
          checkpoint: 0,
          reported: 0,
          last: Number.NaN,
          state: "wants",
          hasSlot: false,
        },
      });
      return;
    }
    const trial = this.trials.get(action.trial) as Running;
    // Its program is gone; in virtual time it is not yet.
    if (trial.state === "over") return;
    switch (action.type) {
      case "train":
        assert.ok(action.target > trial.target, "told to train on to where it is");
        trial.target = action.target;
        trial.state = trial.hasSlot ? "runs" : "wants";
        return;
      case "hold":
        assert.ok(trial.state === "runs" || trial.state === "wants", `${trial.state} and held`);
        trial.state = "held";
        return;
      case "pause":
        trial.state = "waits";
        trial.hasSlot = false;
        trial.step = trial.checkpoint;
        return;
      case "stop":
        trial.state = "stopping";
        // Whoever has no slots is over at once.
        if (!trial.hasSlot) this.#later.push(() => this.#exit(trial, "stopped"));
    }
  }

  readonly #later: (() => void)[] = [];

  #schedule(): void {
    for (let next = this.#later.shift(); next; next = this.#later.shift()) next();
    const all = [...this.trials.values()];
    const wanting = all.filter(({ state }) => state === "wants");
    let free = this.#world.slots - all.filter(({ hasSlot }) => hasSlot).length;
    assert.ok(free >= 0);
    for (const trial of all) {
      if (wanting.length <= free) break;
      if (trial.state !== "held" || !trial.hasSlot) continue;
      trial.hasSlot = false;
      trial.step = trial.checkpoint;
      free++;
    }
    for (const trial of wanting.slice(0, free)) {
      trial.hasSlot = true;
      trial.state = "runs";
      trial.step = trial.checkpoint;
    }
  }

  #move(): void {
    if (this.finish !== undefined) return;
    const able = [...this.trials.values()].filter((t) => t.hasSlot);
    if (able.length === 0) {
      assert.ok(
        this.#later.length > 0 || [...this.trials.values()].some((t) => t.state === "wants"),
        "deadlock",
      );
      return;
    }
    const moving = able.filter(({ state }) => state === "runs" || state === "stopping");
    assert.ok(moving.length > 0, "everyone stands still");
    const trial = able[this.#random.below(able.length)] as Running;
    this.nowMs += this.#random.below(2_000) - 200;
    if (this.#world.wild && this.#random.unit() < 0.15) return this.#disaster();
    if (this.#random.unit() < this.#world.trouble) return this.#trouble(trial);
    if (trial.state === "stopping") return this.#exit(trial, "stopped");
    if (trial.state === "runs") this.#train(trial);
  }

  /** What must change nothing: a slot that is lost, words that are heard again. */
  #trouble(trial: Running): void {
    switch (this.#random.below(4)) {
      case 0:
        trial.hasSlot = false;
        trial.step = trial.checkpoint;
        if (trial.state === "runs") trial.state = "wants";
        else if (trial.state === "stopping") this.#exit(trial, "stopped");
        return;
      case 1:
        if (trial.reported > 0) this.#report(trial, trial.reported);
        return;
      case 2:
        return this.#tell({
          type: this.#random.unit() < 0.5 ? "granted" : "tick",
          trial: 1,
        } as SearchEvent);
      default:
        return this.#tell({ type: "exit", trial: 999, reason: "errored" });
    }
  }

  #disaster(): void {
    const alive = [...this.trials.values()].filter(({ state }) => state !== "over");
    const trial = alive[this.#random.below(alive.length)];
    const reasons = ["canceled", "errored", "invalid_hyperparameters", "finished"] as const;
    if (trial) this.#exit(trial, reasons[this.#random.below(4)] as ExitReason);
  }

  #train(trial: Running): void {
    const { fate } = trial;
    if (trial.step >= fate.endsAt) return this.#exit(trial, fate.end);
    if (trial.step >= trial.target + fate.overshoot) {
      // It waits at its target, so its last value counts for it.
      if (trial.reported < trial.target) this.#report(trial, trial.target, true);
      return;
    }
    trial.step++;
    if (this.#random.unit() < 0.5) trial.checkpoint = trial.step;
    if (trial.step % fate.reportEvery === 0) this.#report(trial, trial.step);
  }

  #report(trial: Running, step: number, atTarget = false): void {
    const objective =
      atTarget && !Number.isNaN(trial.last) ? trial.last : objectiveOf(trial.fate, step);
    trial.last = objective;
    trial.reported = Math.max(trial.reported, step);
    if (trial.reported >= trial.target) trial.checkpoint = Math.max(trial.checkpoint, trial.target);
    this.#tell({ type: "report", trial: trial.number, step, objective });
  }

  #exit(trial: Running, reason: ExitReason): void {
    trial.state = "over";
    trial.hasSlot = false;
    this.#tell({ type: "exit", trial: trial.number, reason });
  }
}

function fateOf(world: World, trial: number): Fate {
  const random = keyed(world.fates, "fate", trial);
  const mortal = random.unit() < 0.3;
  const ends = ["errored", "finished", "invalid_hyperparameters"] as const;
  return {
    endsAt: mortal ? random.below(12) : Number.POSITIVE_INFINITY,
    end: ends[random.below(3)] as Fate["end"],
    reportEvery: random.unit() < 0.7 ? 1 : 1 + random.below(3),
    overshoot: random.unit() < 0.8 ? 0 : random.below(5),
    values: random.uint32(),
  };
}

function objectiveOf({ values }: Fate, step: number): number {
  const random = keyed(values, "objective", step);
  const strange = [Number.NaN, Number.POSITIVE_INFINITY, -0];
  return random.unit() < 0.1 ? (strange[random.below(3)] as number) : random.below(7);
}

const SLOTS = [1, 4, 16];

test("the same decisions on 1, 4 and 16 slots, whatever takes how long, and always an end", () => {
  let held = 0;
  fc.assert(
    fc.property(
      specs,
      fc.nat(),
      fc.nat(),
      fc.constantFrom(0, 0.2, 0.5),
      (spec, fates, chance, trouble) => {
        const runs = SLOTS.map(
          (slots, i) => new Cluster(spec, { slots, fates, trouble, chance: chance + i }),
        );
        const [first] = runs as [Cluster];
        for (const { decisions, state, log } of runs) {
          assert.deepEqual(decisions, first.decisions);
          assert.deepEqual(searchRungs(spec, state), searchRungs(spec, first.state));
          held += log.filter(({ actions }) => actions.some(({ type }) => type === "hold")).length;
        }
      },
    ),
    options,
  );
  assert.ok(held > numRuns, "results were held at all");
});

test("saved and restored at every event it decides the same, holds and costs included", () => {
  fc.assert(
    fc.property(specs, fc.nat(), fc.nat(), (spec, fates, chance) => {
      const world = { slots: 3, fates, chance, trouble: 0.2 };
      const kept = new Cluster(spec, world);
      const restored = new Cluster(spec, { ...world, restores: true });
      assert.deepEqual(restored.log, kept.log);
      assert.deepEqual(JSON.parse(JSON.stringify(restored.state)), restored.state);
      assert.equal(JSON.stringify(restored.state), JSON.stringify(kept.state));
    }),
    { ...options, numRuns: Math.ceil(numRuns / 2) },
  );
});

test("whatever people kill and whatever dies while it stands still, it ends, and its log decides it again", () => {
  fc.assert(
    fc.property(
      specs,
      fc.nat(),
      fc.nat(),
      fc.constantFrom(...SLOTS),
      (spec, fates, chance, slots) => {
        const world = { slots, fates, chance, trouble: 0.2, wild: true };
        const { log, state } = new Cluster(spec, world);
        let again = startSearch(spec);
        for (const { event, actions, nowMs } of log) {
          const step = stepSearch(spec, again, event, nowMs);
          again = step.state;
          assert.deepEqual(step.actions, actions);
        }
        assert.deepEqual(again, state);
      },
    ),
    options,
  );
});

test("a result that comes too early is held, and that costs what the clock says", () => {
  const method: MethodSpec = { name: "random", trialsMax: 2, stepsMax: 3, concurrentMax: 2 };
  const spec: SearchSpec = {
    ...{ space: spaceOf({ x: { type: "int", min: 1, max: 9, count: 9 } }), seed: 1 },
    ...{ smallerIsBetter: true, method, deterministic: true },
  };
  const report = (trial: number): SearchEvent => ({ type: "report", trial, step: 3, objective: 1 });
  const play = (first: number, second: number) => {
    let state = startSearch(spec);
    const said: string[] = [];
    const events: [SearchEvent, number][] = [
      [{ type: "start" }, 0],
      [report(first), 1_000],
      [report(second), 5_000],
      [{ type: "exit", trial: 1, reason: "finished" }, 9_000],
    ];
    for (const [event, nowMs] of events) {
      const step = stepSearch(spec, state, event, nowMs);
      state = step.state;
      said.push(
        step.actions.map((a) => `${a.type}${"trial" in a ? ` ${a.trial}` : ""}`).join(", "),
      );
    }
    return { said, held: state.virtual?.held };
  };
  // Trial 2 comes too early and waits for trial 1; its end is then waited for, too.
  assert.deepEqual(play(2, 1), {
    said: ["create 1, create 2", "hold 2", "stop 1", "stop 2"],
    held: { results: 1, ms: 8_000, msMax: 8_000 },
  });
  assert.deepEqual(play(1, 2), {
    said: ["create 1, create 2", "stop 1", "hold 2", "stop 2"],
    held: { results: 1, ms: 4_000, msMax: 4_000 },
  });
});
