import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parse } from "yaml";
import type { Json, JsonObject } from "../../base/json.ts";
import { readConfig } from "./config.ts";
import { configurationDocument } from "./document.ts";
import { EXAMPLE } from "./document-text.ts";
import { topLevel } from "./fields.ts";
import { configJsonSchema } from "./json-schema.ts";
import { NOT_SERVED } from "./not-served.ts";
import { keysOf } from "./schema-walk.ts";
import { SEARCHERS } from "./searcher-fields.ts";

/**
 * As much of JSON Schema as the schema uses. A word that it does not know is an error, so that a new one
 * cannot pass untested.
 */
function fits(schema: JsonObject, value: Json, root: JsonObject = schema): boolean {
  return Object.keys(schema).every((word) => {
    const rule = RULES[word];
    assert.ok(rule, `no rule for ${word}`);
    return rule(schema[word] as never, value, schema, root);
  });
}

type Rule = (limit: never, value: Json, schema: JsonObject, root: JsonObject) => boolean;
const always: Rule = () => true;
const isMap = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const onNumber =
  (holds: (value: number, limit: number) => boolean): Rule =>
  (limit: number, value) =>
    typeof value !== "number" || holds(value, limit);
const onText =
  (holds: (value: string, limit: never) => boolean): Rule =>
  (limit, value) =>
    typeof value !== "string" || holds(value, limit);

const TYPES: { readonly [type: string]: (value: Json) => boolean } = {
  null: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  number: (value) => typeof value === "number",
  integer: (value) => Number.isInteger(value),
  string: (value) => typeof value === "string",
  array: (value) => Array.isArray(value),
  object: isMap,
};

const RULES: { readonly [word: string]: Rule } = {
  $schema: always,
  title: always,
  description: always,
  default: always,
  definitions: always,
  id: always,
  $ref: (ref: string, value, _, root) => {
    const target = ref === "#" ? root : (root.definitions as JsonObject)[ref.split("/").at(-1)!];
    assert.ok(target, ref);
    return fits(target as JsonObject, value, root);
  },
  type: (types: string | string[], value) => [types].flat().some((type) => TYPES[type]!(value)),
  enum: (choices: Json[], value) =>
    choices.some((choice) => JSON.stringify(choice) === JSON.stringify(value)),
  const: (only: Json, value) => JSON.stringify(only) === JSON.stringify(value),
  minimum: onNumber((value, limit) => value >= limit),
  maximum: onNumber((value, limit) => value <= limit),
  exclusiveMinimum: onNumber((value, limit) => value > limit),
  minLength: onText((value, limit: number) => value.length >= limit),
  maxLength: onText((value, limit: number) => value.length <= limit),
  pattern: onText((value, pattern: string) => new RegExp(pattern, "u").test(value)),
  minItems: (limit: number, value) => !Array.isArray(value) || value.length >= limit,
  maxItems: (limit: number, value) => !Array.isArray(value) || value.length <= limit,
  items: (item: JsonObject, value, _, root) =>
    !Array.isArray(value) || value.every((each) => fits(item, each, root)),
  anyOf: (members: JsonObject[], value, _, root) =>
    members.some((member) => fits(member, value, root)),
  allOf: (members: JsonObject[], value, _, root) =>
    members.every((member) => fits(member, value, root)),
  required: (keys: string[], value) =>
    !isMap(value) || keys.every((key) => Object.hasOwn(value, key)),
  properties: (fields: JsonObject, value, _, root) =>
    !isMap(value) ||
    Object.entries(fields).every(
      ([key, field]) => !Object.hasOwn(value, key) || fits(field as JsonObject, value[key]!, root),
    ),
  propertyNames: (names: JsonObject, value, _, root) =>
    !isMap(value) || Object.keys(value).every((key) => fits(names, key, root)),
  additionalProperties: (rest: boolean | JsonObject, value, schema, root) => {
    if (!isMap(value) || rest === true) return true;
    const known = Object.keys((schema.properties ?? {}) as JsonObject);
    const others = Object.keys(value).filter((key) => !known.includes(key));
    return others.every((key) => rest !== false && fits(rest, value[key]!, root));
  },
};

const schema = configJsonSchema();
const validate = (value: Json): boolean => fits(schema, value);
const folder = new URL("./fixtures/", import.meta.url);

describe("the JSON Schema for editors", () => {
  for (const file of readdirSync(folder)) {
    it(`accepts ${file} and its resolved form`, () => {
      const text = readFileSync(new URL(file, folder), "utf8");
      assert.ok(validate(parse(text, { merge: true })));
      const reading = readConfig(text);
      assert.ok(reading.ok);
      assert.ok(validate(JSON.parse(JSON.stringify(reading.config))));
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
