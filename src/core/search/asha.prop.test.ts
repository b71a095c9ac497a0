/**
 * Promoting `asha` against a second implementation: Algorithm 2 of Li et al. 2020 as it stands in the paper,
 * with lists that are sorted again for every decision. What is a race over counters and kept orders in
 * `race.ts` must name the same trial for the same rung, decision by decision, while the bottom rung grows.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rungSteps } from "./rung-steps.ts";
import type { SearchAction } from "./search.ts";
import { Player, specOf } from "./search-fixtures.test.ts";

interface Result {
  readonly trial: number;
  readonly loss: number;
}

/** `get_job` of the paper: `trial@rung`, or nothing once `trialsMax` were made and nobody may go on. */
class Paper {
  readonly #rungs: Result[][];
  readonly #promoted: Set<number>[];
  made = 0;
  readonly #limits: { readonly divisor: number; readonly trialsMax: number };

  constructor(rungs: number, limits: { readonly divisor: number; readonly trialsMax: number }) {
    this.#rungs = Array.from({ length: rungs }, () => []);
    this.#promoted = this.#rungs.map(() => new Set());
    this.#limits = limits;
  }

  note(rung: number, result: Result): void {
    this.#rungs[rung]?.push(result);
  }

  job(): string[] {
    for (let k = this.#rungs.length - 2; k >= 0; k--) {
      const results = this.#rungs[k] as Result[];
      const best = results.toSorted((a, b) => a.loss - b.loss || a.trial - b.trial);
      const top = best.slice(0, Math.floor(results.length / this.#limits.divisor));
      const next = top.find(({ trial }) => !this.#promoted[k]?.has(trial));
      if (next === undefined) continue;
      this.#promoted[k]?.add(next.trial);
      return [`${next.trial}@${k + 1}`];
    }
    return this.made < this.#limits.trialsMax ? [`${++this.made}@0`] : [];
  }
}

test("promoting asha decides as Algorithm 2 of the paper does, decision by decision", () => {
  const limits = fc.record({
    divisor: fc.constantFrom(2, 2.5, 3, 4),
    rungs: fc.integer({ min: 1, max: 5 }),
    stepsMax: fc.integer({ min: 1, max: 100 }),
    trialsMax: fc.integer({ min: 1, max: 40 }),
    concurrentMax: fc.integer({ min: 1, max: 8 }),
  });
  const results = fc.array(fc.record({ pick: fc.nat(), loss: fc.integer({ min: 0, max: 20 }) }), {
    minLength: 60,
    maxLength: 150,
  });
  let decisions = 0;
  const property = fc.property(limits, results, (method, reports) => {
    const player = new Player(specOf({ name: "asha", form: "promoting", ...method }));
    const steps = rungSteps(method.stepsMax, method.divisor, method.rungs);
    const paper = new Paper(steps.length, method);
    const running = new Map<number, number>();
    const given = (actions: readonly SearchAction[]): string[] =>
      actions.flatMap((action) => {
        if (action.type !== "create" && action.type !== "train") return [];
        const rung = steps.indexOf(action.target);
        running.set(action.trial, rung);
        return [`${action.trial}@${rung}`];
      });
    const first = Array.from({ length: method.concurrentMax }, () => paper.job()).flat();
    assert.deepEqual(given(player.send({ type: "start" })), first);
    for (const { pick, loss } of reports) {
      // From then on a closed rung lets somebody on whom the paper would leave waiting.
      if (paper.made === method.trialsMax) return;
      const [trial, rung] = [...running][pick % running.size] as [number, number];
      running.delete(trial);
      paper.note(rung, { trial, loss });
      const said = player.report(trial, steps[rung] as number, loss);
      const top = rung === steps.length - 1;
      const job = given(top ? [...said, ...player.exit(trial, "stopped")] : said);
      const wanted = paper.job();
      if (paper.made === method.trialsMax) return;
      assert.deepEqual(job, wanted);
      decisions++;
    }
  });
  fc.assert(property, { seed: 20_200_302, numRuns: 500 });
  assert.ok(decisions > 5_000, `only ${decisions} decisions were compared`);
});
