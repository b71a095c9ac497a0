import assert from "node:assert/strict";
import { test } from "node:test";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import { openAll, safetensors, treeOf } from "../../store/tensors/test-model-files.ts";
import type { SavedPlace } from "../../store/verdict-store.ts";
import { compareCheckpoints } from "./compare-checkpoints.ts";

const floats = (...values: number[]) => ({
  ...{ dtype: "F32", shape: [values.length] },
  data: new Uint8Array(new Float32Array(values).buffer),
});

/** Snapshots by a word. */
class Snapshots {
  readonly trees = new Map<string, TreeEntry[]>();
  readonly blobs = new Map<string, Uint8Array>();

  put(name: string, files: Readonly<Record<string, Uint8Array>>): void {
    const { tree, blobs } = treeOf(files);
    this.trees.set(name, tree);
    for (const [hash, bytes] of blobs) this.blobs.set(hash, bytes);
  }

  get access() {
    return {
      entries: async (tree: string) => this.trees.get(tree),
      openBlob: openAll(this.blobs),
    };
  }
}

const place = (step: number, tree: string, more: Partial<SavedPlace> = {}): SavedPlace => ({
  ...{ step, tree, run: 1, gone: null },
  ...more,
});

function snapshots(): Snapshots {
  const made = new Snapshots();
  made.put("w1", {
    "m.safetensors": safetensors({ w: floats(1, 2), v: floats(0) }),
    "log.txt": Buffer.from("x"),
  });
  made.put("w2", {
    "m.safetensors": safetensors({ w: floats(1, 2.5), v: floats(0) }),
    "log.txt": Buffer.from("x"),
  });
  // The same numbers in another order.
  made.put("w1 again", {
    "m.safetensors": safetensors({ v: floats(0), w: floats(1, 2) }),
    "log.txt": Buffer.from("x"),
  });
  made.put("text", { "m.json": Buffer.from("[1, 2]") });
  made.put("other text", { "m.json": Buffer.from("[1, 3]") });
  return made;
}

test("equal hashes are identical, and so are equal tensors in other bytes", async () => {
  const { access } = snapshots();
  const found = await compareCheckpoints(
    [place(1, "w1"), place(2, "w2"), place(3, "w1")],
    [place(1, "w1"), place(2, "w2"), place(3, "w1 again")],
    access,
  );
  assert.deepEqual(
    [found.state, found.checkpoints, found.tensors, found.steps],
    ["identical", 3, 6, [1, 2, 3]],
  );
});

test("the first step that differs is named, with the tensor and how far apart", async () => {
  const { access } = snapshots();
  const found = await compareCheckpoints(
    [place(1, "w1"), place(2, "w1"), place(3, "w1")],
    [place(1, "w1"), place(2, "w2"), place(3, "text")],
    access,
  );
  assert.equal(found.state, "differs");
  assert.deepEqual(found.first, {
    ...{ step: 2, path: "m.safetensors", item: "w", max_abs: 0.5 },
    ...{ differing: 1, elements: 2, byte: null },
  });
  const text = await compareCheckpoints([place(1, "text")], [place(1, "other text")], access);
  assert.deepEqual(text.first, {
    ...{ step: 1, path: "m.json", item: null, max_abs: null },
    ...{ differing: null, elements: null, byte: 4 },
  });
});

test("of several runs at one step any that is the same will do, else the last one counts", async () => {
  const { access } = snapshots();
  const saved = [place(1, "w2", { run: 2 }), place(1, "w1", { run: 1 })];
  assert.equal((await compareCheckpoints(saved, [place(1, "w1")], access)).state, "identical");
  const found = await compareCheckpoints(saved, [place(1, "text")], access);
  assert.equal(found.state, "differs");
});

test("what is gone is judged by its hash: equal is equal, unequal says nothing", async () => {
  const { access } = snapshots();
  const gone = { gone: "not among the best" };
  const same = await compareCheckpoints([place(1, "w1", gone)], [place(1, "w1", gone)], access);
  assert.deepEqual([same.state, same.tensors], ["identical", 0]);
  const unknown = await compareCheckpoints([place(1, "w1", gone)], [place(1, "w2")], access);
  assert.equal(unknown.state, "undecided");
  assert.match(unknown.leftOut[0]?.why ?? "", /the trial's content is gone \(not among the best\)/);
  const later = await compareCheckpoints(
    [place(1, "w1", gone), place(2, "w1")],
    [place(1, "w2"), place(2, "w2")],
    access,
  );
  assert.deepEqual([later.state, later.first?.step], ["differs", 2]);
});

test("content that should be there and is not, and steps that the replay lacks, are left out", async () => {
  const made = snapshots();
  const [entry] = made.trees.get("w2") ?? [];
  made.blobs.delete(entry?.hash ?? "");
  const { state, leftOut } = await compareCheckpoints(
    [place(1, "w1"), place(2, "w1"), place(3, "never")],
    [place(1, "w2"), place(3, "w1")],
    made.access,
  );
  assert.equal(state, "undecided");
  assert.deepEqual(
    leftOut.map(({ step }) => step),
    [1, 2, 3],
  );
  assert.match(leftOut[0]?.why ?? "", /not stored/);
  assert.match(leftOut[1]?.why ?? "", /saved no checkpoint/);
});

test("content that is cut short is left out, too, and is no failure of the comparison", async () => {
  const made = snapshots();
  const [entry] = made.trees.get("w2") ?? [];
  made.blobs.set(entry?.hash ?? "", new Uint8Array(5));
  const { state, leftOut } = await compareCheckpoints(
    [place(1, "w1")],
    [place(1, "w2")],
    made.access,
  );
  assert.equal(state, "undecided");
  assert.match(leftOut[0]?.why ?? "", /^a file is not whole: .* has 5 bytes, not the \d+ listed/);
  // Equal hashes have answered without it.
  const same = await compareCheckpoints([place(1, "w2")], [place(1, "w2")], made.access);
  assert.deepEqual([same.state, same.tensors], ["identical", 0]);
});
