/** Hostile YAML and names with a meaning: matrix rows I2 and I3. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkConfigValue, readConfig, toSpace } from "./config.ts";
import type { IssueCode } from "./issue.ts";
import { RESERVED_NAMES } from "./issue.ts";
import { BOMBS } from "./test-bombs.ts";
import { plain } from "./tree.ts";
import { readYaml, TEXT_BYTES_MAX } from "./yaml-tree.ts";

function refused(text: string, code: IssueCode, at?: string): void {
  const reading = readConfig(text);
  assert.ok(!reading.ok, "was accepted");
  const [first] = reading.issues;
  assert.equal(first?.code, code, first?.message);
  if (at) assert.equal(`${first.line}:${first.column}`, at);
}

const value = (text: string): unknown => {
  const { tree, faults } = readYaml(text);
  assert.deepEqual(faults, []);
  assert.ok(tree);
  return plain(tree);
};

describe("hostile YAML is refused", () => {
  for (const [name, { text, code, at }] of Object.entries(BOMBS))
    it(name, () => refused(text(), code, at));
  it("a byte too many, counted as UTF-8", () => {
    const text = `a: ${"é".repeat((TEXT_BYTES_MAX - 4) / 2)}`;
    assert.equal(readYaml(text).tree?.kind, "map");
    refused(`${text}éé`, "too_large");
  });

  it("duplicate keys, with the place of the second", () =>
    refused("entrypoint: a\nentrypoint: b\n", "duplicate_key", "2:1"));
  it("duplicate keys by quoting", () =>
    refused("entrypoint: a\n'entrypoint': b\n", "duplicate_key", "2:1"));
  it("tags", () => {
    refused("entrypoint: !!js/function 'function () {}'\n", "yaml_tag", "1:13");
    refused("entrypoint: !!python/object/apply:os.system [ls]\n", "yaml_tag", "1:13");
    refused("entrypoint: !env HOME\n", "yaml_tag", "1:13");
    refused("entrypoint: !<tag:yaml.org,2002:js/undefined> x\n", "yaml_tag", "1:13");
    refused("a: !!binary aGk=\n", "yaml_tag", "1:4");
    refused("a: !!set {a, b}\n", "yaml_tag", "1:4");
  });
  it("tags that do not fit", () => {
    refused("a: !!int abc\n", "yaml_tag", "1:4");
    refused("a: !!seq {b: 1}\n", "yaml_tag", "1:4");
  });
  it("directives that would give tags another meaning", () => {
    refused("%TAG !! tag:example.org,2026:\n---\na: !!str b\n", "yaml_syntax", "1:1");
    refused("%YAML 1.1\n---\na: yes\n", "yaml_syntax", "1:1");
  });
  it("aliases of themselves and of nothing", () => {
    refused("a: &a [*a]\n", "yaml_alias", "1:8");
    refused("a: *b\n", "yaml_alias", "1:4");
    refused("a: *b\nb: &b 1\n", "yaml_alias", "1:4");
  });
  it("merges of what is no map", () => refused("a: {<<: 3}\n", "yaml_syntax", "1:5"));
  it("values of JavaScript that are no JSON", () => {
    const cyclic: { [key: string]: unknown } = {};
    cyclic.data = cyclic;
    for (const odd of [
      undefined,
      () => 1,
      Symbol("s"),
      1n,
      new Date(0),
      new Map(),
      Object.create({ toString: () => 1 }),
      Number.NaN,
      Number.POSITIVE_INFINITY,
      cyclic,
    ]) {
      const reading = checkConfigValue({ entrypoint: "a", data: { odd } });
      assert.ok(!reading.ok, String(odd));
    }
    assert.ok(!checkConfigValue(undefined).ok);
    assert.ok(!checkConfigValue([cyclic]).ok);
  });
});

describe("YAML that is read", () => {
  it("aliases and merge keys, the map's own keys first and then the earlier source", () => {
    const text =
      "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*b, *a], z: 3}\nd: *a\ne: {y: 9, <<: *a}\n";
    assert.deepEqual(value(text), {
      a: { x: 1, y: 1 },
      b: { y: 2, z: 2 },
      c: { z: 3, y: 2, x: 1 },
      d: { x: 1, y: 1 },
      e: { y: 9, x: 1 },
    });
  });
  it("an anchor given twice means the nearest above", () => {
    assert.deepEqual(value("a: &x 1\nb: *x\nc: &x 2\nd: *x\n"), { a: 1, b: 1, c: 2, d: 2 });
  });
  it("a quoted << as a name", () => assert.deepEqual(value('{"<<": 1}'), { "<<": 1 }));
  it("standard tags", () =>
    assert.deepEqual(value("{a: !!str 3, b: !!float 3.5, c: !!seq [1]}"), {
      a: "3",
      b: 3.5,
      c: [1],
    }));
  it("a byte order mark, CRLF and comments", () =>
    assert.deepEqual(value("\ufeff# hi\r\na: 1\r\nb: |\r\n  x\r\n"), { a: 1, b: "x\n" }));
  it("names that look like numbers, as they are written", () =>
    assert.deepEqual(value("{1: a, 1.50: b, true: c}"), { 1: "a", "1.50": "b", true: "c" }));
  it("64 levels", () => assert.ok(readYaml("[".repeat(64) + "]".repeat(64)).tree));
});

describe("names that JavaScript gives a meaning", () => {
  const before = Object.getOwnPropertyNames(Object.prototype).sort();
  const untouched = (): void => {
    assert.deepEqual(Object.getOwnPropertyNames(Object.prototype).sort(), before);
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  };
  const places = (name: string): string[] => [
    `${name}: {polluted: 1}`,
    `data: {${name}: {polluted: 1}}`,
    `data: {a: {b: {${name}: {polluted: 1}}}}`,
    `data: {<<: {${name}: {polluted: 1}}}`,
    `hyperparameters: {${name}: {polluted: 1}}`,
    `hyperparameters: {a: {type: const, val: {${name}: {polluted: 1}}}}`,
    `hyperparameters: {a: {type: nested, params: {${name}: {polluted: 1}}}}`,
    `hyperparameters: {a: {type: const, val: 1, when: {${name}: 1}}}`,
    `resources: {${name}: {polluted: 1}}`,
    `environment: {environment_variables: {${name}: x}}`,
    `searcher: {name: single, ${name}: 1}`,
    `searcher: {name: single, max_length: {${name}: 1}}`,
    `budget: {${name}: {polluted: 1}}`,
  ];

  for (const name of RESERVED_NAMES) {
    it(`${name} is refused as a key everywhere`, () => {
      for (const text of places(name)) {
        const reading = readConfig(`entrypoint: a\n${text}\n`);
        assert.ok(!reading.ok, text);
        const issue = reading.issues.find((each) => each.code === "reserved_name");
        assert.match(issue?.message ?? "", /cannot be names here/, text);
        assert.equal(issue?.line, 2, text);
        const json = JSON.parse(`{"entrypoint": "a", "data": {"${name}": {"polluted": 1}}}`);
        assert.ok(!checkConfigValue(json).ok);
      }
      untouched();
    });
    it(`${name} is refused as a label, a metric and a searcher`, () => {
      for (const text of [
        `labels: [${name}]`,
        `searcher: {name: single, metric: ${name}}`,
        `searcher: {name: ${name}}`,
        `hyperparameters: {a: {type: ${name}}}`,
        `checkpoint_policy: ${name}`,
      ]) {
        assert.ok(!readConfig(`entrypoint: a\n${text}\n`).ok, text);
      }
      untouched();
    });
  }

  for (const name of [
    "toString",
    "hasOwnProperty",
    "valueOf",
    "__defineGetter__",
    "length",
    "then",
  ]) {
    it(`${name} is a plain name`, () => {
      const reading = readConfig(
        `entrypoint: a\nlabels: [${name}]\ndata: {${name}: 1}\nhyperparameters: {${name}: 2, g: {${name}: 3}}\nsearcher: {name: single, metric: ${name}}\nenvironment: {environment_variables: {${name}: x}}\n`,
      );
      assert.ok(reading.ok);
      assert.deepEqual(Object.entries(reading.config.data), [[name, 1]]);
      assert.deepEqual(Object.entries(reading.config.environment.environment_variables), [
        [name, "x"],
      ]);
      assert.equal(reading.config.searcher.metric, name);
      const children = toSpace(reading.config.hyperparameters).children;
      assert.ok(children.some((child) => child.name === name));
      untouched();
    });
    it(`${name} is unknown where fields are known`, () => {
      for (const text of [
        `${name}: 1`,
        `resources: {${name}: 1}`,
        `searcher: {name: single, ${name}: 1}`,
        `hyperparameters: {a: {type: const, val: 1, ${name}: 1}}`,
      ]) {
        const reading = readConfig(`entrypoint: a\n${text}\n`);
        assert.ok(!reading.ok, text);
        assert.deepEqual(
          reading.issues.map((issue) => issue.code),
          ["unknown_key"],
          text,
        );
      }
    });
  }
});
