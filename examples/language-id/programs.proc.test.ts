/** The programs as a person starts them, on a set small enough for a moment's training. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { writeDataset } from "./data.ts";

const run = promisify(execFile);
const HERE = import.meta.dirname;
let folder: string;
let dataset: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "language-id-"));
  dataset = join(folder, "set");
  const words = (letters: string) =>
    Array.from({ length: 80 }, (_, i) =>
      [...i.toString(4).padStart(4, "0")].map((digit) => letters[Number(digit)]).join(""),
    ).sort();
  await writeDataset(
    dataset,
    new Map([
      ["aa", words("abcd")],
      ["bb", words("cdef")],
    ]),
  );
});

after(() => rm(folder, { recursive: true, force: true }));

const node = (program: string, ...args: string[]) =>
  run(process.execPath, [join(HERE, program), ...args]);

/** Trains alone for three epochs and returns the folder of the last checkpoint. */
async function train(params: object, names = dataset): Promise<string> {
  const { CONTRAIL_SOCKET: _, ...environment } = process.env;
  const cwd = await mkdtemp(join(folder, "run-"));
  await run(process.execPath, [join(HERE, "train.ts")], {
    cwd,
    env: {
      ...environment,
      CONTRAIL_STEPS: "3",
      CONTRAIL_SEED: "7",
      CONTRAIL_DATA_PATHS: JSON.stringify({ names }),
      CONTRAIL_PARAMS: JSON.stringify(params),
    },
  });
  return join(cwd, "checkpoints", "step-3");
}

async function contentOf(directory: string): Promise<Map<string, Buffer>> {
  const files = (await readdir(directory)).sort();
  const read = async (file: string) => [file, await readFile(join(directory, file))] as const;
  return new Map(await Promise.all(files.map(read)));
}

test("training alone leaves a checkpoint that evaluates, the same bytes each time", async () => {
  const params = { optimizer: "adagrad", learning_rate: 0.1, dropout: 0.1 };
  const [first, second] = [await train(params), await train(params)];
  assert.deepEqual(await contentOf(first), await contentOf(second));
  const { accuracy, epochs } = JSON.parse(
    (await node("evaluate.ts", first, dataset, "--json")).stdout,
  );
  assert.equal(epochs, 3);
  assert.ok(accuracy > 0.6, `${accuracy}`);
});

test("a choice that cannot work ends with its faults named", async () => {
  await assert.rejects(train({ hidden: 0 }), /hidden is 0 and must be/);
});

test("training does without the test strings", async () => {
  const blind = join(folder, "blind");
  await cp(dataset, blind, { recursive: true });
  await rm(join(blind, "test.tsv"));
  assert.ok((await contentOf(await train({}, blind))).has("model.json"));
});

test("baseline and defaults answer in JSON", async () => {
  const set = join(folder, "again");
  const words = ["ana", "nana", "banana", "kana", "mana", "lana", "sana", "tana", "pana", "vana"];
  await writeDataset(
    set,
    new Map([
      ["aa", words],
      ["bb", words.map((word) => `${word}x`)],
    ]),
  );
  const baseline = JSON.parse((await node("baseline.ts", set, "--json")).stdout);
  assert.ok(baseline.accuracy >= 0 && baseline.accuracy <= 1);
  assert.equal(baseline.profile_length, 300);
  const defaults = JSON.parse((await node("defaults.ts", set, "--json")).stdout);
  assert.equal(defaults.epochs, 9);
  assert.equal(defaults.test_strings, baseline.test_strings);
});

for (const program of ["data.ts", "baseline.ts", "defaults.ts", "evaluate.ts"])
  test(`${program} without arguments says how it is used`, async () => {
    await assert.rejects(node(program), { code: 2, stderr: new RegExp(`usage: node ${program}`) });
  });
