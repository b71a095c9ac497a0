import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FakeRunner, goTo, surroundings, yieldNow } from "./fake-runner.ts";
import { init } from "./init.ts";
import { TrialError } from "./trial-errors.ts";

test("declared parameters win, defaults fill what is missing, at every depth", async () => {
  const params = { lr: 0.5, net: { width: 8 }, list: [1] };
  await using runner = await FakeRunner.start({ orders: goTo(1), welcome: { params } });
  const around = surroundings({ CONTRAIL_SOCKET: runner.socketPath, CONTRAIL_PARAMS: "{}" });
  const defaults = { lr: 0.1, decay: 0.01, net: { width: 4, depth: 2 }, list: [7, 8] };
  const trial = await init({ params: defaults }, around);
  assert.deepEqual(trial.params, {
    lr: 0.5,
    decay: 0.01,
    net: { width: 8, depth: 2 },
    list: [1],
  });
  assert.equal(trial.params.net.depth, 2);
});

test("alone, the environment wins over init", async () => {
  const around = surroundings({
    CONTRAIL_PARAMS: '{"lr":0.5}',
    CONTRAIL_SEED: "41",
    CONTRAIL_STEPS: "2",
    CONTRAIL_DATA_PATHS: '{"names":"/data"}',
  });
  const trial = await init({ params: { lr: 1, width: 3 }, seed: 5, steps: 9 }, around);
  assert.deepEqual(trial.params, { lr: 0.5, width: 3 });
  assert.deepEqual([trial.seed, trial.rank, trial.size, trial.id], [41, 0, 1, null]);
  assert.deepEqual(trial.data, { names: "/data" });
  const seen: number[] = [];
  for await (const step of trial.steps()) seen.push(step);
  assert.deepEqual(seen, [1, 2]);
  assert.match(around.warned.join("\n"), /running alone to step 2 with seed 41/);
});

test("alone, reports are lines and checkpoints are folders; resume goes on from the latest", async () => {
  const checkpoints = join(mkdtempSync(join(tmpdir(), "contrail-alone-")), "checkpoints");
  const run = async (steps: number, resume: boolean) => {
    const around = surroundings({});
    const trial = await init({ steps, resume, checkpoints }, around);
    let sum = 0;
    const restore = (folder: string) => {
      sum = Number(readFileSync(join(folder, "sum"), "utf8"));
    };
    for await (const step of trial.steps({ restore })) {
      sum += step;
      trial.report(step, { sum, third: step / 3, loss: Number.NaN });
      await trial.checkpoint(step, (folder) => writeFileSync(join(folder, "sum"), String(sum)));
    }
    return around;
  };
  try {
    const first = await run(2, false);
    assert.deepEqual(first.printed, [
      "step 1  sum=1  third=0.333333  loss=NaN",
      "step 2  sum=3  third=0.666667  loss=NaN",
    ]);
    assert.deepEqual(readdirSync(checkpoints), ["step-2"]);
    await run(10, true);
    const third = await run(11, true);
    assert.deepEqual(third.printed, ["step 11  sum=66  third=3.66667  loss=NaN"]);
    assert.deepEqual(readdirSync(checkpoints).sort(), ["step-10", "step-11", "step-2"]);
    assert.match(third.warned[0]!, /going on after step 10/);
    const over = await run(11, true);
    assert.deepEqual(over.printed, []);
    const again = await run(2, false);
    assert.equal(again.printed.length, 2);
  } finally {
    rmSync(join(checkpoints, ".."), { recursive: true });
  }
});

test("alone, resuming with nothing there starts at step 1 and says so", async () => {
  const around = surroundings({});
  const trial = await init({ resume: true, checkpoints: "/nowhere/at/all" }, around);
  assert.match(around.warned[0]!, /nothing to resume/);
  assert.equal(trial.restored, null);
  assert.ok(!existsSync("/nowhere/at/all"));
});

test("alone, one step is trained unless more are asked for", async () => {
  const trial = await init({}, surroundings({}));
  const seen: number[] = [];
  for await (const step of trial.steps()) seen.push(step);
  assert.deepEqual(seen, [1]);
});

test("in an experiment without a length the script ends where it would alone, once it is all told", async () => {
  const ends: [Parameters<typeof init>[0], Record<string, string>, number[]][] = [
    [{ steps: 3 }, {}, [1, 2, 3]],
    [{ steps: 3 }, { CONTRAIL_STEPS: "2" }, [1, 2]],
    [{}, {}, [1]],
  ];
  for (const [options, environment, expected] of ends) {
    await using runner = await FakeRunner.start({
      orders: goTo(null),
      welcome: { openEnded: true },
    });
    const around = surroundings({ CONTRAIL_SOCKET: runner.socketPath, ...environment });
    const trial = await init(options, around);
    const seen: number[] = [];
    for await (const step of trial.steps({ save: (to) => writeFileSync(join(to, "w"), "1") }))
      seen.push(step);
    await runner.until(() => runner.story.at(-1) === "bye");
    assert.deepEqual(seen, expected);
    assert.deepEqual(runner.story, [`checkpoint ${expected.at(-1)}`, "bye"], "and asks nobody");
    assert.equal(around.warned.length, 1);
    assert.match(around.warned[0]!, new RegExp(`no length; training to step ${expected.at(-1)} `));
  }
});

test("a target of null in any other experiment means until told, whatever steps says", async () => {
  await using runner = await FakeRunner.start({
    orders: goTo(null),
    onReport: ({ step }) => (step === 4 ? yieldNow("stop") : undefined),
  });
  const around = surroundings({ CONTRAIL_SOCKET: runner.socketPath, CONTRAIL_STEPS: "1" });
  const trial = await init({ steps: 2 }, around);
  let last = 0;
  for await (const step of trial.steps()) {
    trial.report(step, { loss: 1 });
    last = step;
  }
  assert.ok(last >= 4, `it ended at ${last}`);
  assert.deepEqual(around.warned, []);
});

test("what cannot be meant is refused with its name and value", async () => {
  const cases: [Parameters<typeof init>[0], Record<string, string>, RegExp][] = [
    [{}, { CONTRAIL_STEPS: "ten" }, /^environment_invalid: .*CONTRAIL_STEPS is "ten"/],
    [{}, { CONTRAIL_SEED: "-1" }, /^environment_invalid: .*CONTRAIL_SEED/],
    [{}, { CONTRAIL_PARAMS: "[1]" }, /^environment_invalid: .*CONTRAIL_PARAMS is "\[1\]"/],
    [{}, { CONTRAIL_PARAMS: "{" }, /^environment_invalid: .*CONTRAIL_PARAMS/],
    [{ steps: 1.5 }, {}, /^option_invalid: .*steps = 1\.5/],
    [{ seed: Number.NaN }, {}, /^option_invalid: .*seed = NaN/],
    [{ checkpointIntervalMs: -1 }, {}, /^option_invalid: .*checkpointIntervalMs = -1/],
  ];
  for (const [options, environment, expected] of cases) {
    const attempt = init(options, surroundings(environment));
    await assert.rejects(attempt, (e) => e instanceof TrialError && expected.test(e.message));
  }
});
