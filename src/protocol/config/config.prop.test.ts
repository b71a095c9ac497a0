/**
 * Whatever is written into a file, reading it gives a configuration or issues that have a place, and never
 * throws. A resolved configuration read again is the same.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { checkConfigValue, readConfig, toSpace } from "./config.ts";
import { formatIssue, type Issue } from "./issue.ts";
import { anything, mutated, texts, words } from "./test-mutations.ts";
import { readYaml } from "./yaml-tree.ts";

const SEED = 20260201;
const RUNS = process.env.INPUTS === "full" ? 100_000 : 10_000;

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
  it(`${RUNS} mutated configurations give a configuration or issues with a place`, (t) => {
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
    t.diagnostic(
      `I1: ${RUNS} mutated configurations read: 0 crashes, ${RUNS - accepted} refused, each with path, line and column`,
    );
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
