/** A trial paused k times ends with the same parameters, bit for bit, as one that never was. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { FakeRunner, goTo, type Kept, surroundings, yieldNow } from "./fake-runner.ts";
import { init } from "./init.ts";
import type { Trial } from "./trial.ts";

const SEED = 20_260_701;
const STEPS = 9;

/** Momentum descent on noisy data: weights, velocity and the generator are all state. */
class Model {
  readonly numbers = new Float64Array(8);
  #noise: number;

  constructor(seed: number) {
    this.#noise = seed >>> 0;
  }

  /** One xorshift step, in [0, 1). */
  #random(): number {
    this.#noise ^= this.#noise << 13;
    this.#noise ^= this.#noise >>> 17;
    this.#noise = (this.#noise ^ (this.#noise << 5)) >>> 0;
    return this.#noise / 2 ** 32;
  }

  train(): number {
    let loss = 0;
    for (let i = 0; i < 4; i++) {
      const error = this.numbers[i]! - Math.sin(i + 1) + 0.1 * this.#random();
      this.numbers[4 + i] = 0.9 * this.numbers[4 + i]! - 0.05 * error;
      this.numbers[i]! += this.numbers[4 + i]!;
      loss += error * error;
    }
    return loss;
  }

  save = (folder: string) => {
    writeFileSync(join(folder, "numbers"), new Uint8Array(this.numbers.buffer));
    writeFileSync(join(folder, "noise"), String(this.#noise));
  };

  restore = (folder: string) => {
    const bytes = readFileSync(join(folder, "numbers"));
    new Uint8Array(this.numbers.buffer).set(bytes);
    this.#noise = Number(readFileSync(join(folder, "noise"), "utf8"));
  };
}

async function train(trial: Trial): Promise<Model> {
  const model = new Model(trial.seed);
  for await (const step of trial.steps({ restore: model.restore })) {
    // Offered before the step is trained: what is saved must be the model after the whole body.
    await trial.checkpoint(step, model.save);
    trial.report(step, { loss: model.train() });
  }
  return model;
}

/** One process's life under the runner's orders. `pauseAt` 0: never. */
async function session(from: Kept | null, targets: readonly number[], pauseAt: number) {
  const restore = from && { step: from.step, path: from.path };
  const next = (step: number) => targets.find((target) => target > step) ?? STEPS;
  const runner = await FakeRunner.start({
    orders: goTo(next(from?.step ?? 0)),
    welcome: { restore, seed: 11 },
    onReport: (report) => (report.step === pauseAt ? yieldNow("pause", STEPS) : undefined),
    onWait: (step) =>
      step >= STEPS ? yieldNow("stop") : step === pauseAt ? yieldNow("pause") : goTo(next(step)),
  });
  const around = surroundings({ CONTRAIL_SOCKET: runner.socketPath });
  const model = await train(await init({}, around));
  return { runner, model, kept: runner.kept.at(-1)!, reports: runner.reports };
}

test("pausing never changes the result, nor the reports", async () => {
  await using straight = (await session(null, [], 0)).runner;
  const expected = readFileSync(join(straight.kept.at(-1)!.path, "numbers")).toString("hex");
  const step = fc.integer({ min: 1, max: STEPS - 1 });
  const plan = fc.record({
    targets: fc.uniqueArray(step, { maxLength: 3 }).map((all) => all.sort((a, b) => a - b)),
    pauses: fc.uniqueArray(step, { maxLength: 4 }).map((all) => all.sort((a, b) => a - b)),
  });
  const holds = async ({ targets, pauses }: { targets: number[]; pauses: number[] }) => {
    const runners: FakeRunner[] = [];
    try {
      let kept: Kept | null = null;
      const reported: unknown[] = [];
      for (const pauseAt of [...pauses, 0]) {
        if (pauseAt !== 0 && kept !== null && pauseAt <= kept.step) continue;
        const part: Awaited<ReturnType<typeof session>> = await session(kept, targets, pauseAt);
        runners.push(part.runner);
        kept = part.kept;
        reported.push(...part.reports);
        if (kept.step === STEPS) break;
      }
      assert.equal(readFileSync(join(kept!.path, "numbers")).toString("hex"), expected);
      assert.deepEqual(reported, straight.reports);
    } finally {
      for (const runner of runners) await runner[Symbol.asyncDispose]();
    }
  };
  await fc.assert(fc.asyncProperty(plan, holds), { seed: SEED, numRuns: 40 });
});
