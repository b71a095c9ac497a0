import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Example } from "./data.ts";
import { byLanguage } from "./evaluation.ts";
import { loadModel, Model } from "./model.ts";
import { OPTIMIZERS, type OptimizerName } from "./optimizer.ts";
import { DEFAULTS, faultsOf, type Parameters } from "./parameters.ts";

const LANGUAGES = ["aa", "bb", "cc"];
const EXAMPLES: Example[] = LANGUAGES.flatMap((language, i) =>
  Array.from({ length: 30 }, (_, n) => ({
    language,
    name: `${"xyz"[i]}${(n * 7919).toString(36)}${"lmn"[i]}`,
  })),
);

const parametersFor = (optimizer: OptimizerName): Parameters => ({
  features: { ngram_max: 3, buckets: 64 },
  hidden: 4,
  activation: "tanh",
  optimizer,
  learning_rate: 0.05,
  rate_decay: 0.8,
  dropout: 0.3,
  ...(optimizer === "sgd" ? { momentum: 0.6 } : {}),
});

async function temporary(t: { after(fn: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "language-id-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function saved(model: Model, folder: string): Promise<Map<string, string>> {
  await mkdir(folder);
  await model.save(folder);
  const files = (await readdir(folder)).sort();
  const hex = async (file: string) => (await readFile(join(folder, file))).toString("hex");
  return new Map(await Promise.all(files.map(async (file) => [file, await hex(file)] as const)));
}

for (const optimizer of OPTIMIZERS)
  test(`pausing after every epoch ends in the same bytes as never pausing (${optimizer})`, async (t) => {
    const folder = await temporary(t);
    const parameters = parametersFor(optimizer);
    const whole = new Model(parameters, LANGUAGES, 5);
    const train = whole.label(EXAMPLES);
    for (let epoch = 0; epoch < 4; epoch++) whole.trainEpoch(train);

    let paused = new Model(parameters, LANGUAGES, 5);
    for (let epoch = 1; epoch <= 4; epoch++) {
      paused.trainEpoch(train);
      await saved(paused, join(folder, `${epoch}`));
      paused = new Model(parameters, LANGUAGES, 999);
      await paused.restore(join(folder, `${epoch}`));
    }

    const expected = await saved(whole, join(folder, "whole"));
    assert.deepEqual(await saved(paused, join(folder, "paused")), expected);
    assert.equal(paused.epochs, 4);
    assert.deepEqual(paused.score(train), whole.score(train));
    // The comparison means something only if training has moved the parameters and uses its memory.
    const fresh = await saved(new Model(parameters, LANGUAGES, 5), join(folder, "fresh"));
    for (const [file, bytes] of expected) assert.notEqual(bytes, fresh.get(file), file);
  });

test("the same seed gives the same model, another seed another one", async (t) => {
  const folder = await temporary(t);
  const trained = async (seed: number, name: string) => {
    const model = new Model(parametersFor("adagrad"), LANGUAGES, seed);
    model.trainEpoch(model.label(EXAMPLES));
    return saved(model, join(folder, name));
  };
  const first = await trained(1, "a");
  assert.deepEqual(await trained(1, "b"), first);
  assert.notDeepEqual(await trained(2, "c"), first);
});

test("a checkpoint alone is enough to load the model, and it learns what is there to learn", async (t) => {
  const folder = await temporary(t);
  const model = new Model({ ...parametersFor("adagrad"), dropout: 0 }, LANGUAGES, 1);
  const data = model.label(EXAMPLES);
  const before = model.score(data).loss;
  for (let epoch = 0; epoch < 8; epoch++) model.trainEpoch(data);
  await saved(model, join(folder, "model"));
  const loaded = await loadModel(join(folder, "model"));
  assert.deepEqual(loaded.parameters, model.parameters);
  assert.deepEqual(loaded.score(data), model.score(data));
  assert.equal(loaded.score(data).accuracy, 1);
  assert.ok(loaded.score(data).loss < before / 2);
});

test("a checkpoint of another shape and a language unknown to the model are refused", async (t) => {
  const folder = await temporary(t);
  await saved(new Model(parametersFor("sgd"), LANGUAGES, 1), join(folder, "model"));
  const wider = new Model({ ...parametersFor("sgd"), hidden: 5 }, LANGUAGES, 1);
  await assert.rejects(wider.restore(join(folder, "model")), /other hyperparameters/);
  assert.throws(() => wider.label([{ language: "dd", name: "x" }]), /language dd/);
});

test("the defaults are sound, and every fault of a choice is named at once", () => {
  assert.deepEqual(faultsOf(DEFAULTS), []);
  for (const optimizer of OPTIMIZERS) assert.deepEqual(faultsOf(parametersFor(optimizer)), []);
  const faults = faultsOf({
    ...DEFAULTS,
    features: { ngram_max: 0, buckets: 1000 },
    learning_rate: Number.NaN,
    momentum: 1,
  });
  assert.deepEqual(
    faults.map((fault) => fault.split(" ")[0]),
    ["features.ngram_max", "features.buckets", "learning_rate", "momentum"],
  );
});

test("results by language: lowest first, with the most frequent mistake", () => {
  const examples = ["aa", "aa", "aa", "aa", "bb"].map((language) => ({ language, name: "" }));
  assert.deepEqual(byLanguage(examples, ["aa", "bb", "cc", "cc", "bb"]), [
    { language: "aa", strings: 4, accuracy: 0.25, mistaken_for: "cc" },
    { language: "bb", strings: 1, accuracy: 1 },
  ]);
});
