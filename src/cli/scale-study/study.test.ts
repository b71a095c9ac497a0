/** What a study submits, and how it is shown. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigValue, readConfig } from "../../protocol/config/config.ts";
import { COLOUR_PAINT, NO_PAINT } from "../paint.ts";
import { visibleColumns } from "../watch-view.ts";
import { lengthOf, studyText, unitOf } from "./study-config.ts";
import { type StudyFacts, studyResult } from "./study-result.ts";
import { stepText, studyLines } from "./study-view.ts";

const TEXT = `# mine
name: digits
entrypoint: python3 train.py  # as it is
hyperparameters: {lr: {type: log, base: 10, minval: -4, maxval: -1}}
searcher: {name: asha, metric: accuracy, smaller_is_better: false, max_length: {batches: 900}, max_trials: 9, divisor: 3}
resources: {slots_per_trial: 1, priority: 7}
budget: {money: {max: 5, per_slot_hour: 2}}
max_restarts: 3
reproducibility: {experiment_seed: 4, checkpoint_steps: [100]}
`;

function configOf(text: string) {
  const reading = readConfig(text);
  assert.ok(reading.ok, JSON.stringify(reading));
  return reading.config;
}

test("a study's runs differ in their slots and in nothing else", () => {
  const config = configOf(TEXT);
  assert.deepEqual([unitOf(config), lengthOf(config)], ["batches", 900]);
  const texts = [1, 4].map((slots) =>
    studyText(TEXT, config, { slots, steps: 12, study: "scale-study-ab" }),
  );
  const [one, four] = texts.map(configOf);
  assert.equal(four?.name, "digits (4 slots)");
  assert.deepEqual(four?.labels, ["scale-study", "scale-study-ab"]);
  assert.equal(four?.resources.slots_per_trial, 4);
  assert.deepEqual({ ...four, name: one?.name, resources: one?.resources }, one);
  assert.deepEqual(
    [
      four?.searcher.name,
      four?.searcher.metric,
      four?.searcher.smaller_is_better,
      four?.searcher.max_length,
    ],
    ["single", "accuracy", false, { batches: 12 }],
  );
  assert.deepEqual([four?.budget, four?.max_restarts, four?.resources.priority], [null, 0, 7]);
  assert.deepEqual(
    [four?.reproducibility.experiment_seed, four?.reproducibility.checkpoint_steps],
    [4, []],
  );
  for (const text of texts) assert.match(text, /^# mine[\s\S]*# as it is/);
});

test("what has no search, no length and no name can be studied too", () => {
  const text = "entrypoint: ./train\n";
  const config = configOf(text);
  assert.equal(lengthOf(config), null);
  const run = configOf(studyText(text, config, { slots: 2, steps: 5, study: "scale-study-ab" }));
  assert.deepEqual([run.searcher.max_length, run.resources.slots_per_trial], [{ steps: 5 }, 2]);
  assert.ok(checkConfigValue(run as unknown as Parameters<typeof checkConfigValue>[0]).ok);
});

const facts = (more: Partial<StudyFacts> = {}): StudyFacts => ({
  study: "scale-study-ab",
  unit: "epochs",
  length: 9,
  price: { perSlotHour: 3600, currency: "EUR" },
  predict: [8],
  runs: [1, 2, 4].map((slots) => ({
    ...{ slots, experiment: 10 + slots },
    steps: [1, 1.02, 0.98].map((noise) => (0.2 + 0.8 / slots) * noise),
  })),
  ...more,
});

test("the table says time, efficiency and cost, and what nobody ran", () => {
  const result = studyResult(facts());
  const lines = studyLines(result, { width: 140, paint: NO_PAINT });
  assert.match(lines[0] ?? "", /^slots +an epoch +90 % interval/);
  assert.match(lines[1] ?? "", /^ +1 +1 s .* 1 +100 % +1 s +9\.0 s +9\.00 +11$/);
  assert.match(lines[3] ?? "", /^ +4 +400 ms .* 2\.5 +6[23] % +1\.6 s +3\.6 s +14\.40 +14$/);
  assert.match(lines[4] ?? "", /^ +8 +300 ms .*3\.33 +42 % .* by the law$/);
  const text = lines.join("\n");
  assert.match(
    text,
    /Amdahl's law \(1967\): of one epoch 200 ms are the same with any number of slots \(20 %/,
  );
  assert.match(text, /fastest with 8 slots \(2\.7 s\), least slot time with 1 \(9\.0 s of slots\)/);
});

test("no line is wider than the terminal, however odd the figures are", () => {
  const wild = facts({
    runs: [1, 2, 1000].map((slots) => ({
      slots,
      experiment: slots,
      steps: [slots * 900, slots * 2000],
    })),
    predict: [512],
  });
  for (const width of [40, 80, 120])
    for (const line of studyLines(studyResult(wild), { width, paint: COLOUR_PAINT }).filter((one) =>
      /^ *\d+ {2}\S*█/.test(one),
    ))
      assert.ok(visibleColumns(line) <= width, `${visibleColumns(line)} > ${width}: ${line}`);
});

test("two counts have no interval, and it says what to do", () => {
  const { runs } = facts();
  const result = studyResult(
    facts({ runs: runs.slice(0, 2), predict: [], length: null, price: null }),
  );
  const text = studyLines(result, { width: 100, paint: NO_PAINT }).join("\n");
  assert.match(text, /measure a third count \(--slots 1,2,4\), or each again \(--repeat 2\)/);
  assert.doesNotMatch(text, /░|EUR|fastest/);
  assert.throws(() => studyResult(facts({ runs: runs.slice(0, 1) })), RangeError);
});

test("steps of any length are readable", () => {
  assert.deepEqual([0.00123, 0.5, 3.2116, 59, 600].map(stepText), [
    "1.23 ms",
    "500 ms",
    "3.21 s",
    "59 s",
    "10 min",
  ]);
});
