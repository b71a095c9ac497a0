/** Trials that are paused k times at random steps, and what must be the same about them. */
import assert from "node:assert/strict";
import { keyed } from "../src/base/random.ts";
import type { TrialDetail } from "../src/protocol/api.ts";
import { compareTrees } from "../src/store/tensors/tensors.ts";
import type { Stand } from "./support.ts";

/** Every number of pauses up to this one: E2E_PAUSES=2 for a quick look, E2E_PAUSES=10 for all of them everywhere. */
const PAUSES_MAX = process.env.E2E_PAUSES;

/** Programs that take long to start are tried with some of the numbers, unless all are asked for. */
const SOME = [0, 1, 3, 6, 10];
const ALL_MAX = 10;

export const single = (steps: number) => ({
  ...{ name: "single", metric: "loss", smaller_is_better: true },
  max_length: { batches: steps },
});

/** Of all steps: each pause that comes while a run holds there takes one more, and all of them have to find room. */
const HOLD_SHARE = 0.7;

/**
 * Runs it once without and once with each number of pauses, and compares each with the first. The program
 * has to hold at the steps of E2E_HOLD_AT: one for each run, past which it does not go before it is to stop.
 */
export async function withPauses(
  it: Stand,
  options: {
    readonly config: object;
    readonly folder: string;
    readonly steps: number;
    readonly some?: boolean;
  },
): Promise<TrialDetail> {
  const counts =
    options.some === true && PAUSES_MAX === undefined
      ? SOME
      : Array.from({ length: Number(PAUSES_MAX ?? ALL_MAX) + 1 }, (_, count) => count);
  const waiting = counts.toReversed();
  const trials = new Map<number, TrialDetail>();
  const work = async (): Promise<void> => {
    for (let count = waiting.pop(); count !== undefined; count = waiting.pop()) {
      const pauses = pausesAt(count, options.steps, 20_261_128);
      trials.set(count, await runPaused(it, { ...options, pauses }));
    }
  };
  // As many at once as there are slots for; each waits for its own steps.
  await Promise.all([work(), work(), work()]);
  const straight = trials.get(0);
  assert.ok(straight);
  for (const count of counts.slice(1)) {
    const paused = trials.get(count);
    assert.ok(paused);
    await assertSameBits(it, straight, paused);
  }
  return straight;
}

/** Steps after which to pause, in order. A run that is to be paused holds still at `HOLD_SHARE`, where the order takes a while. */
function pausesAt(count: number, steps: number, seed: number): number[] {
  const random = keyed(seed, "pauses", count);
  const last = Math.floor(steps * 0.6);
  return Array.from({ length: count }, () => 1 + random.below(last)).sort((a, b) => a - b);
}

/** Runs the configuration to its end, with a pause after each of these steps (or as soon after it as may be). */
async function runPaused(
  it: Stand,
  options: {
    readonly config: object;
    readonly folder: string;
    readonly steps: number;
    readonly pauses: readonly number[];
  },
): Promise<TrialDetail> {
  const { config, folder, pauses } = options;
  const holdAt = Math.floor(options.steps * HOLD_SHARE);
  const environment_variables = { E2E_HOLD_AT: pauses.map(() => holdAt).join(",") };
  const { id } = await it.submit({ ...config, environment: { environment_variables } }, folder);
  const trial = `${id}.1`;
  for (const [index, step] of pauses.entries()) {
    await it.trialWhen(
      trial,
      `is past step ${step} in its run ${index + 1}`,
      // Of this run: what an earlier one reached says nothing about whether this one trains.
      ({ state, step: reached, allocations }) =>
        state === "running" && reached >= Math.max(step, firstStep(allocations[index]) + 1),
    );
    await it.client.changeTrial(trial, "pause");
    await it.trialWhen(trial, "is paused", ({ state }) => state === "paused");
    await it.client.changeTrial(trial, "activate");
  }
  const experiment = await it.ended(id, 240_000);
  assert.equal(experiment.state, "completed", experiment.reason);
  const detail = await it.client.trial(trial);
  assert.equal(detail.allocations.length, pauses.length + 1, "each pause took effect");
  return detail;
}

const firstStep = (run: TrialDetail["allocations"][number] | undefined): number =>
  run?.start_step ?? Number.POSITIVE_INFINITY;

/** Both have trained as far, reported the same, and left the same bits in every tensor. */
async function assertSameBits(it: Stand, a: TrialDetail, b: TrialDetail): Promise<void> {
  assert.equal(b.step, a.step);
  assert.equal(b.seed, a.seed);
  assert.deepEqual(await it.series(b.id), await it.series(a.id));
  const [left, right] = await Promise.all(
    [a, b].map(async ({ checkpoint }) => (await it.client.checkpoint(checkpoint?.id ?? "")).tree),
  );
  const found = await compareTrees(left!, right!, async (hash, range) => {
    const bytes = Buffer.from(await new Response(await it.client.getBlob(hash)).arrayBuffer());
    const part = range === undefined ? bytes : bytes.subarray(range.start, range.end + 1);
    return { stream: one(part), size: bytes.length };
  });
  assert.notEqual(found.state, "differs", JSON.stringify(found, null, 2));
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
