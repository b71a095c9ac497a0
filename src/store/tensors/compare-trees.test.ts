import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { treeComparison } from "../../protocol/api/comparison.ts";
import { MissingBlob } from "./byte-source.ts";
import { compareTrees } from "./compare-trees.ts";
import { floats, openAll, py, safetensors, torchFile, treeOf, zip } from "./test-model-files.ts";

type Files = Readonly<Record<string, Uint8Array>>;

async function compare(a: Files, b: Files) {
  const [left, right] = [treeOf(a), treeOf(b)];
  const found = await compareTrees(left.tree, right.tree, openAll(left.blobs, right.blobs));
  return treeComparison.parse(found);
}

/** The one file of two trees of one file. */
async function compareFile(a: Uint8Array, b: Uint8Array, path = "model") {
  const { differences } = await compare({ [path]: a }, { [path]: b });
  assert.equal(differences.length, 1);
  return differences[0]!;
}

const f32 = (...values: number[]) => ({
  dtype: "F32",
  shape: [values.length],
  data: floats(...values),
});

describe("two snapshots", () => {
  test("of the same bytes are identical and are not opened", async () => {
    const { tree } = treeOf({ "model.pt": Buffer.from("x"), "a/b": Buffer.from("y") });
    const found = await compareTrees(tree, tree, () => assert.fail("opened"));
    assert.equal(found.state, "identical");
    assert.deepEqual(found.files, { a: 2, b: 2, identical: 2, equal: 0, differing: 0 });
    assert.equal(found.first, null);
  });

  test("are told apart by files that one of them lacks, and by the first differing byte", async () => {
    const found = await compare(
      { both: Buffer.from("abcd"), left: Buffer.from(""), longer: Buffer.from("ab") },
      { both: Buffer.from("abXd"), right: Buffer.from(""), longer: Buffer.from("abc") },
    );
    assert.equal(found.state, "differs");
    assert.deepEqual(
      found.differences.map(({ path, state, first_byte }) => [path, state, first_byte]),
      [
        ["both", "differs", 2],
        ["left", "only_in_a", null],
        ["longer", "differs", 2],
        ["right", "only_in_b", null],
      ],
    );
    assert.deepEqual(found.first, { path: "both", item: null, max_abs: null });
  });

  test("name the first tensor that differs, in the order of the file, and by how much", async () => {
    const [a, b] = [f32(1, 2, 3), f32(1, 2.5, 2)];
    const found = await compare(
      { "m.safetensors": safetensors({ z: f32(0), "2": a, a }) },
      { "m.safetensors": safetensors({ z: f32(0), "2": b, a: b }) },
    );
    assert.deepEqual(found.first, { path: "m.safetensors", item: "2", max_abs: 1 });
    const [file] = found.differences;
    assert.deepEqual(file?.items, { compared: 3, differing: 2 });
    assert.deepEqual(file?.differences[0], {
      ...{ name: "2", kind: "values", a: "float32 [3]", b: "float32 [3]" },
      ...{ differing: 2, elements: 3, max_abs: 1, index: [1] },
    });
  });

  test("a blob that is not there is an error, not a difference", async () => {
    const [a, b] = [treeOf({ f: Buffer.from("a") }), treeOf({ f: Buffer.from("b") })];
    await assert.rejects(compareTrees(a.tree, b.tree, openAll(a.blobs)), MissingBlob);
  });
});

describe("elements", () => {
  const bits = (dtype: string, shape: number[], data: Uint8Array) =>
    safetensors({ t: { dtype, shape, data } });
  const cases: readonly [string, string, Uint8Array, Uint8Array, unknown][] = [
    ["NaN", "F32", floats(Number.NaN), floats(1), "NaN"],
    ["an infinity", "F32", floats(Number.POSITIVE_INFINITY), floats(1), "Infinity"],
    ["zeros of other signs", "F32", floats(0), floats(-0), 0],
    ["NaNs of other bits", "F32", Buffer.from([1, 0, 0xc0, 0x7f]), floats(Number.NaN), "NaN"],
    ["halves", "F16", Buffer.from([0x00, 0x3c]), Buffer.from([0x00, 0xc0]), 3],
    ["the smallest halves", "F16", Buffer.from([1, 0]), Buffer.from([0, 0]), 2 ** -24],
    ["bfloat16", "BF16", Buffer.from([0x80, 0x3f]), Buffer.from([0x00, 0x40]), 1],
    ["float8 e4m3", "F8_E4M3", Buffer.from([0x38]), Buffer.from([0x7e]), 447],
    ["float8 e5m2", "F8_E5M2", Buffer.from([0x3c]), Buffer.from([0x7c]), "Infinity"],
    ["bool", "BOOL", Buffer.from([0]), Buffer.from([1]), 1],
    ["int8", "I8", Buffer.from([0x80]), Buffer.from([0x7f]), 255],
    ["uint16", "U16", Buffer.from([0, 0]), Buffer.from([0xff, 0xff]), 65_535],
    [
      "int64 that a double does not hold",
      "I64",
      Buffer.from(new BigInt64Array([2n ** 60n]).buffer),
      Buffer.from(new BigInt64Array([2n ** 60n + 1n]).buffer),
      1,
    ],
    ["uint64", "U64", Buffer.alloc(8), Buffer.alloc(8, 0xff), 2 ** 64],
    ["complex", "C64", floats(0, 0), floats(3, 4), 5],
    ["float64", "F64", Buffer.alloc(8), Buffer.from(new Float64Array([0.1]).buffer), 0.1],
    ["bits of no known type", "F4_NEW", Buffer.from([1]), Buffer.from([2]), null],
  ];
  for (const [what, dtype, a, b, expected] of cases)
    test(`${what} differ by ${expected}`, async () => {
      const found = await compareFile(bits(dtype, [1], a), bits(dtype, [1], b));
      assert.equal(found.format, "safetensors", found.note ?? "");
      assert.equal(found.differences[0]?.max_abs, expected);
      assert.equal(found.max_abs, expected);
    });

  test("a NaN of the same bits is equal, and the largest distance of all counts", async () => {
    const a = safetensors({ p: f32(Number.NaN, 1, 5), q: f32(1) });
    const b = safetensors({ p: f32(Number.NaN, 2, 5), q: f32(-8) });
    const found = await compareFile(a, b);
    assert.deepEqual(
      found.differences.map(({ name, differing, max_abs }) => [name, differing, max_abs]),
      [
        ["p", 1, 1],
        ["q", 1, 9],
      ],
    );
    assert.equal(found.max_abs, 9);
  });

  test("another shape or type is said, and no distance made up", async () => {
    const data = floats(1, 2);
    const found = await compareFile(
      safetensors({ a: { dtype: "F32", shape: [2, 1], data }, b: f32(1), c: f32(1) }),
      safetensors({
        a: { dtype: "F32", shape: [1, 2], data },
        b: { dtype: "I32", shape: [1], data: data.subarray(0, 4) },
        d: f32(1),
      }),
    );
    assert.deepEqual(
      found.differences.map(({ name, kind, a, b }) => [name, kind, a, b]),
      [
        ["a", "shape", "float32 [2, 1]", "float32 [1, 2]"],
        ["b", "dtype", "float32 [1]", "int32 [1]"],
        ["c", "only_in_a", "float32 [1]", null],
        ["d", "only_in_b", null, "float32 [1]"],
      ],
    );
    assert.equal(found.max_abs, null);
  });

  test("many blocks: the place is right across their borders", async () => {
    const values = new Float32Array(700_000);
    const other = values.slice();
    other[600_123] = 0.5;
    const of = (array: Float32Array) =>
      bits("F32", [700, 1000], Buffer.from(array.buffer as ArrayBuffer));
    const found = await compareFile(of(values), of(other));
    assert.deepEqual(found.differences[0]?.index, [600, 123]);
    assert.equal(found.differences[0]?.differing, 1);
  });
});

describe("files of torch", () => {
  const tensor = (strides: number[], offset = 0) =>
    py.tensor({ storage: py.storage("0", 6), shape: [2, 3], strides, offset });
  const saved = (value: Buffer, ...numbers: number[]) =>
    torchFile(py.file(value), { "0": floats(...numbers) });

  test("dictionaries and lists become names", async () => {
    const state = (rate: number, first: number) =>
      saved(
        py.dict({
          states: py.dict({
            optimizer: py.dict({
              param_groups: py.list(
                py.dict({ lr: py.float(rate), betas: py.tuple(py.float(0.5), py.float(1)) }),
              ),
              step: py.int(3),
            }),
          }),
          weight: tensor([3, 1]),
        }),
        ...[first, 2, 3, 4, 5, 6],
      );
    const found = await compareFile(state(0.1, 1), state(0.2, 1.5));
    assert.equal(found.format, "torch", found.note ?? "");
    assert.deepEqual(
      found.differences.map(({ name, kind, a, b, max_abs }) => [name, kind, a, b, max_abs]),
      [
        ["states.optimizer.param_groups[0].lr", "value", "0.1", "0.2", null],
        ["weight", "values", "float32 [2, 3]", "float32 [2, 3]", 0.5],
      ],
    );
    assert.equal(found.items?.compared, 4);
  });

  test("1 is not 1.0, and 0.0 not -0.0", async () => {
    const found = await compareFile(
      saved(py.dict({ a: py.int(1), b: py.float(0) })),
      saved(py.dict({ a: py.float(1), b: py.float(-0) })),
    );
    assert.deepEqual(
      found.differences.map(({ a, b }) => [a, b]),
      [
        ["1", "1.0"],
        ["0.0", "-0.0"],
      ],
    );
  });

  test("other zips with the same state are equal", async () => {
    const value = py.dict({ weight: tensor([3, 1]) });
    const a = saved(value, 1, 2, 3, 4, 5, 6);
    const b = Buffer.from(a.toString("latin1").replaceAll("model/", "other/"), "latin1");
    const { state, files } = await compare({ "m.pt": a }, { "m.pt": b });
    assert.equal(state, "equal");
    assert.equal(files.equal, 1);
  });

  test("tensors in other orders of storage are compared by index", async () => {
    const rows = saved(py.dict({ w: tensor([3, 1]) }), 1, 2, 3, 4, 5, 6);
    const columns = (last: number) => saved(py.dict({ w: tensor([1, 2]) }), 1, 4, 2, 5, 3, last);
    assert.equal((await compareFile(rows, columns(6))).state, "equal");
    const found = await compareFile(rows, columns(9));
    assert.deepEqual(found.differences[0]?.index, [1, 2]);
    assert.equal(found.max_abs, 3);
    // Both in columns: passed over in the order of storage, and the index is still right.
    const same = await compareFile(columns(6), columns(9));
    assert.deepEqual(same.differences[0]?.index, [1, 2]);
  });

  test("a tensor that repeats its elements is compared by index", async () => {
    const repeated = (value: number) => saved(py.dict({ w: tensor([0, 1], 1) }), 9, 1, value, 3);
    const found = await compareFile(repeated(2), repeated(7));
    assert.equal(found.differences[0]?.differing, 2);
    assert.deepEqual(found.differences[0]?.index, [0, 1]);
  });

  test("long lists of numbers stay one value", async () => {
    const generator = (last: number) =>
      saved(
        py.dict({
          python: py.list(...Array.from({ length: 600 }, (_, i) => py.int(i)), py.int(last)),
        }),
      );
    const found = await compareFile(generator(1), generator(2));
    assert.equal(found.items?.compared, 1);
    assert.match(found.differences[0]?.a ?? "", /^\[0, 1, 2.*… \(601 items, SHA-256 \w{32}\)$/);
  });

  test("whatever is more than state is compared by its bytes, and said", async () => {
    const evil = (word: string) =>
      saved(py.call(py.global("os", "system"), py.text(`echo ${word}`)));
    const found = await compareFile(evil("a"), evil("b"), "model.pt");
    assert.equal(found.format, null);
    assert.equal(
      found.note,
      "model.pt was not read as a model: it holds a os.system, which is more than tensors, numbers and words",
    );
    assert.equal(typeof found.first_byte, "number");
  });

  test("names mean nothing to JavaScript", async () => {
    const odd = (value: number) =>
      saved(
        py.dict({
          ["__proto__"]: py.dict({ polluted: py.int(value) }),
          constructor: py.int(1),
        }),
      );
    const found = await compareFile(odd(1), odd(2));
    assert.equal(found.differences[0]?.name, "__proto__.polluted");
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });
});

describe("arrays of numpy", () => {
  const npy = (descr: string, shape: string, data: Uint8Array, fortran = "False"): Buffer => {
    const text = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
    const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length, 0]);
    return Buffer.concat([start, Buffer.from(text), data]);
  };

  test(".npy in rows and in columns", async () => {
    const rows = npy("<f4", "(2, 2)", floats(1, 2, 3, 4));
    const columns = npy("<f4", "(2, 2)", floats(1, 3, 2, 5), "True");
    const found = await compareFile(rows, columns);
    assert.equal(found.format, "npy");
    assert.deepEqual(found.differences[0]?.index, [1, 1]);
    assert.equal(found.max_abs, 1);
  });

  test(".npz by the names of its arrays", async () => {
    const of = (value: number) =>
      zip({ "a.npy": npy("<f4", "(1,)", floats(1)), "b.npy": npy("<f4", "()", floats(value)) });
    const found = await compareFile(of(1), of(3));
    assert.equal(found.format, "npz");
    assert.equal(found.differences[0]?.name, "b");
    assert.equal(found.max_abs, 2);
  });

  test("arrays of objects are not read", async () => {
    const of = (byte: number) => npy("|O", "(1,)", Buffer.from([byte]));
    const found = await compareFile(of(1), of(2), "x.npy");
    assert.match(found.note ?? "", /holds other things than plain numbers/);
  });
});
