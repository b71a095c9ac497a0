/**
 * Every method under whatever can happen: errors, NaN, cancels, impossible hyperparameters, reports
 * that come late, twice, out of order, too far or for nobody. The seed is fixed; a failure prints
 * the path to replay it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { spaceOf } from "../space/space-fixtures.test.ts";
import { searchRungs } from "./methods.ts";
import type { ExitReason, MethodSpec, SearchEvent, SearchSpec } from "./search.ts";
import { Player, specOf } from "./search-fixtures.test.ts";

/** The nightly run asks for 100,000 by this variable. */
const numRuns = Number(process.env.CONTRAIL_PROPERTY_RUNS ?? 700);
const options = { seed: 7_654_321, numRuns };

const limits = fc.record({
  stepsMax: fc.integer({ min: 1, max: 30 }),
  concurrentMax: fc.integer({ min: 0, max: 5 }),
});
const halving = fc.record({
  trialsMax: fc.integer({ min: 1, max: 20 }),
  divisor: fc.constantFrom(2, 3, 4, 1.5, 2.7),
});
const form = fc.constantFrom("promoting" as const, "stopping" as const);

const methods: fc.Arbitrary<MethodSpec> = fc.oneof(
  limits.map((l) => ({ name: "single" as const, ...l })),
  fc
    .tuple(limits, halving)
    .map(([l, h]) => ({ name: "random" as const, trialsMax: h.trialsMax, ...l })),
  limits.map((l) => ({ name: "grid" as const, ...l })),
  fc
    .tuple(limits, halving, form, fc.integer({ min: 1, max: 5 }))
    .map(([l, h, f, rungs]) => ({ name: "asha" as const, form: f, rungs, ...l, ...h })),
  fc.tuple(limits, halving, fc.constantFrom(0, 2, 5)).map(([l, h, stragglerFactor]) => ({
    name: "hyperband" as const,
    stragglerFactor,
    ...l,
    ...h,
  })),
  fc
    .tuple(
      limits,
      halving,
      form,
      fc.constantFrom("aggressive" as const, "standard" as const, "conservative" as const),
    )
    .map(([l, h, f, mode]) => ({
      name: "adaptive_asha" as const,
      form: f,
      mode,
      rungsMax: 4,
      bracketRungs: [],
      ...l,
      ...h,
    })),
);

const specs: fc.Arbitrary<SearchSpec> = fc.record({
  space: fc.constant(spaceOf({ x: { type: "int", min: 1, max: 9, count: 9 } })),
  seed: fc.nat(),
  smallerIsBetter: fc.boolean(),
  method: methods,
});

const objectives = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -5, max: 5 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0),
  },
  { weight: 1, arbitrary: fc.double() },
);

/** One disturbance; `pick` chooses among the trials of that moment. */
type Move =
  | { kind: "target"; pick: number; objective: number }
  | { kind: "report"; pick: number; step: number; objective: number }
  | { kind: "exit"; pick: number; reason: ExitReason }
  | { kind: "again"; pick: number }
  | { kind: "time"; ms: number }
  | { kind: "slots"; pick: number; granted: boolean }
  | { kind: "stray"; trial: number };

const pick = fc.nat(99);
const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant("target" as const), pick, objective: objectives }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("report" as const),
        pick,
        step: fc.oneof(
          fc.integer({ min: -1, max: 40 }),
          fc.constantFrom(0.5, Number.NaN, Number.POSITIVE_INFINITY),
        ),
        objective: objectives,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("exit" as const),
        pick,
        reason: fc.constantFrom<ExitReason>(
          "finished",
          "stopped",
          "errored",
          "canceled",
          "invalid_hyperparameters",
        ),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("again" as const), pick }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("time" as const),
        ms: fc.integer({ min: -5_000, max: 60_000 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("slots" as const), pick, granted: fc.boolean() }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("stray" as const),
        trial: fc.constantFrom(0, -1, 999, 1.5),
      }),
    },
  ),
  { maxLength: 80 },
);

/** Turns a move into the event it means at this moment; undefined where it means none. */
function eventOf(player: Player, move: Move, heard: SearchEvent[]): SearchEvent | undefined {
  const any = <T>(from: readonly T[]): T | undefined =>
    from[("pick" in move ? move.pick : 0) % from.length];
  switch (move.kind) {
    case "target": {
      const trial = any([...player.with("training"), ...player.with("stopping")]);
      const seen = trial === undefined ? undefined : player.trials.get(trial);
      if (trial === undefined || seen === undefined) return undefined;
      return seen.phase === "stopping"
        ? { type: "exit", trial, reason: "stopped" }
        : { type: "report", trial, step: seen.target, objective: move.objective };
    }
    case "report": {
      const trial = any([...player.trials.keys()]);
      return trial === undefined
        ? undefined
        : { type: "report", trial, step: move.step, objective: move.objective };
    }
    case "exit": {
      const trial = any([...player.trials.keys()]);
      return trial === undefined ? undefined : { type: "exit", trial, reason: move.reason };
    }
    case "again":
      return any(heard);
    case "time":
      player.nowMs += move.ms;
      return { type: "tick" };
    case "slots": {
      const trial = any([...player.trials.keys()]);
      return trial === undefined
        ? undefined
        : { type: move.granted ? "granted" : "yielded", trial };
    }
    case "stray":
      return { type: "report", trial: move.trial, step: 1, objective: 0 };
  }
}

/** Plays the moves, then to the end in good order. @returns every event that was sent */
function disturb(player: Player, plan: readonly Move[]): SearchEvent[] {
  const heard: SearchEvent[] = [];
  const send = (event: SearchEvent): void => {
    heard.push(event);
    player.send(event);
    checkState(player);
  };
  send({ type: "start" });
  for (const move of plan) {
    const event = eventOf(player, move, heard);
    if (event !== undefined) send(event);
  }
  for (let turns = 0; player.finish === undefined; turns++) {
    assert.ok(turns < 10_000, "the search does not end");
    const moving = [...player.with("stopping"), ...player.with("training")];
    assert.ok(moving.length > 0, "nobody is left to move, and it is not over");
    const move: Move = { kind: "target", pick: 0, objective: (turns * 7) % 5 };
    send(eventOf(player, move, heard) as SearchEvent);
  }
  return heard;
}

/** What must hold after every event, from the state alone. */
function checkState({ state, spec }: Player): void {
  const count = (...phases: string[]): number =>
    state.trials.filter((t) => phases.includes(t.phase)).length;
  assert.equal(state.wanting, count("training", "stopping"));
  assert.equal(state.live, state.trials.length - count("over"));
  assert.ok(state.wanting <= state.concurrentMax);
  for (const [b, bracket] of state.brackets.entries()) {
    assert.ok(bracket.used <= bracket.trialsMax, "more trials than the bracket has");
    for (const [r, rung] of bracket.rungs.entries()) {
      assert.equal(new Set(rung.order).size, rung.order.length, "a trial stands in a rung twice");
      const at = (phase: string): number =>
        state.trials.filter((t) => t.bracket === b && t.rung === r && t.phase === phase).length;
      assert.equal(rung.training, at("training"));
      assert.equal(rung.waiting, at("waiting"));
    }
  }
  for (const { entries } of searchRungs(spec, state)) {
    const value = (x: number): number =>
      !Number.isFinite(x) ? Number.POSITIVE_INFINITY : spec.smallerIsBetter ? x : -x;
    for (const { objective, outcome } of entries)
      assert.ok(objective !== null || outcome === "failed", "nobody is shown who never came");
    const alive = entries.flatMap(({ objective, outcome }) =>
      objective === null || outcome === "failed" ? [] : [value(objective)],
    );
    const sorted = alive.every((x, i) => i === 0 || (alive[i - 1] ?? 0) <= x);
    assert.ok(sorted, "a rung is out of order");
  }
}

test("whatever happens, a search ends, exceeds nothing and strands nobody", () => {
  fc.assert(
    fc.property(specs, moves, (spec, plan) => {
      const player = new Player(spec);
      disturb(player, plan);
      const used = player.state.brackets.reduce((sum, bracket) => sum + bracket.used, 0);
      const max = player.state.brackets.reduce((sum, bracket) => sum + bracket.trialsMax, 0);
      if (!player.state.replacementsUsedUp) assert.equal(used, max, "ended below max_trials");
      assert.ok(player.state.replaced <= Math.max(8, 2 * max));
    }),
    options,
  );
});

test("a trial that pauses twice in one turn gives its place away once (found at run 68,962)", () => {
  const method = {
    name: "hyperband",
    stragglerFactor: 0,
    stepsMax: 4,
    concurrentMax: 3,
    trialsMax: 6,
    divisor: 2,
  } as const;
  disturb(new Player(specOf(method, { smallerIsBetter: false })), [
    { kind: "exit", pick: 0, reason: "finished" },
    { kind: "target", pick: 82, objective: Number.NaN },
    { kind: "report", pick: 78, step: 2, objective: 0 },
    { kind: "report", pick: 19, step: 2, objective: -5e-324 },
  ]);
});

test("saved and restored at every event, a search decides the same", () => {
  fc.assert(
    fc.property(specs, moves, (spec, plan) => {
      const kept = new Player(spec);
      disturb(kept, plan);
      const restored = new Player(spec, { restores: true });
      disturb(restored, plan);
      assert.deepEqual(restored.log, kept.log);
      assert.deepEqual(JSON.parse(JSON.stringify(restored.state)), restored.state);
    }),
    { ...options, numRuns: Math.ceil(numRuns / 2) },
  );
});

test("the same seed and the same log give the same decisions, heard once or with every report doubled", () => {
  fc.assert(
    fc.property(specs, moves, (spec, plan) => {
      const still = plan.filter((move) => move.kind !== "time" && move.kind !== "slots");
      const once = new Player(spec);
      const log = disturb(once, still);
      const again = new Player(structuredClone(spec));
      for (const event of log) {
        again.send(event);
        if (event.type === "report" || event.type === "exit")
          assert.deepEqual(again.send(event), []);
      }
      assert.deepEqual(again.log, once.log);
    }),
    { ...options, numRuns: Math.ceil(numRuns / 2) },
  );
});

test("asha and hyperband agree where they must: with one rung, and when everybody arrives at once", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 40 }),
      fc.constantFrom(2, 3, 4),
      fc.nat(),
      (trialsMax, divisor, salt) => {
        const stepsMax = divisor ** 3;
        const rungs = 4;
        const sync = new Player(
          specOf({
            name: "hyperband",
            trialsMax: divisor ** 3,
            divisor,
            stepsMax,
            stragglerFactor: 0,
            concurrentMax: 0,
          }),
        );
        const async = new Player(
          specOf({
            name: "asha",
            form: "promoting",
            trialsMax: divisor ** 3,
            divisor,
            rungs,
            stepsMax,
            concurrentMax: divisor ** 3,
          }),
        );
        // Best first: the asynchronous form then never promotes anybody wrongly.
        sync.play((trial) => trial + (salt % 3));
        async.play((trial) => trial + (salt % 3));
        assert.deepEqual(async.arrivals(), sync.arrivals());
        const flat: MethodSpec[] = [
          { name: "random", trialsMax, stepsMax, concurrentMax: 4 },
          {
            name: "asha",
            form: "promoting",
            trialsMax,
            divisor,
            rungs: 1,
            stepsMax,
            concurrentMax: 4,
          },
          {
            name: "asha",
            form: "stopping",
            trialsMax,
            divisor,
            rungs: 1,
            stepsMax,
            concurrentMax: 4,
          },
          {
            name: "hyperband",
            trialsMax,
            divisor: stepsMax + 1,
            stepsMax,
            stragglerFactor: 0,
            concurrentMax: 4,
          },
        ];
        const logs = flat.map((method) => {
          const player = new Player(specOf(method));
          player.play((trial) => (trial * 31 + salt) % 17);
          return player.log;
        });
        for (const log of logs) assert.deepEqual(log, logs[0]);
      },
    ),
    { ...options, numRuns: Math.ceil(numRuns / 12) },
  );
});
