import assert from "node:assert/strict";
import { test } from "node:test";
import { hashNames } from "./features.ts";
import { ACTIVATIONS, type Activation, type Labelled, Network } from "./network.ts";
import { Table } from "./optimizer.ts";
import { seeded } from "./random.ts";

const PLAIN = { name: "sgd", momentum: 0 } as const;

function tiny(activation: Activation): { network: Network; data: Labelled } {
  const network = new Network({ classes: 3, buckets: 16, hidden: 4, activation, optimizer: PLAIN });
  network.initialise(seeded(11));
  // Larger vectors than training starts from: the hidden units leave the linear part of tanh.
  for (let i = 0; i < network.embedding.values.length; i++) network.embedding.values[i]! *= 8;
  const features = hashNames(["peru"], { ngramMax: 2, buckets: 16 });
  return { network, data: { features, labels: Uint16Array.of(1) } };
}

for (const activation of ACTIVATIONS)
  test(`one step moves every parameter by its numeric gradient (${activation})`, () => {
    const { network, data } = tiny(activation);
    for (const table of [network.embedding, network.output]) {
      const numeric = Array.from(table.values, (value, i) => {
        const lossAt = (moved: number): [number, number] => {
          table.values[i] = moved;
          return [table.values[i]!, network.score(data).loss];
        };
        const [high, above] = lossAt(value + 1e-3);
        const [low, below] = lossAt(value - 1e-3);
        table.values[i] = value;
        return (above - below) / (high - low);
      });
      assert.ok(numeric.some((slope) => Math.abs(slope) > 0.01));
      const rate = 0.125;
      const { network: moved } = tiny(activation);
      const after = table === network.embedding ? moved.embedding : moved.output;
      const before = Float32Array.from(after.values);
      moved.trainEpoch(data, seeded(1), { rate, dropout: 0 });
      numeric.forEach((slope, i) => {
        const step = (before[i]! - after.values[i]!) / rate;
        assert.ok(Math.abs(step - slope) < 1e-4, `parameter ${i}: moved ${step}, slope ${slope}`);
      });
    }
  });

test("probabilities sum to one and training on one name makes it likelier", () => {
  const { network, data } = tiny("tanh");
  const before = network.score(data).loss;
  network.trainEpoch(data, seeded(1), { rate: 0.1, dropout: 0 });
  const { accuracy, loss } = network.score(data);
  assert.ok(loss < before);
  assert.ok(accuracy === 0 || accuracy === 1);
  const sum = network.probabilities.reduce((total, p) => total + p, 0);
  assert.ok(Math.abs(sum - 1) < 1e-12);
});

test("a name whose n-grams were all dropped still has probabilities", () => {
  const { network, data } = tiny("relu");
  const loss = network.trainEpoch(data, seeded(1), { rate: 0.1, dropout: 0.999999 });
  assert.ok(Number.isFinite(loss));
});

const GRADIENT = Float64Array.of(3, -4);
/** Mean square of the gradient: (9 + 16) / 2. */
const MEAN_SQUARE = 12.5;

function moved(table: Table, times: number): number[] {
  for (let i = 0; i < times; i++) table.update(1, GRADIENT, 1, 0.1);
  assert.deepEqual([table.values[0], table.values[1]], [0, 0], "another row moved");
  return [table.values[2]!, table.values[3]!];
}

function assertNear(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]!) < 1e-5, `${actual} is not ${expected}`);
  });
}

test("sgd moves against the gradient, with momentum further the second time", () => {
  assertNear(moved(new Table(2, 2, PLAIN), 2), [-0.6, 0.8]);
  const heavy = new Table(2, 2, { name: "sgd", momentum: 0.5 });
  assertNear(moved(heavy, 2), [-0.1 * (3 + 4.5), 0.1 * (4 + 6)]);
});

test("adagrad divides by the root of all squares so far", () => {
  const size = 1 / Math.sqrt(MEAN_SQUARE) + 1 / Math.sqrt(2 * MEAN_SQUARE);
  const table = new Table(2, 2, { name: "adagrad", momentum: 0 });
  assertNear(moved(table, 2), [-0.1 * 3 * size, 0.1 * 4 * size]);
});

test("adam's corrected means make equal gradients equal steps", () => {
  const size = 2 / Math.sqrt(MEAN_SQUARE);
  const table = new Table(2, 2, { name: "adam", momentum: 0 });
  assertNear(moved(table, 2), [-0.1 * 3 * size, 0.1 * 4 * size]);
});

test("n-grams: all lengths, word marks at the ends and between words, code points whole", () => {
  const count = (name: string, ngramMax: number): number =>
    hashNames([name], { ngramMax, buckets: 1 << 16 }).rows.length;
  // _ab_: a b, _a ab b_, _ab ab_
  assert.equal(count("ab", 1), 2);
  assert.equal(count("ab", 2), 5);
  assert.equal(count("ab", 3), 7);
  assert.equal(count("\u{11107}", 1), 1);
  const rows = (name: string): number[] => [
    ...hashNames([name], { ngramMax: 3, buckets: 1 << 16 }).rows,
  ];
  const both = new Set(rows("ab cd"));
  for (const row of [...rows("ab"), ...rows("cd")]) assert.ok(both.has(row));
  const two = hashNames(["ab", "cd"], { ngramMax: 2, buckets: 64 });
  assert.deepEqual([...two.starts], [0, 5, 10]);
});
