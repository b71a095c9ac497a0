import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Lineage } from "../../../src/protocol/api.ts";
import { layOut } from "./layout.ts";
import { addressOf, commandOf, noteOf, sentenceOf, thingWords } from "./words.ts";

const node = (id: string): Lineage["nodes"][number] => ({
  ...{ id, label: id, state: null, at: null, distance: 0, more: 0 },
  kind: "experiment",
});
const edge = (from: string, to: string): Lineage["edges"][number] => ({
  ...{ from, to, relation: "fork", note: null },
});

const check = (names: string, arrows: string, expected: Record<string, [number, number]>): void => {
  const nodes = [...names].map(node);
  const edges = arrows.split(" ").flatMap((word) => (word ? [edge(word[0]!, word[1]!)] : []));
  const { places } = layOut({ nodes, edges });
  assert.deepEqual(
    Object.fromEntries([...places].map(([id, { column, row }]) => [id, [column, row]])),
    expected,
  );
};

test("a thing stands right of all that it came from, beside what it hangs at", () => {
  check("a", "", { a: [0, 0] });
  check("abc", "ab bc ac", { a: [0, 0], b: [1, 0], c: [2, 0] });
  check("abcd", "ac bd", { a: [0, 0], b: [0, 1], c: [1, 0], d: [1, 1] });
  check("abdc", "ac bd", { a: [0, 0], b: [0, 1], d: [1, 1], c: [1, 0] });
  check("ab", "ab ba", { a: [0, 0], b: [1, 0] });
});

test("every thing has a place of its own, whatever hangs at what", () => {
  const graphs = fc.integer({ min: 1, max: 12 }).chain((count) => {
    const name = fc.nat(count - 1).map(String);
    return fc.record({
      nodes: fc.constant(Array.from({ length: count }, (_, at) => node(String(at)))),
      edges: fc.array(
        fc.tuple(name, name).map(([a, b]) => edge(a, b)),
        { maxLength: 30 },
      ),
    });
  });
  fc.assert(
    fc.property(graphs, (graph) => {
      const { places, columns, rows } = layOut(graph);
      assert.equal(places.size, graph.nodes.length);
      assert.equal(
        new Set([...places.values()].map((at) => `${at.column} ${at.row}`)).size,
        places.size,
      );
      for (const { column, row } of places.values()) assert.ok(column < columns && row < rows);
    }),
    { seed: 20261123 },
  );
});

test("things and relations have words, and addresses", () => {
  const hash = "5a".repeat(32);
  assert.equal(thingWords(`checkpoint:${hash}`), "checkpoint 5a5a5a5a5a5a");
  assert.equal(
    sentenceOf({ from: "dataset:d@2", to: "experiment:3", relation: "data", note: "as train" }),
    "dataset d@2 was read by experiment 3 (as train)",
  );
  assert.equal(commandOf("trial:3.12"), "contrail lineage trial 3.12");
  assert.equal(addressOf({ ...node("trial:3.12"), kind: "trial" }), "/trials/3.12");
  assert.equal(addressOf({ ...node(`code:${hash}`), kind: "code" }), `/lineage/code%3A${hash}`);
  assert.equal(
    noteOf({ ...node("experiment:3"), label: "digits", state: "active" }),
    "digits · active",
  );
});
