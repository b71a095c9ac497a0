/**
 * Whatever is written into a file, reading it gives a configuration or issues that have a place, and never
 * throws. A resolved configuration read again is the same.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parse, stringify } from "yaml";
import type { Json } from "../../base/json.ts";
import { checkConfigValue, readConfig, toSpace } from "./config.ts";
import { formatIssue, type Issue } from "./issue.ts";
import { readYaml } from "./yaml-tree.ts";

const SEED = 20260201;
const RUNS = 20_000;

const folder = new URL("./fixtures/", import.meta.url);
const texts = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), "utf8"));
const values = texts.map((text) => parse(text, { merge: true }) as Json);

type Tree = Json | Tree[] | { [key: string]: Tree };
type Map = { [key: string]: Tree };

const words = fc.constantFrom(
  "type",
  "vals",
  "minval",
  "maxval",
  "when",
  "val",
  "params",
  "count",
  "base",
  "name",
  "searcher",
  "__proto__",
  "constructor",
  "toString",
  "metric",
  "log",
  "int",
  "nested",
  "categorical",
  "asha",
  "grid",
  "no",
  "null",
  "<<",
  "",
  "\u202e",
  "\0",
  "\ud800",
  "a.b",
  "é\u0301",
  "💥",
);
const scalar: fc.Arbitrary<Tree> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.double(),
  fc.constantFrom(0, -1, 1, 0.5, 1e308, -1e308, 2 ** 53, 4294967296, 1e-9, -0),
  fc.string({ unit: "binary", maxLength: 12 }),
  words,
);
const anything = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) as fc.Arbitrary<Tree> },
  { weight: 1, arbitrary: fc.dictionary(words, scalar, { maxKeys: 3 }) as fc.Arbitrary<Tree> },
);

interface Mutation {
  readonly kind: "delete" | "replace" | "rename" | "copy" | "insert" | "wrap";
  /** Picks the node: a walk of choices from the root. */
  readonly walk: readonly number[];
  readonly word: string;
  readonly value: Tree;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom("delete", "replace", "rename", "copy", "insert", "wrap"),
  walk: fc.array(fc.nat(30), { minLength: 1, maxLength: 5 }),
  word: words,
  value: anything,
});

const isMap = (tree: Tree): tree is Map =>
  typeof tree === "object" && tree !== null && !Array.isArray(tree);

function mutate(root: Tree, { kind, walk, word, value }: Mutation): void {
  let at: Tree = root;
  for (const [index, step] of walk.entries()) {
    if (typeof at !== "object" || at === null) return;
    const keys: string[] = Object.keys(at);
    const key = keys[step % Math.max(1, keys.length)];
    if (key === undefined) return;
    const node = at as Map;
    const inner: Tree = node[key]!;
    const last = index === walk.length - 1 || typeof inner !== "object" || inner === null;
    if (!last) {
      at = inner;
      continue;
    }
    if (kind === "delete") delete node[key];
    else if (kind === "replace") node[key] = value;
    else if (kind === "wrap") node[key] = [inner];
    else if (kind === "insert" && isMap(node)) own(node, word, value);
    else if (kind === "copy" && isMap(node)) own(node, word, structuredClone(inner));
    else if (kind === "rename" && isMap(node)) {
      delete node[key];
      own(node, word, inner);
    }
    return;
  }
}

/** Sets a key as a parser would, `__proto__` included. */
const own = (map: Map, key: string, value: Tree): void => {
  Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
};

const mutated = fc
  .tuple(fc.constantFrom(...values), fc.array(mutation, { minLength: 1, maxLength: 4 }))
  .map(([value, mutations]) => {
    const tree = structuredClone(value) as Tree;
    for (const each of mutations) mutate(tree, each);
    return tree;
  });

function placedIssues(issues: readonly Issue[], text: string): void {
  const lines = text.split(/\r\n|\n|\r/);
  for (const issue of issues) {
    assert.ok(
      issue.line !== null && issue.line >= 1 && issue.line <= lines.length + 1,
      `line ${issue.line}`,
    );
    assert.ok(issue.column !== null && issue.column >= 1, `column ${issue.column}`);
    assert.ok(issue.message.length > 10 && /[.)?…]$/.test(issue.message), issue.message);
    assert.ok(
      !/undefined|\[object|NaN;/.test(issue.message.replaceAll(/"[^"]*"/g, "")),
      issue.message,
    );
    assert.equal(formatIssue(issue).split("\n").length, 1);
  }
}

/** In JSON a value and a key are spelled as issues show them, so the place can be held to the text. */
function pointsAt(issue: Issue, line: string): void {
  const there = line.slice(issue.column! - 1);
  const exact = ["wrong_type", "out_of_range", "not_a_choice"].includes(issue.code);
  if (exact && /^(-?[\d.]+|true|false)$/.test(issue.value ?? "")) {
    assert.ok(there.startsWith(issue.value!), `${issue.message}\n${there.slice(0, 40)}`);
  }
  if (issue.code === "unknown_key" && /^"[\w.]{1,40}"$/.test(issue.value ?? "")) {
    assert.ok(there.startsWith(issue.value!), `${issue.message}\n${there.slice(0, 40)}`);
  }
}

/** The properties of one reading. @returns its issues; none when it was accepted */
function holds(text: string): readonly Issue[] {
  const reading = readConfig(text);
  placedIssues(reading.warnings, text);
  if (!reading.ok) {
    assert.ok(reading.issues.length > 0);
    placedIssues(reading.issues, text);
    return reading.issues;
  }
  const again = readConfig(JSON.stringify(reading.config));
  assert.ok(again.ok, again.ok ? "" : again.issues.map((issue) => issue.message).join("\n"));
  assert.deepEqual(again.config, reading.config);
  toSpace(reading.config.hyperparameters);
  return [];
}

const before = JSON.stringify(Object.getOwnPropertyNames(Object.prototype));

describe("any file", () => {
  it(`${RUNS} mutated configurations give a configuration or issues with a place`, () => {
    let accepted = 0;
    fc.assert(
      fc.property(mutated, (tree) => {
        const text = JSON.stringify(tree);
        const issues = holds(text);
        if (issues.length === 0) accepted++;
        for (const issue of issues) pointsAt(issue, text);
      }),
      { seed: SEED, numRuns: RUNS },
    );
    // Both sides have to be reached for the property to say anything.
    assert.ok(accepted > RUNS / 50 && accepted < RUNS / 2, `${accepted} accepted`);
    assert.equal(JSON.stringify(Object.getOwnPropertyNames(Object.prototype)), before);
  });

  it("the same values as JSON are judged alike", () => {
    fc.assert(
      fc.property(mutated, (tree) => {
        const text = JSON.stringify(tree);
        const value = JSON.parse(text);
        const fromText = readConfig(text);
        const fromValue = checkConfigValue(value);
        // Text alone can tell a whole number that JavaScript cannot hold.
        if (!fromText.ok && fromText.issues.some((issue) => issue.message.includes("2^53"))) return;
        assert.equal(fromValue.ok, fromText.ok);
        if (!fromText.ok && !fromValue.ok) {
          const codes = (issues: readonly Issue[]): string[] =>
            issues.map((issue) => `${issue.code} ${issue.path}`).sort();
          assert.deepEqual(codes(fromValue.issues), codes(fromText.issues));
        }
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });

  it("text with holes, copies and noise never throws", () => {
    const noise = fc.oneof(
      fc.string({ unit: "binary", maxLength: 6 }),
      fc.constantFrom(
        "&a ",
        "*a",
        "<<: ",
        "- ",
        ": ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        "'",
        '"',
        "|\n",
        ">",
        "#",
        "!!int ",
        "%YAML 1.2\n",
        "---\n",
        "...\n",
        "\t",
        "\r",
        "\u2028",
        "\ufeff",
        "`",
        "@",
        "~",
        ".inf",
      ),
    );
    const edit = fc.record({ at: fc.nat(2000), drop: fc.nat(20), put: noise });
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        (text, edits) => {
          let changed = text;
          for (const { at, drop, put } of edits) {
            const from = at % (changed.length + 1);
            changed = changed.slice(0, from) + put + changed.slice(from + drop);
          }
          holds(changed);
        },
      ),
      { seed: SEED, numRuns: 3_000 },
    );
  });

  it("noise alone never throws", () => {
    const pieces = fc.array(
      fc.oneof(
        words,
        fc.constantFrom(
          ": ",
          "\n",
          "\n  ",
          "- ",
          "{",
          "}",
          "[",
          "]",
          ", ",
          "&a ",
          "*a ",
          "<<: ",
          "'",
          '"',
          "|",
          "#",
          "!",
          "%",
          "---",
          "?",
        ),
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(pieces, (parts) => void holds(parts.join(""))),
      { seed: SEED, numRuns: 3_000 },
    );
  });

  it("agrees with the library about what a sound file says", () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc
            .string({ minLength: 1, maxLength: 8 })
            .filter((key) => !["__proto__", "constructor", "prototype"].includes(key)),
          anything,
          { maxKeys: 6 },
        ),
        (value) => {
          const json = JSON.parse(JSON.stringify(value));
          const text = stringify(json, { aliasDuplicateObjects: false });
          const { tree, faults } = readYaml(text);
          if (!tree || faults.length > 0) return;
          const reading = readConfig(`entrypoint: a\ndata:\n${text.replace(/^/gm, "  ")}`);
          if (text.startsWith("{") || text.includes("|") || text.includes(">")) return;
          assert.ok(reading.ok, text);
          assert.deepEqual(reading.config.data, json);
        },
      ),
      { seed: SEED, numRuns: 2_000 },
    );
  });
});
