/** Files that torch, safetensors and numpy have written, compared as torch itself compares them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { compareTrees } from "../src/store/tensors/tensors.ts";
import { openAll, treeOf } from "../src/store/tensors/test-model-files.ts";
import { ROOT } from "./support.ts";
import { pythonWithTorch } from "./torch-python.ts";

const python = pythonWithTorch("safetensors");
const skip =
  python === undefined ? "no Python with PyTorch and safetensors (see .cache/venv-torch)" : false;

describe("model files as their libraries write them", { skip }, () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "contrail-models-"));
    execFileSync(python!, [join(ROOT, "e2e", "programs", "model_files.py"), folder]);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const compare = async (left: string, right: string) => {
    const [a, b] = await Promise.all(
      [left, right].map(async (name) => treeOf({ m: await readFile(join(folder, name)) })),
    );
    const found = await compareTrees(a!.tree, b!.tree, openAll(a!.blobs, b!.blobs));
    return { state: found.state, file: found.differences[0] };
  };

  for (const [name, format] of [
    ["dict.pt", "torch"],
    ["model.safetensors", "safetensors"],
  ] as const)
    test(`${name}: every type, as many elements, as far apart as torch says`, async () => {
      const { file } = await compare(`a.${name}`, `b.${name}`);
      assert.equal(file?.format, format, file?.note ?? "");
      const expected: Record<string, [number, number]> = JSON.parse(
        await readFile(join(folder, `${name}.json`), "utf8"),
      );
      const found = new Map(file?.differences.map((one) => [one.name, one]));
      assert.deepEqual([...found.keys()].sort(), Object.keys(expected).sort());
      assert.ok(found.size >= 8);
      for (const [tensor, [count, apart]] of Object.entries(expected)) {
        const { differing, max_abs } = found.get(tensor)!;
        assert.equal(differing, count, tensor);
        // Complex numbers: one rounding more or less.
        const tolerance = tensor === "complex" ? 1e-6 : 0;
        assert.ok(Math.abs(Number(max_abs) - apart) <= tolerance, `${tensor}: ${max_abs} ${apart}`);
      }
    });

  test("a training state with tied, transposed and nested tensors, numbers and words", async () => {
    const same = await compare("a.training.pt", "same.training.pt");
    assert.notEqual(same.state, "differs");
    const { file } = await compare("a.training.pt", "b.training.pt");
    assert.equal(file?.format, "torch", file?.note ?? "");
    const found = Object.fromEntries(file!.differences.map((one) => [one.name, one]));
    assert.deepEqual(Object.keys(found).sort(), [
      "model.0.weight",
      "model.2.weight",
      "rate",
      "row",
      "view",
    ]);
    assert.deepEqual(found["model.0.weight"]?.index, [2, 1]);
    assert.deepEqual(found.view?.index, [1, 2], "of the transposed one, its own index");
    assert.deepEqual(found.row?.index, [1]);
    assert.deepEqual([found.rate?.a, found.rate?.b], ["0.5", "0.25"]);
    assert.ok(file!.items!.compared > 20);
  });

  test("a whole pickled module is compared by its bytes, and not run", async () => {
    const { file } = await compare("a.whole.pt", "b.whole.pt");
    assert.equal(file?.format, null);
    assert.match(file?.note ?? "", /it holds a torch\.nn\.modules\.container\.Sequential/);
    assert.equal(typeof file?.first_byte, "number");
  });

  test("arrays of numpy", async () => {
    for (const [name, format] of [
      ["array.npy", "npy"],
      ["columns.npy", "npy"],
      ["arrays.npz", "npz"],
    ] as const) {
      const { file } = await compare(`a.${name}`, `b.${name}`);
      assert.equal(file?.format, format, file?.note ?? "");
      assert.deepEqual(file?.differences[0]?.index, [1, 2]);
      assert.equal(file?.max_abs, 2.5);
    }
  });
});
