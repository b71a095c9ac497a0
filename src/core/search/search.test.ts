import assert from "node:assert/strict";
import { test } from "node:test";
import { spaceOf } from "../space/space-fixtures.test.ts";
import { passingCount } from "./halving-rule.ts";
import { searchRungs } from "./methods.ts";
import type { MethodSpec, SearchAction, SearchCause } from "./search.ts";
import { lineSpace, Player, specOf } from "./search-fixtures.test.ts";

type Asha = Extract<MethodSpec, { name: "asha" }>;
const asha = (over: Partial<Asha> = {}): Asha => ({
  name: "asha",
  form: "promoting",
  trialsMax: 9,
  divisor: 3,
  rungs: 3,
  stepsMax: 9,
  concurrentMax: 0,
  ...over,
});
const said = (actions: SearchAction[]): string[] =>
  actions.map((a) => (a.type === "finish" ? a.type : `${a.type} ${a.trial}`));
const codes = (actions: SearchAction[]): SearchCause["code"][] => actions.map((a) => a.cause.code);
const started = (method: MethodSpec): Player => {
  const player = new Player(specOf(method));
  player.send({ type: "start" });
  return player;
};

test("the halving rule in its three forms", () => {
  const table: [number, number, boolean, number, number, number][] = [
    // arrived, divisor, closed → synchronous, promoting, stopping
    [0, 2, false, 0, 0, 0],
    [1, 2, false, 0, 0, 1],
    [1, 2, true, 1, 1, 1],
    [2, 2, false, 0, 1, 1],
    [5, 2, true, 2, 2, 2],
    [9, 3, false, 0, 3, 3],
    [8, 3, true, 2, 2, 2],
    [2, 4, true, 1, 1, 1],
    [3, 1.5, false, 0, 2, 2],
    [0, 3, true, 0, 0, 0],
  ];
  for (const [arrived, divisor, closed, ...expected] of table) {
    const got = (["synchronous", "promoting", "stopping"] as const).map((timing) =>
      passingCount(timing, { arrived, divisor, closed }),
    );
    assert.deepEqual(got, expected, JSON.stringify({ arrived, divisor, closed }));
  }
});

test("64 trials by 2: 64, 32, 16, 8, 4, 2, 1 with equal work, synchronous, whatever the order", () => {
  const orders = [(n: number) => n, (n: number) => -n, (n: number) => (n * 37) % 64];
  for (const order of orders) {
    const method: MethodSpec = {
      name: "hyperband",
      divisor: 2,
      trialsMax: 64,
      stepsMax: 64,
      stragglerFactor: 0,
      concurrentMax: 0,
    };
    const player = new Player(specOf(method));
    player.play(order, 5);
    assert.deepEqual(player.arrivals(), [[64, 32, 16, 8, 4, 2, 1]]);
    const rungs = searchRungs(player.spec, player.state);
    for (const { entries, step } of rungs) assert.equal(entries.length * step, 64);
    // The survivors are the true best at every level.
    const ranked = Array.from({ length: 64 }, (_, i) => i + 1).sort((a, b) => order(a) - order(b));
    for (const { entries } of rungs) {
      assert.deepEqual(
        entries.map((entry) => entry.trial),
        ranked.slice(0, entries.length),
      );
    }
  }
});

test("64 trials by 2, asynchronous, nobody promoted wrongly: the same trace, rung for rung", () => {
  const player = new Player(
    specOf(asha({ trialsMax: 64, divisor: 2, rungs: 7, stepsMax: 64, concurrentMax: 64 })),
  );
  player.play((trial) => trial);
  assert.deepEqual(player.arrivals(), [[64, 32, 16, 8, 4, 2, 1]]);
  const outcomes = searchRungs(player.spec, player.state).map(({ entries }) =>
    ["promoted", "stopped", "finished"].map((o) => entries.filter((e) => e.outcome === o).length),
  );
  assert.deepEqual(outcomes, [
    [32, 32, 0],
    [16, 16, 0],
    [8, 8, 0],
    [4, 4, 0],
    [2, 2, 0],
    [1, 1, 0],
    [0, 0, 1],
  ]);
});

test("promoting: the first waits, and goes on when enough have come behind it", () => {
  const player = started(asha({ concurrentMax: 1 }));
  assert.deepEqual(said(player.report(1, 1, 0.1)), ["pause 1", "create 2"]);
  assert.deepEqual(said(player.report(2, 1, 0.2)), ["pause 2", "create 3"]);
  const third = player.report(3, 1, 0.3);
  assert.deepEqual(said(third), ["pause 3", "train 1"]);
  assert.deepEqual(codes(third), ["waiting_for_rung", "promoted"]);
  assert.deepEqual(third[1]?.cause.standing, {
    bracket: 0,
    rung: 0,
    step: 1,
    objective: 0.1,
    rank: 1,
    of: 3,
    passing: 1,
    threshold: 0.1,
    competitors: [
      { trial: 1, objective: 0.1 },
      { trial: 2, objective: 0.2 },
      { trial: 3, objective: 0.3 },
    ],
  });
});

test("promoting: a newcomer good enough goes on without ever pausing", () => {
  const player = started(asha({ concurrentMax: 1 }));
  player.report(1, 1, 3);
  player.report(2, 1, 2);
  const third = player.report(3, 1, 1);
  assert.deepEqual(said(third), ["train 3"]);
  assert.equal(third[0]?.type === "train" && third[0].target, 3);
});

test("stopping: the first passes at once, a worse one ends", () => {
  const player = started(asha({ form: "stopping", concurrentMax: 2 }));
  assert.deepEqual(said(player.report(1, 1, 5)), ["train 1"]);
  const second = player.report(2, 1, 6);
  assert.deepEqual(said(second), ["stop 2"]);
  assert.equal(second[0]?.cause.code, "below_threshold");
  assert.equal(second[0]?.cause.standing?.threshold, 5);
  assert.deepEqual(said(player.exit(2)), ["create 3"]);
});

test("a report beyond several rungs passes all of them, each with its standing", () => {
  const player = started(asha({ form: "stopping", concurrentMax: 1 }));
  const actions = player.report(1, 9, 5);
  assert.deepEqual(said(actions), ["train 1", "train 1", "stop 1"]);
  assert.deepEqual(
    actions.map((a) => a.cause.standing?.rung),
    [0, 1, 2],
  );
  assert.deepEqual(codes(actions), ["promoted", "promoted", "reached_end"]);
});

test("a waiting trial that has already reported further counts at once when it goes on", () => {
  const player = started(asha({ trialsMax: 3, concurrentMax: 1 }));
  player.report(1, 4, 0.1); // beyond rung 1 (step 3) already
  player.report(1, 1, 9); // late: rung 0 has its value
  player.report(2, 1, 0.2);
  // The rung closes with this arrival; trial 3 holds the only place until its exit is known.
  assert.deepEqual(said(player.report(3, 1, 0.3)), ["stop 2", "stop 3"]);
  const third = player.exit(3);
  assert.deepEqual(said(third), ["train 1", "train 1"]);
  const last = third.findLast((a) => a.type === "train");
  assert.equal(last?.type === "train" && last.target, 9);
  assert.equal(last?.cause.standing?.objective, 0.1);
});

test("repeated, late and unknown reports change nothing", () => {
  const player = started(asha({ concurrentMax: 2 }));
  player.report(1, 1, 1);
  player.report(2, 1, 2);
  const before = JSON.stringify({ ...player.state, stepsHeard: 0, progress: 0 });
  for (const [trial, step, objective] of [
    [1, 1, 99],
    [1, 1, Number.NaN],
    [2, 0, -5],
    [2, 2, -5],
    [77, 1, 0],
    [0, 1, 0],
    [-1, 1, 0],
    [1.5, 1, 0],
  ] as const) {
    assert.deepEqual(player.report(trial, step, objective), []);
    player.send({ type: "exit", trial: 99, reason: "errored" });
  }
  // A step between rungs moves the progress only.
  const strip = (trial: { steps: number }) => ({ ...trial, steps: 0 });
  const after = { ...player.state, stepsHeard: 0, progress: 0 };
  assert.deepEqual(
    { ...after, trials: after.trials.map(strip) },
    { ...JSON.parse(before), trials: JSON.parse(before).trials.map(strip) },
  );
});

test("from a checkpoint on, progress and virtual time count what is trained after it", () => {
  const random: MethodSpec = { name: "random", trialsMax: 2, stepsMax: 120, concurrentMax: 0 };
  for (const deterministic of [{}, { deterministic: true as const }]) {
    const player = new Player(specOf(random, { startStep: 100, ...deterministic }));
    player.send({ type: "start" });
    player.report(1, 101, 1);
    assert.equal(player.state.progress, 0.99 / 40);
    assert.equal(player.state.virtual?.trials[1]?.due ?? 20, 20);
  }
});

test("a trial that was stopped and reports again is not counted again", () => {
  const player = started(asha({ form: "stopping", concurrentMax: 2 }));
  player.report(1, 1, 1);
  player.report(2, 1, 2);
  assert.deepEqual(player.report(2, 9, -100), []);
  player.exit(2);
  assert.deepEqual(player.report(2, 9, -100), []);
  assert.deepEqual(player.send({ type: "exit", trial: 2, reason: "errored" }), []);
  assert.deepEqual(player.arrivals(), [[2, 0, 0]]);
});

test("NaN and infinities rank behind every number and ties stand by age, in both directions", () => {
  for (const smallerIsBetter of [true, false]) {
    const player = new Player(specOf(asha({ concurrentMax: 9 }), { smallerIsBetter }), {
      restores: true,
    });
    player.send({ type: "start" });
    const values = [
      Number.NaN,
      1,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      1,
      Number.NEGATIVE_INFINITY,
      -0,
    ];
    for (const [i, value] of values.entries()) player.report(i + 1, 1, value);
    const order = searchRungs(player.spec, player.state)[0]?.entries.map((entry) => entry.trial);
    assert.deepEqual(order, smallerIsBetter ? [7, 2, 5, 1, 3, 4, 6] : [2, 5, 7, 1, 3, 4, 6]);
  }
});

test("a trial that errors on the way counts as an arrival behind everyone and is never promoted", () => {
  const player = started(asha({ concurrentMax: 3 }));
  player.exit(1, "errored");
  player.exit(2, "errored");
  player.report(3, 1, 7);
  const [bottom] = searchRungs(player.spec, player.state);
  assert.deepEqual(
    bottom?.entries.map((e) => [e.trial, e.outcome]),
    [
      [3, "promoted"],
      [1, "failed"],
      [2, "failed"],
    ],
  );
  assert.equal(player.trials.size, 5, "each got a successor");
  const promoted = player.log.find((action) => action.type === "train");
  assert.deepEqual(
    promoted?.cause.standing?.competitors,
    [
      { trial: 3, objective: 7 },
      { trial: 1, objective: null },
      { trial: 2, objective: null },
    ],
    "who never came has no value, which is something else than NaN",
  );
});

test("a waiting trial that is cancelled gives its place to the next", () => {
  const player = started(asha({ concurrentMax: 4, trialsMax: 27 }));
  player.report(1, 1, 1);
  player.report(2, 1, 2);
  player.exit(1, "canceled");
  assert.deepEqual(
    said(player.report(3, 1, 3)).filter((s) => s.startsWith("train")),
    ["train 2"],
  );
});

test("a trial that ends by itself gets a successor, and the search reaches max_trials", () => {
  const player = started(asha({ trialsMax: 20, concurrentMax: 4 }));
  while (player.finish === undefined) player.exit(player.with("training")[0] as number, "finished");
  assert.equal(player.trials.size, 20);
  assert.equal(player.finish.outcome, "completed");
});

test("what comes of a search: completed, errored, canceled", () => {
  const table = [
    [["errored", "errored", "errored"], "errored"],
    [["canceled", "canceled", "canceled"], "canceled"],
    [["errored", "canceled", "errored"], "canceled"],
    [["errored", "finished", "canceled"], "completed"],
    [["errored", "stopped", "errored"], "completed"],
  ] as const;
  for (const [reasons, outcome] of table) {
    const player = started({ name: "random", trialsMax: 3, stepsMax: 5, concurrentMax: 0 });
    for (const [i, reason] of reasons.entries()) player.exit(i + 1, reason);
    assert.equal(player.finish?.outcome, outcome, reasons.join());
    assert.equal(player.finish?.cause.code, "all_trials_over");
  }
});

test("impossible hyperparameters are replaced within the bound, and then the search says so", () => {
  for (const method of [
    asha({ trialsMax: 4, concurrentMax: 2 }),
    { name: "single", stepsMax: 3, concurrentMax: 0 } as const,
  ]) {
    const player = started(method);
    player.exit(1, "invalid_hyperparameters");
    assert.equal(player.log.at(-1)?.cause.code, "replacement");
    while (player.finish === undefined) {
      player.exit(player.with("training")[0] as number, "invalid_hyperparameters");
    }
    assert.equal(player.finish.outcome, "errored");
    assert.equal(player.finish.cause.code, "replacements_used_up");
    const made = player.trials.size;
    assert.equal(made, method.name === "single" ? 1 + 8 : 2 + 8, "first trials + replacements");
  }
});

test("an impossible trial leaves the rungs as if it had never been there", () => {
  const player = started(asha({ trialsMax: 9, concurrentMax: 9 }));
  player.report(1, 1, 1);
  player.report(2, 1, 2);
  player.exit(1, "invalid_hyperparameters");
  const [bottom] = searchRungs(player.spec, player.state);
  assert.deepEqual(
    bottom?.entries.map((e) => e.trial),
    [2],
  );
  assert.equal(player.log.at(-1)?.cause.code, "replacement");
  player.play((trial) => trial);
  assert.equal(player.finish?.outcome, "completed");
  assert.equal(player.trials.size, 10);
  assert.equal(player.arrivals()[0]?.[0], 9);
});

test("where another sample would be the same nothing is replaced", () => {
  const space = spaceOf({ only: { type: "const", value: 1 } });
  const player = new Player(specOf({ name: "single", stepsMax: 1, concurrentMax: 0 }, { space }));
  player.send({ type: "start" });
  player.exit(1, "invalid_hyperparameters");
  assert.equal(player.finish?.outcome, "errored");
  assert.equal(player.trials.size, 1);
});

test("a grid visits its points in order, once each, and replaces none", () => {
  const player = new Player(
    specOf({ name: "grid", stepsMax: 2, concurrentMax: 2 }, { space: lineSpace(5) }),
  );
  player.send({ type: "start" });
  const reasons = [
    "invalid_hyperparameters",
    "errored",
    "finished",
    "canceled",
    "invalid_hyperparameters",
  ] as const;
  for (const [i, reason] of reasons.entries()) player.exit(i + 1, reason);
  const points = player.log.flatMap((a) => (a.type === "create" ? [a.hyperparameters.x] : []));
  assert.deepEqual(points, [1, 2, 3, 4, 5]);
  assert.equal(player.finish?.outcome, "completed");
});

test("a rung that closes stops those without a chance, with their standing", () => {
  const player = started(asha({ trialsMax: 3, rungs: 2, concurrentMax: 3 }));
  player.report(1, 3, 1);
  player.report(2, 3, 2);
  const last = player.report(3, 3, 3);
  const stops = last.filter((a) => a.type === "stop");
  assert.deepEqual(said(stops), ["stop 2", "stop 3"]);
  assert.deepEqual(codes(stops), ["rung_closed", "rung_closed"]);
  assert.deepEqual(
    stops.map((a) => a.cause.standing?.rank),
    [2, 3],
  );
});

test("events before the start and after the end are not heard", () => {
  const player = new Player(specOf(asha()));
  assert.deepEqual(player.report(1, 1, 1), []);
  player.play((trial) => trial);
  assert.deepEqual(player.send({ type: "start" }), []);
  assert.deepEqual(player.send({ type: "tick" }), []);
  assert.deepEqual(player.exit(1), []);
});

test("trials of a mass stop show few competitors, a single decision at most 64", () => {
  const player = started(asha({ trialsMax: 300, concurrentMax: 300 }));
  for (let trial = 1; trial <= 300; trial++) player.report(trial, 1, trial);
  const stops = player.log.filter((a) => a.type === "stop" && a.cause.code === "rung_closed");
  assert.equal(stops.length, 200);
  for (const a of stops) assert.equal(a.cause.standing?.competitors.length, 16);
  const around = stops[0]?.cause.standing?.competitors.map((c) => c.trial) ?? [];
  assert.ok(
    around.includes(100) && around.includes(101),
    "the field is shown around the threshold",
  );
  const pause = player.log.findLast((a) => a.type === "pause");
  assert.equal(pause?.cause.standing?.competitors.length, 64);
});
