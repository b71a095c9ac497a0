import assert from "node:assert/strict";
import { test } from "node:test";
import type { MetricDifference } from "../../store/metric-diff.ts";
import { compareCheckpoints } from "./compare-checkpoints.ts";
import { judge } from "./judge.ts";

type Facts = Parameters<typeof judge>[1];

const ABOUT = { replay: 2, experiment: 1, trial: 1, askedBy: "ada" };
const CANCELED = { state: "canceled", end_reason: "canceled_by_user", reason: "canceled by ada" };

const loss = (more: Partial<MetricDifference> = {}): MetricDifference => ({
  ...{ name: "loss", both: 5, only_a: 0, only_b: 0 },
  ...{ first_step: null, first_a: null, first_b: null, last_a: 1, last_b: 1 },
  ...{ last_step_a: 5, last_step_b: 5, min_a: 1, min_b: 1, max_a: 1, max_b: 1 },
  ...more,
});

/** Both canceled at step 5, unless something else is said; saves are steps with their content. */
async function verdict(
  more: Partial<Facts> = {},
  [before, after]: [Record<number, string>, Record<number, string>] = [{}, {}],
): Promise<string> {
  const places = (saved: Record<number, string>) =>
    Object.entries(saved).map(([step, tree]) => ({
      ...{ step: Number(step), run: 1, tree: tree.replace("gone ", "") },
      gone: tree.startsWith("gone ") ? "not among the latest" : null,
    }));
  const { state, text } = judge(ABOUT, {
    others: [],
    checkpoints: await compareCheckpoints(places(before), places(after), {
      entries: async () => [],
      openBlob: async () => undefined,
    }),
    saves: Object.keys(before).length > 0,
    metrics: [loss()],
    original: { end_reason: "canceled_by_user", step: 5 },
    replay: { ...CANCELED, step: 5 },
    judgedBy: "loss",
    ...more,
  });
  return `${state} ${text}`;
}

test("a replay that ended as its trial did, and as far, is compared like any other", async () => {
  assert.match(await verdict(), /^identical by metrics only: 5 points/);
  assert.match(
    await verdict({}, [
      { 2: "a", 5: "b" },
      { 2: "a", 5: "b" },
    ]),
    /^identical 2 check/,
  );
});

test("a replay that ended as its trial did, but earlier, is not identical", async () => {
  const replay = { ...CANCELED, step: 2 };
  const wanted =
    /^not_comparable because the replay ended as canceled at step 2: canceled by ada; its trial came to step 5$/;
  assert.match(await verdict({ replay }), wanted);
  assert.match(await verdict({ replay }, [{ 2: "a" }, { 2: "a" }]), wanted);
  const completed = { ...replay, state: "completed", end_reason: "finished" };
  assert.match(await verdict({ replay: completed }, [{ 2: "a" }, { 2: "a" }]), /^not_comparable/);
});

test("a replay without the trial's last checkpoint, or points, is not identical though it came as far", async () => {
  assert.match(
    await verdict({}, [{ 2: "a", 5: "b" }, { 2: "a" }]),
    /^not_comparable because at step 5, the last at which its trial saved, the replay saved no/,
  );
  assert.match(
    await verdict({ metrics: [loss({ both: 3, only_a: 2, last_step_b: 3 })] }),
    /^not_comparable because of 5 points of metric loss that its trial reported, the last at step 5, the replay lacks 2, the last of its own at step 3$/,
  );
  const silent = loss({ name: "accuracy", both: 0, only_a: 5, last_step_b: null });
  assert.match(await verdict({ metrics: [silent, loss()] }), /^identical/);
  assert.match(
    await verdict({ metrics: [silent, loss()], judgedBy: null }),
    /^not_comparable because of 5 points of metric accuracy .* the replay lacks 5$/,
  );
});

test("a last checkpoint that is gone is compared by its hash, and where that differs nobody can say", async () => {
  assert.match(
    await verdict({}, [
      { 2: "a", 5: "gone b" },
      { 2: "a", 5: "b" },
    ]),
    /^identical 2 checkpoints/,
  );
  assert.match(
    await verdict({}, [
      { 2: "gone a", 5: "b" },
      { 2: "c", 5: "b" },
    ]),
    /^identical 1 checkpoint .*; 1 step left out$/,
  );
  assert.match(
    await verdict({}, [
      { 2: "a", 5: "gone b" },
      { 2: "a", 5: "c" },
    ]),
    /^not_comparable because at step 5, .* the trial's content is gone/,
  );
});

test("a difference is one however far the replay came", async () => {
  const replay = { ...CANCELED, step: 2 };
  const metrics = [loss({ both: 2, only_a: 3, first_step: 1, first_a: 1, first_b: 2 })];
  assert.match(await verdict({ replay, metrics }), /^differs by metrics only: from step 1/);
});
