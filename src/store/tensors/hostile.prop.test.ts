/** Files that want harm: each ends as a sentence about the file, in bounded time and memory, and never as another error. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { compareTrees } from "./compare-trees.ts";
import { readModelFile } from "./model-file.ts";
import {
  floats,
  memorySource,
  openAll,
  py,
  safetensors,
  torchFile,
  treeOf,
  withHeader,
  zip,
} from "./test-model-files.ts";

const f32 = { dtype: "F32", shape: [2, 2], data: floats(1, 2, 3, 4) };
const tensor = py.tensor({ storage: py.storage("0", 4), shape: [2, 2], strides: [2, 1] });
const array = Buffer.concat([
  Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 54, 0]),
  Buffer.from("{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}"),
]);
const whole = {
  safetensors: safetensors({ weight: f32, bias: f32 }, { format: "pt" }),
  torch: torchFile(
    py.file(py.dict({ weight: tensor, more: py.list(py.int(1), py.float(2), py.none) })),
    { "0": floats(1, 2, 3, 4) },
  ),
  npz: zip({ "a.npy": Buffer.concat([array, floats(1, 2, 3, 4)]) }),
};

describe("any damage to a model file", () => {
  for (const [format, bytes] of Object.entries(whole))
    test(`is a note or another model, never another error (${format})`, async () => {
      const place = fc.integer({ min: 0, max: bytes.length - 1 });
      const byte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0xff), fc.integer({ min: 0, max: 255 }));
      const damage = fc.record({
        changes: fc.array(fc.tuple(place, byte), { minLength: 1, maxLength: 6 }),
        cut: fc.option(place),
        doubled: fc.option(fc.tuple(place, place)),
      });
      await fc.assert(
        fc.asyncProperty(damage, async ({ changes, cut, doubled }) => {
          let damaged = Buffer.from(bytes);
          for (const [at, value] of changes) damaged[at] = value;
          if (doubled !== null) {
            const [from, to] = doubled.toSorted((a, b) => a - b) as [number, number];
            const parts = [
              damaged.subarray(0, to),
              damaged.subarray(from, to),
              damaged.subarray(to),
            ];
            damaged = Buffer.concat(parts);
          }
          if (cut !== null) damaged = damaged.subarray(0, cut);
          const [a, b] = [treeOf({ m: bytes }), treeOf({ m: damaged })];
          const found = await compareTrees(a.tree, b.tree, openAll(a.blobs, b.blobs));
          assert.ok(found.state !== "identical" || damaged.equals(bytes));
        }),
        { seed: 20261123, numRuns: 1500 },
      );
    });
});

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** A list of ten lists of ten lists … each of them the same object. */
function laughs(depth: number): Buffer {
  const parts = [py.list(py.int(1)), Buffer.from("r"), u32(0)];
  for (let level = 1; level <= depth; level++) {
    const below = Buffer.concat([Buffer.from("j"), u32(level - 1)]);
    parts.push(py.list(...Array.from({ length: 10 }, () => below)), Buffer.from("r"), u32(level));
  }
  return py.list(...parts);
}

const header = (tensors: object, data: Uint8Array = Buffer.alloc(0)): Buffer =>
  withHeader(JSON.stringify(tensors), data);
const claims = (count: number): Buffer =>
  torchFile(
    py.file(
      py.list(
        ...Array.from({ length: count }, () =>
          py.tensor({ storage: py.storage("0", 1), shape: [60_000_000], strides: [0] }),
        ),
      ),
    ),
    { "0": floats(1) },
  );

const hostile: readonly [what: string, file: Buffer, note: RegExp][] = [
  [
    "a list inside itself",
    torchFile(py.file(Buffer.from("]q\x00h\x00a", "latin1"))),
    /nests or repeats/,
  ],
  ["a list of lists of one list", torchFile(py.file(laughs(9))), /nests or repeats/],
  [
    "ten thousand lists in each other",
    torchFile(py.file(Buffer.from("]".repeat(10_000) + "a".repeat(9_999)))),
    /nests or repeats/,
  ],
  ["a stack without end", torchFile(py.file(Buffer.from("N".repeat(1_100_000)))), /nests more/],
  [
    "lists without end",
    torchFile(py.file(Buffer.from("]0".repeat(1_100_000)))),
    /more than 1000000/,
  ],
  [
    "a number of a megabyte",
    torchFile(py.file(Buffer.concat([Buffer.from([0x8b]), u32(1e6), Buffer.alloc(1e6)]))),
    /whole number/,
  ],
  [
    "a text longer than the file",
    torchFile(py.file(Buffer.from("X\xff\xff\xff\x7f", "latin1"))),
    /cut short/,
  ],
  ["an element that repeats for ever", claims(40), /many times the bytes/],
  [
    "a shape that no number holds",
    torchFile(
      py.file(
        py.tensor({
          storage: py.storage("0", 1),
          shape: [2e9, 2e9, 2e9],
          strides: [0, 0, 0],
        }),
      ),
      { "0": floats(1) },
    ),
    /type or a shape/,
  ],
  [
    "a tensor behind its storage",
    torchFile(py.file(py.tensor({ storage: py.storage("0", 9), shape: [9], strides: [1] })), {
      "0": floats(1),
    }),
    /reaches behind/,
  ],
  ["a storage that is not there", torchFile(py.file(tensor)), /not in the file/],
  [
    "a storage's name that leads elsewhere",
    torchFile(py.file(py.storage("../data.pkl", 1))),
    /storage of the kind/,
  ],
  [
    "code beside the state",
    zip({ "m/data.pkl": py.file(py.none), "m/code/x.py": floats(1) }),
    /more than saved state/,
  ],
  [
    "a safetensors header that lies about its end",
    header({ a: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }),
    /does not fit/,
  ],
  [
    "tensors on top of each other",
    header(
      {
        a: { dtype: "F32", shape: [1], data_offsets: [0, 4] },
        b: { dtype: "F32", shape: [1], data_offsets: [0, 4] },
      },
      floats(1),
    ),
    /does not begin where/,
  ],
  [
    "bytes that no tensor has",
    header({ a: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }, floats(1, 2)),
    /belong to no tensor/,
  ],
  [
    "a shape of fractions",
    header({ a: { dtype: "F32", shape: [0.5], data_offsets: [0, 4] } }, floats(1)),
    /no known way/,
  ],
  ["a header that is no object", withHeader("{]", Buffer.alloc(0)), /not JSON/],
  ["metadata that is no text", header({ __metadata__: { a: 1 } }), /other things than texts/],
];

describe("hostile files", () => {
  for (const [what, file, note] of hostile)
    test(what, async () => {
      const reading = await readModelFile(memorySource(file, 64 * 1024), "m.pt");
      assert.ok(reading.model === null, "was read as a model");
      assert.match(reading.note ?? "", note);
    });

  test("zip entries that lie on top of each other are refused", async () => {
    const file = zip({ "m/data.pkl": py.file(py.none), "m/version": Buffer.from("3") });
    // The second entry's header is said to lie where the first one's does.
    const at = file.indexOf("m/version", file.lastIndexOf("m/data.pkl"));
    file.writeUInt32LE(0, at - 46 + 42);
    const reading = await readModelFile(memorySource(file), "m.pt");
    assert.ok(reading.model === null);
    assert.match(reading.note ?? "", /on top of the next/);
  });
});
