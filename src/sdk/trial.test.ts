import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { begin, FakeRunner, goTo, save, surroundings, yieldNow } from "./fake-runner.ts";
import { init } from "./init.ts";
import { TrialError } from "./trial-errors.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("trains to the target, saves, waits, goes on and stops when told", async () => {
  const options = {
    orders: goTo(2),
    onWait: (step: number) => (step < 5 ? goTo(5) : yieldNow("stop", 5)),
  };
  const { runner, trial } = await begin(options);
  await using _ = runner;
  const seen: number[] = [];
  for await (const step of trial.steps({ save })) {
    seen.push(step);
    trial.report(step, { loss: 1 / step });
  }
  await runner.until(() => runner.story.at(-1) === "bye");
  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  assert.deepEqual(runner.story, [
    "report 1",
    "report 2",
    "checkpoint 2",
    "wait 2",
    "report 3",
    "report 4",
    "report 5",
    "checkpoint 5",
    "wait 5",
    "bye",
  ]);
  assert.equal(readFileSync(join(runner.kept[0]!.path, "model"), "utf8"), "weights");
});

test("knows its facts", async () => {
  const params = { lr: 0.1, net: { width: 8 } };
  const { runner, trial } = await begin({
    orders: goTo(1),
    welcome: { params, data: { names: "/data/names" } },
  });
  await using _ = runner;
  assert.deepEqual(trial.params, params);
  assert.deepEqual([trial.id, trial.seed, trial.rank, trial.size], ["3.12", 7, 0, 1]);
  assert.deepEqual(trial.data, { names: "/data/names" });
  assert.equal(trial.restored, null);
  assert.equal(trial.shouldStop, false);
});

test("a pause at the target ends the loop after one checkpoint; the next session goes on", async () => {
  const first = await begin({ orders: goTo(2), onWait: () => yieldNow("pause", 2) });
  await using runner = first.runner;
  for await (const step of first.trial.steps({ save })) first.trial.report(step, { loss: step });
  assert.deepEqual(
    runner.kept.map((k) => k.step),
    [2],
  );
  const restore = { step: 2, path: runner.kept[0]!.path };
  const second = await begin({
    orders: goTo(3),
    welcome: { restore },
    onWait: () => yieldNow("stop"),
  });
  await using _ = second.runner;
  const loaded: unknown[] = [];
  const seen: number[] = [];
  const load = (path: string, step: number) => void loaded.push({ path, step });
  for await (const step of second.trial.steps({ restore: load, save })) seen.push(step);
  assert.deepEqual(loaded, [restore]);
  assert.deepEqual(seen, [3]);
});

test("a pause in the middle is taken when the body is over, with a checkpoint of that step", async () => {
  const { runner, trial } = await begin({
    orders: goTo(100),
    onReport: (r) => (r.step === 3 ? yieldNow("pause", 100) : undefined),
  });
  await using _ = runner;
  let model = 0;
  for await (const step of trial.steps()) {
    trial.report(step, { loss: 0 });
    await trial.checkpoint(step, (folder) => writeFileSync(join(folder, "model"), String(model)));
    if (step === 3) while (!trial.shouldStop) await turn();
    model += 1;
  }
  await runner.until(() => runner.story.at(-1) === "bye");
  assert.deepEqual(
    runner.kept.map((k) => k.step),
    [3],
  );
  assert.equal(readFileSync(join(runner.kept[0]!.path, "model"), "utf8"), "3");
});

for (const [where, target] of [
  ["in the middle", 100],
  ["that overtakes the target's checkpoint", 1],
] as const)
  test(`a stop ${where} ends the loop with a checkpoint`, async () => {
    const onReport = () => yieldNow("stop", target);
    const { runner, trial } = await begin({ orders: goTo(target), onReport });
    await using _ = runner;
    const seen: number[] = [];
    for await (const step of trial.steps({ save })) {
      seen.push(step);
      trial.report(step, { loss: 0 });
      while (!trial.shouldStop) await turn();
    }
    assert.deepEqual(seen, [1]);
    await runner.until(() => runner.story.at(-1) === "bye");
    assert.deepEqual(
      runner.kept.map((k) => k.step),
      [1],
    );
  });

test("a pause before any step changes nothing: no step, no checkpoint, goodbye", async () => {
  const restore = { step: 4, path: "/nowhere" };
  const { runner, trial, around } = await begin({
    orders: yieldNow("pause", 9),
    welcome: { restore },
  });
  await using _ = runner;
  for await (const _step of trial.steps({ restore: () => {}, save })) assert.fail("no step is due");
  await runner.until(() => runner.story.length > 0);
  assert.deepEqual(runner.story, ["bye"]);
  assert.deepEqual(around.warned, []);
});

test("a target that was reached before the restart is waited for again, not trained again", async () => {
  const restore = { step: 3, path: "/nowhere" };
  const { runner, trial } = await begin({
    orders: goTo(3),
    welcome: { restore },
    onWait: (step) => (step === 3 ? goTo(4) : yieldNow("stop")),
  });
  await using _ = runner;
  const seen: number[] = [];
  for await (const step of trial.steps({ restore: () => {} })) seen.push(step);
  assert.deepEqual(seen, [4]);
  assert.equal(runner.story[0], "wait 3");
});

test("no target means on and on, until told", async () => {
  const { runner, trial } = await begin({ orders: goTo(null) });
  await using _ = runner;
  let last = 0;
  for await (const step of trial.steps()) {
    last = step;
    if (step === 50) {
      runner.push(yieldNow("stop"));
      while (!trial.shouldStop) await turn();
    }
  }
  assert.equal(last, 50);
  assert.ok(!runner.story.some((line) => line.startsWith("wait")));
});

test("metrics travel as what they are", async () => {
  const { runner, trial } = await begin({ orders: goTo(1), onWait: () => yieldNow("stop") });
  await using _ = runner;
  const odd = {
    nan: Number.NaN,
    up: Number.POSITIVE_INFINITY,
    down: Number.NEGATIVE_INFINITY,
    zero: -0,
    tiny: 5e-324,
    big: 2 ** 53,
    exact: 2n ** 60n,
    inexact: 2n ** 53n + 1n,
    label: 'a "b"\n',
    yes: true,
    nothing: null,
    missing: undefined,
    deep: { a: [1] },
  } as unknown as Record<string, number>;
  for await (const step of trial.steps()) trial.report(step, odd);
  assert.equal(
    runner.lines[0],
    '{"type":"report","step":1,"metrics":{"nan":"NaN","up":"Infinity","down":"-Infinity","zero":-0,' +
      '"tiny":5e-324,"big":9007199254740992,"exact":1152921504606846976,"inexact":"9007199254740993",' +
      '"label":"a \\"b\\"\\n","yes":true,"nothing":null,"missing":"undefined","deep":{"a":[1]}}}',
  );
});

test("when the runner goes away, training goes on to the known target and one line says so", async () => {
  const { runner, trial, around } = await begin({ orders: goTo(5) });
  await using _ = runner;
  const seen: number[] = [];
  for await (const step of trial.steps({ save })) {
    seen.push(step);
    if (step === 2) await runner.die();
    trial.report(step, { loss: 1 });
  }
  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  assert.equal(around.warned.filter((line) => line.includes("the runner went away;")).length, 1);
});

test("when the runner goes away during a wait, the loop ends", async () => {
  const { runner, trial } = await begin({ orders: goTo(1) });
  await using _ = runner;
  const finished = (async () => {
    for await (const step of trial.steps()) trial.report(step, { loss: 1 });
  })();
  await runner.until(() => runner.story.includes("wait 1"));
  await runner.die();
  await finished;
});

test("a runner that takes nothing costs memory up to a bound, then reports, never time", async () => {
  const { runner, trial, around } = await begin({
    orders: goTo(1),
    onWait: () => yieldNow("stop"),
  });
  await using _ = runner;
  runner.setDeaf(true);
  const wide = { [`metric-${"x".repeat(200_000)}`]: 1 };
  for await (const step of trial.steps()) {
    for (let i = 0; i < 120; i++) trial.report(step, wide);
    runner.setDeaf(false);
  }
  await runner.until(() => runner.story.at(-1) === "bye");
  const dropped = 120 - runner.reports.length;
  assert.ok(dropped > 0 && runner.reports.length > 80, `${dropped} dropped`);
  assert.ok(around.warned.some((line) => line === `${dropped} reports were dropped in all`));
});

test("ranks leave at the same step, whenever each of them hears of it", async () => {
  const { runner, trial } = await begin({
    orders: goTo(9),
    welcome: { size: 2 },
    onReport: ({ step }) => (step === 3 ? yieldNow("pause", 9) : undefined),
  });
  await using _ = runner;
  const around = surroundings({ CONTRAIL_SOCKET: runner.socketPath, CONTRAIL_RANK: "1" });
  const other = await init({}, around);
  assert.equal(other.rank, 1);
  const run = async (t: typeof trial) => {
    const seen: number[] = [];
    for await (const step of t.steps({ save })) {
      seen.push(step);
      t.report(step, { loss: 1 });
      await t.checkpoint(step, save, { always: t.rank === 1 });
    }
    return seen;
  };
  // The second one begins when the first has left: what was agreed holds for it all the same.
  assert.deepEqual(
    [await run(trial), await run(other)],
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
  );
  assert.equal(runner.reports.length, 3);
  assert.deepEqual(
    runner.kept.map((k) => k.step),
    [3],
  );
});

test("a pause without anything to save says what is lost", async () => {
  const { runner, trial, around } = await begin({
    orders: goTo(1),
    onWait: () => yieldNow("pause", 1),
  });
  await using _ = runner;
  for await (const step of trial.steps()) trial.report(step, { loss: 1 });
  assert.match(around.warned.join(), /paused at step 1 without a checkpoint.*from the start/);
});

test("a loop that is left early says no goodbye", async () => {
  const { runner, trial } = await begin({ orders: goTo(5) });
  await using _ = runner;
  for await (const step of trial.steps()) {
    trial.report(step, { loss: 1 });
    break;
  }
  await runner.until(() => runner.story.length === 1);
  assert.deepEqual(runner.story, ["report 1"]);
});

const code = (expected: string) => (error: unknown) =>
  error instanceof TrialError && error.code === expected && error.message.startsWith(expected);

test("mistakes are named", async () => {
  const restore = { step: 3, path: "/nowhere" };
  const { runner, trial } = await begin({ orders: goTo(9), welcome: { restore } });
  await using _ = runner;
  assert.throws(() => trial.report(1.5, {}), code("step_invalid"));
  assert.throws(() => trial.report(-1, {}), code("step_invalid"));
  assert.throws(() => trial.report(2 ** 53, {}), code("step_invalid"));
  assert.throws(
    () => trial.report(1, 3 as unknown as Record<string, number>),
    code("metrics_invalid"),
  );
  await assert.rejects(trial.steps().next(), code("restore_missing"));
  await assert.rejects(trial.steps().next(), code("steps_twice"));
  await assert.rejects(trial.invalidHyperparameters("too wide"), code("invalid_hyperparameters"));
  await runner.until(() => runner.story.length > 0);
  assert.deepEqual(runner.heard, [{ type: "invalid_hyperparameters", reason: "too wide" }]);
});

test("any rank may say that the hyperparameters cannot work", async () => {
  await using runner = await FakeRunner.start({ orders: goTo(9), welcome: { size: 2 } });
  const around = surroundings({ CONTRAIL_SOCKET: runner.socketPath, CONTRAIL_RANK: "1" });
  const trial = await init({}, around);
  await assert.rejects(trial.invalidHyperparameters("too wide"), code("invalid_hyperparameters"));
  await runner.until(() => runner.story.length > 0);
  assert.deepEqual(runner.heard, [{ type: "invalid_hyperparameters", reason: "too wide" }]);
});

test("mistakes inside the loop are named, and leave no folder behind", async () => {
  const { runner, trial } = await begin({ orders: goTo(9) });
  await using _ = runner;
  for await (const step of trial.steps()) {
    await assert.rejects(trial.checkpoint(step + 1, save), code("checkpoint_step_mismatch"));
    await assert.rejects(
      trial.checkpoint(step, () => {}, { always: true }),
      code("checkpoint_empty"),
    );
    const broken = () => Promise.reject(new RangeError("no"));
    await assert.rejects(trial.checkpoint(step, broken, { always: true }), RangeError);
    break;
  }
  assert.deepEqual(readdirSync(join(runner.folder, "spool")), []);
});

test("a socket that is named but silent is an error", async () => {
  const around = surroundings({ CONTRAIL_SOCKET: "/nowhere/trial.sock" });
  await assert.rejects(init({}, around), code("runner_unreachable"));
});
