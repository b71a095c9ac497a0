/** Which checkpoints of a trial are made, what is said of each, and what becomes of one that is refused. */
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { JsonObject } from "../base/json.ts";
import { begin, FakeRunner, goTo, save, surroundings, yieldNow } from "./fake-runner.ts";
import { init } from "./init.ts";
import type { Save } from "./trial.ts";

test("a checkpoint is saved at each step that the experiment wants, whatever else asks for one", async () => {
  const { runner, trial } = await begin({
    orders: goTo(6),
    welcome: { checkpointSteps: [2, 3, 9] },
    onWait: () => yieldNow("stop", 6),
  });
  await using _ = runner;
  for await (const step of trial.steps()) await trial.checkpoint(step, save);
  assert.deepEqual(
    runner.kept.map(({ step }) => step),
    [2, 3, 6],
  );
});

test("an offer is taken when the last checkpoint is old, and at once when always is said", async () => {
  const { runner, trial, around } = await begin({
    orders: goTo(6),
    onWait: () => yieldNow("stop", 6),
  });
  await using _ = runner;
  for await (const step of trial.steps()) {
    await trial.checkpoint(step, save, { metadata: { of: step } });
    assert.ok(!runner.kept.some((k) => k.step === step));
    around.nowMs += 25_000;
    if (step === 4) {
      await trial.checkpoint(step, save, { always: true });
      assert.equal(runner.kept.at(-1)!.step, 4);
    }
  }
  assert.deepEqual(
    runner.kept.map(({ step, metadata }) => ({ step, metadata })),
    [
      { step: 3, metadata: { of: 3 } },
      { step: 4, metadata: {} },
      { step: 6, metadata: { of: 6 } },
    ],
  );
});

test("a note is shown with the checkpoint of its own step, and no other", async () => {
  const { runner, trial } = await begin({
    orders: goTo(3),
    welcome: { checkpointSteps: [1, 2] },
    onWait: () => yieldNow("stop", 3),
  });
  await using _ = runner;
  for await (const step of trial.steps({ save }))
    if (step === 1) await trial.checkpoint(step, save, { metadata: { of: step } });
  assert.deepEqual(
    runner.kept.map(({ step, metadata }) => ({ step, metadata })),
    [
      { step: 1, metadata: { of: 1 } },
      { step: 2, metadata: {} },
      { step: 3, metadata: {} },
    ],
  );
});

test("a checkpoint that is saved at once leaves what the loop saves by as it is", async () => {
  const onWait = () => yieldNow("stop", 2);
  const other = (folder: string) => writeFileSync(join(folder, "best"), "best");
  const names = async (how: { save?: Save }) => {
    const { runner, trial } = await begin({ orders: goTo(2), onWait });
    await using _ = runner;
    for await (const step of trial.steps(how))
      if (step === 1) await trial.checkpoint(step, other, { always: true, metadata: { of: step } });
    assert.deepEqual(
      runner.kept.map(({ metadata }) => metadata),
      [{ of: 1 }, {}],
    );
    return runner.kept.map(({ path }) => readdirSync(path)[0]);
  };
  assert.deepEqual(await names({ save }), ["best", "model"]);
  // With nothing else to save by, it is better than nothing.
  assert.deepEqual(await names({}), ["best", "best"]);
});

test("a checkpoint that is saved at once and not kept is tried again as it was", async () => {
  let refusals = 1;
  const { runner, trial } = await begin({
    orders: goTo(2),
    onWait: () => yieldNow("stop", 2),
    refuses: (step) => (step === 2 && refusals-- > 0 ? "the disk is full" : null),
  });
  await using _ = runner;
  for await (const step of trial.steps()) {
    const ofStep = (folder: string) => writeFileSync(join(folder, `model-${step}`), "weights");
    await trial.checkpoint(step, ofStep, { always: true, metadata: { of: step } });
  }
  assert.deepEqual(
    runner.kept.map(({ step, path, metadata }) => [step, readdirSync(path), metadata]),
    [
      [1, ["model-1"], { of: 1 }],
      [2, ["model-2"], { of: 2 }],
    ],
  );
});

test("a checkpoint's note travels as what it is, and what is none is refused before anything is saved", async () => {
  const { runner, trial } = await begin({ orders: goTo(1), onWait: () => yieldNow("stop", 1) });
  await using _ = runner;
  const note = {
    ...{ nan: Number.NaN, best: { up: Number.POSITIVE_INFINITY, at: [1, 2n] } },
    ...{ inexact: 2n ** 53n + 1n, text: "x".repeat(1000), day: new Date(0), missing: undefined },
  } as unknown as JsonObject;
  const loop: unknown[] = [];
  loop.push(loop);
  const broken = [
    [{ best: { of: [() => 1] } }, /metadata_invalid: .*\(\) => 1 as metadata\.best\.of\.0/],
    [{ loop }, /metadata_invalid: .*at most 32 levels/],
    [[1], /metadata_invalid: .*\[1\] as metadata;/],
    [{ text: "ü".repeat(524_283) }, /metadata_invalid: .* 1048577 bytes of JSON as metadata;/],
  ] as const;
  for await (const step of trial.steps()) {
    for (const [metadata, text] of broken) {
      const options = { always: true, metadata: metadata as unknown as JsonObject };
      await assert.rejects(
        trial.checkpoint(step, () => assert.fail("was saved"), options),
        text,
      );
    }
    await trial.checkpoint(step, save, { metadata: note });
  }
  assert.deepEqual(runner.kept[0]?.metadata, {
    ...{ nan: "NaN", best: { up: "Infinity", at: [1, 2] } },
    ...{ inexact: "9007199254740993", text: "x".repeat(1000), day: "1970-01-01T00:00:00.000Z" },
  });
});

test("a note is read by the rank that saves alone", async () => {
  await using runner = await FakeRunner.start({ orders: goTo(1), welcome: { size: 2 } });
  const trial = await init(
    {},
    surroundings({ CONTRAIL_SOCKET: runner.socketPath, CONTRAIL_RANK: "1" }),
  );
  const metadata = { loss: { toJSON: () => assert.fail("was read") } } as unknown as JsonObject;
  for (const always of [false, true]) await trial.checkpoint(1, save, { always, metadata });
});

test("a checkpoint that is not kept is a warning; the next pause tries again", async () => {
  let refusals = 1;
  const { runner, trial, around } = await begin({
    orders: goTo(1),
    onWait: () => yieldNow("pause", 1),
    refuses: () => (refusals-- > 0 ? "the disk is full" : null),
  });
  await using _ = runner;
  for await (const step of trial.steps({ save })) trial.report(step, { loss: 1 });
  assert.deepEqual(around.warned, ["the checkpoint of step 1 was not kept: the disk is full"]);
  assert.deepEqual(
    runner.kept.map((k) => k.step),
    [1],
  );
});
