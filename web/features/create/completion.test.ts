import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { completionAt } from "./completion.ts";

const schema = JSON.parse(
  readFileSync(new URL("../../../docs/experiment.schema.json", import.meta.url), "utf8"),
);

/** `|` is the cursor. */
function proposed(marked: string): string[] {
  const at = marked.indexOf("|");
  return (completionAt(marked.replace("|", ""), at, schema)?.proposals ?? []).map(
    ({ label }) => label,
  );
}

describe("a completion", () => {
  test("gives the fields of the block at the cursor, without those that are there", () => {
    assert.ok(proposed("|").includes("searcher"));
    assert.deepEqual(proposed("entryp|"), ["entrypoint"]);
    assert.ok(!proposed("name: x\n|\nsearcher:\n  name: asha\n").includes("name"));
    assert.deepEqual(proposed("resources:\n  slots_p|"), ["slots_per_trial"]);
    assert.deepEqual(proposed("resources:\n  slots_per_trial: 1\n  prio|\nname: x"), ["priority"]);
    assert.ok(proposed("searcher:\n  name: asha\n  |").includes("metric"));
  });

  test("gives the values of a field that has a closed list of them", () => {
    assert.ok(proposed("searcher:\n  name: |").includes("asha"));
    assert.deepEqual(proposed("searcher:\n  smaller_is_better: t|"), ["true"]);
    assert.ok(proposed("hyperparameters:\n  rate:\n    type: |").includes("double"));
  });

  test("gives nothing in comments, and nothing where nothing is known", () => {
    assert.deepEqual(proposed("# sea|"), []);
    assert.deepEqual(proposed("nonsense:\n  deeper:\n    x|"), []);
    assert.deepEqual(proposed("entrypoint: python tr|"), []);
  });

  test("whatever stands there, the word that is replaced ends at the cursor", () => {
    const line = fc.constantFrom(
      "searcher:",
      "  name: as",
      "    type: ",
      "- x",
      "resources:",
      "",
      "#",
      "  :",
      "\t",
      "hyperparameters:",
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.nat(200), (lines, n) => {
        const text = lines.join("\n");
        const at = n % (text.length + 1);
        const found = completionAt(text, at, schema);
        if (!found) return;
        assert.ok(found.from >= 0 && found.from <= at);
        assert.ok(!text.slice(found.from, at).includes("\n"));
      }),
      { seed: 20261123 },
    );
  });
});
