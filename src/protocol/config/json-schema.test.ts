import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { readConfig } from "./config.ts";
import { configurationDocument } from "./document.ts";
import { EXAMPLE } from "./document-text.ts";
import { topLevel } from "./fields.ts";
import { configJsonSchema } from "./json-schema.ts";
import { NOT_SERVED } from "./not-served.ts";
import { keysOf } from "./schema-walk.ts";
import { SEARCHERS } from "./searcher-fields.ts";

const validate = new Ajv({ strict: false, allErrors: true }).compile(configJsonSchema());
const folder = new URL("./fixtures/", import.meta.url);

describe("the JSON Schema for editors", () => {
  for (const file of readdirSync(folder)) {
    it(`accepts ${file} and its resolved form`, () => {
      const text = readFileSync(new URL(file, folder), "utf8");
      assert.ok(validate(parse(text, { merge: true })), JSON.stringify(validate.errors, null, 1));
      const reading = readConfig(text);
      assert.ok(reading.ok);
      assert.ok(validate(reading.config), JSON.stringify(validate.errors, null, 1));
    });
  }

  const wrong: readonly string[] = [
    "nam: x",
    "max_restarts: -1",
    "max_restarts: 1.5",
    "resources: {slots_per_trial: 0}",
    "resources: {weight: 2}",
    "checkpoint_storage: {type: s3}",
    "searcher: {name: asha, metric: loss, max_trials: 3, divisor: 1}",
    "searcher: {name: single, mode: standard}",
    "searcher: {name: custom}",
    "environment: {environment_variables: [A]}",
    "budget: {time: soon}",
    "hyperparameters: {a: {type: int, minval: 1}}",
    "hyperparameters: {a: {type: categorical, vals: []}}",
    "hyperparameters: {a: {type: float}}",
    "labels: a",
  ];
  for (const text of wrong) {
    it(`refuses ${text}`, () => {
      assert.equal(validate(parse(text)), false);
      assert.ok(!readConfig(`entrypoint: a\n${text}`).ok);
    });
  }
});

describe("docs/configuration.md", () => {
  const text = configurationDocument();
  it("names every field, searcher and field that is not served", () => {
    const blocks = ["resources", "environment", "budget", "reproducibility"].flatMap((block) =>
      keysOf(topLevel.def.shape[block as "budget"]),
    );
    const fields = Object.values(SEARCHERS)
      .flatMap((schema) => keysOf(schema))
      .filter((key) => key !== "name");
    for (const word of [
      ...keysOf(topLevel),
      ...blocks,
      ...fields,
      ...Object.keys(SEARCHERS),
      ...NOT_SERVED.map((entry) => entry.field),
    ]) {
      assert.ok(text.includes(`| \`${word}\` |`), word);
    }
  });
  it("has an example that is accepted without a warning", () => {
    const reading = readConfig(EXAMPLE);
    assert.ok(reading.ok);
    assert.deepEqual(reading.warnings, []);
  });
  it("leaves no field without a meaning", () => {
    const empty = text
      .split("\n")
      .filter(
        (line) => line.startsWith("| `") && /\|\s*\|$/.test(line) && line.split(" | ").length > 3,
      );
    assert.deepEqual(
      empty.filter((line) => !line.includes(". |")),
      [],
    );
  });
});
