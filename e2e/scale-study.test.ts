/**
 * `contrail scale-study`: real runs with a few counts of slots, and what is said of one that was not run. How long steps really
 * take is this machine's affair; what is shown is that all figures follow from the times that were recorded. That a law is
 * found in such times is shown beside it (src/analysis/scaling.test.ts).
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { typicalTime } from "../src/analysis/scaling.ts";
import type { StudyResult } from "../src/cli/scale-study/study-result.ts";
import { collect, sharedStand } from "./support.ts";

const SERIAL_MS = 50;
const PARALLEL_MS = 250;
const close = (a: number | null | undefined, b: number): boolean =>
  typeof a === "number" && Math.abs(a / b - 1) < 1e-9;

const CONFIG = `name: known law
labels: [example]
entrypoint: node known_law.ts   # a study leaves the rest of the file as it is
hyperparameters:
  serial_ms: ${SERIAL_MS}
  parallel_ms: ${PARALLEL_MS}
  rate: { type: double, minval: 0, maxval: 1 }
searcher: { name: asha, metric: loss, smaller_is_better: true, max_length: { epochs: 90 }, max_trials: 9 }
budget: { money: { max: 100, per_slot_hour: 3.6, currency: EUR } }
`;

/** From report to report, the first step left out. A report has one time for all its metrics. */
function secondsBetween(points: readonly { step: number; time: string }[]): number[] {
  const at = new Map(points.map(({ step, time }) => [step, Date.parse(time)]));
  return [2, 3, 4, 5].map((step) => (at.get(step)! - at.get(step - 1)!) / 1000);
}

describe("a scale study", () => {
  const shared = sharedStand({ slots: 8 });

  test("fits a law to the times that were recorded, and answers for a count that was not run", async () => {
    const it = shared();
    const folder = await it.codeFolder({ "config.yaml": CONFIG }, ["known_law.ts"]);
    const study = ["scale-study", "config.yaml", ".", "--slots", "1,2,4", "--steps", "4"];
    const ran = await it.contrail([...study, "--warmup", "1", "--predict", "8", "--json"], {
      cwd: folder,
    });
    assert.equal(ran.code, 0, ran.stderr);
    const result = JSON.parse(ran.stdout) as StudyResult;
    assert.equal(result.law.name, "amdahl");
    assert.deepEqual([result.unit, result.length, result.currency], ["epochs", 90, "EUR"]);
    assert.deepEqual(
      result.rows.map(({ slots, measured }) => [slots, measured?.steps ?? null]),
      [
        [1, 4],
        [2, 4],
        [4, 4],
        [8, null],
      ],
    );
    // Recorded: experiments like any other, with one choice of hyperparameters.
    const experiments = await collect(labelled(result.study));
    assert.deepEqual(
      experiments.map(({ name, state, labels, plan }) => [
        name,
        state,
        labels.includes("example"),
        plan.slots_per_trial,
      ]),
      [4, 2, 1].map((slots) => [
        `known law (${slots} ${slots === 1 ? "slot" : "slots"})`,
        "completed",
        true,
        slots,
      ]),
    );
    const trials = await Promise.all(experiments.map(({ id }) => it.client.trial(`${id}.1`)));
    assert.equal(new Set(trials.map(({ hyperparameters }) => hyperparameters.rate)).size, 1);
    assert.ok(trials.every(({ step }) => step === 5));
    assert.deepEqual(
      trials.map(({ allocations }) => allocations[0]?.slots.length),
      [4, 2, 1],
    );
    const typical = new Map<number, number>();
    for (const { id, plan } of experiments) {
      const points = (await collect(it.client.points({ ids: `${id}.1` }))).flat();
      const sizes = points.filter(({ name }) => name === "size").map(({ value }) => value);
      assert.deepEqual(sizes, new Array(5).fill(plan.slots_per_trial), "a rank for each slot");
      typical.set(plan.slots_per_trial, typicalTime(secondsBetween(points)));
    }
    for (const { slots, measured } of result.rows)
      if (measured !== null)
        assert.ok(close(measured.seconds_per_step, typical.get(slots)!), `${slots} slots`);

    const { serial_seconds: serial, parallel_seconds: parallel } = result.law;
    for (const row of result.rows) {
      const { low, high, seconds_per_step: byLaw } = row.predicted;
      const what = JSON.stringify(row);
      assert.ok(close(byLaw, serial + parallel / row.slots), what);
      assert.ok(low !== null && high !== null && low <= byLaw && byLaw <= high, what);
      const seconds = typical.get(row.slots) ?? byLaw;
      assert.ok(close(row.slot_seconds_per_step, seconds * row.slots), what);
      assert.ok(close(row.speed_up, typical.get(1)! / seconds), what);
      assert.ok(close(row.efficiency, typical.get(1)! / seconds / row.slots), what);
      assert.ok(close(row.whole?.seconds, seconds * 90), what);
      // 3.60 an hour is a thousandth a second.
      assert.ok(close(row.whole?.money, (seconds * row.slots * 90) / 1000), what);
    }
    const { config_text: text } = await it.client.experiment(experiments[0]!.id);
    assert.match(text, /# a study leaves the rest of the file as it is/);

    // Asked again without running anything.
    const again = await it.contrail([
      "scale-study",
      "--study",
      result.study,
      "--warmup",
      "1",
      "--predict",
      "16",
    ]);
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /Amdahl's law \(1967\): of one epoch /);
    assert.match(again.stdout, /^16 {2}█+░*…? [\d.]+ m?s by the law$/m);
    assert.equal((await collect(labelled(result.study))).length, 3);
  });

  async function* labelled(label: string) {
    yield* (await shared().client.experiments({ label, limit: 20 })).items;
  }

  test("refuses at once what can never fit, and says what a run that failed said", async () => {
    const it = shared();
    const folder = await it.codeFolder(
      { "config.yaml": CONFIG, "bad.yaml": CONFIG.replace("known_law", "none") },
      ["known_law.ts"],
    );
    const before = (await it.client.experiments({ limit: 100 })).items.length;
    const wide = await it.contrail(["scale-study", "config.yaml", ".", "--slots", "1,9"], {
      cwd: folder,
    });
    assert.notEqual(wide.code, 0);
    assert.match(wide.stderr, /each trial needs 9 slots; there are 8/);
    for (const [args, words] of [
      [["config.yaml", "--slots", "2"], /one count says nothing of the others/],
      [["config.yaml"], /needs a configuration and the counts/],
      [["--study", "scale-study-none"], /No experiment that has completed is labelled/],
    ] as const) {
      const { code, stderr } = await it.contrail(["scale-study", ...args], { cwd: folder });
      assert.notEqual(code, 0);
      assert.match(stderr, words);
    }
    assert.equal((await it.client.experiments({ limit: 100 })).items.length, before);
    const failed = await it.contrail(["scale-study", "bad.yaml", ".", "--slots", "1,2"], {
      cwd: folder,
    });
    assert.equal(failed.code, 6, failed.stdout);
    assert.match(failed.stderr, /1 slot \(1 of 2\)\) ended as error/);
  });
});
