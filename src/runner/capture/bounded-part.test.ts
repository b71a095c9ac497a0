/** Parts that would be refused for their size, and what stays of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EMPTY_PART,
  RECORD_VALUE_CHARS_MAX,
  type RecordPart,
  recordPart,
} from "../../protocol/record-part.ts";
import { parseTrialLine } from "../trial-message.ts";
import { bounded } from "./bounded-part.ts";

const manyFields = (count: number, value: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`pip:n${i}`, value]));

test("long fields leave a part that is too large, each section with a gap; what is small stays whole", () => {
  const part: RecordPart = {
    captured: {
      packages_requested: { "npm:short": "1", ...manyFields(300, "v".repeat(15_000)) },
      packages_observed: manyFields(20_000, "v".repeat(160)),
      interpreter: { version: "3" },
    },
    not_applicable: [],
    missing: [{ what: "gpu", why: "of its own" }],
  };
  const sent = recordPart.parse(bounded(part));
  assert.deepEqual(sent.captured.interpreter, { version: "3" });
  assert.equal(sent.captured.packages_requested?.["npm:short"], "1");
  assert.ok(Object.keys(sent.captured.packages_observed ?? {}).length > 1_000);
  assert.deepEqual(sent.missing.map(({ what }) => what).toSorted(), [
    ...["gpu", "packages_observed.rest", "packages_requested.rest"],
  ]);
  assert.match(sent.missing[0]?.why ?? "", /of 301 fields are left out|of 20000 fields/);
});

test("more fields than a section takes, and more words of gaps than a part takes, are cut", () => {
  const gaps = Array.from({ length: 100 }, (_, i) => ({
    what: `outside.${i}`,
    why: "\u0001".repeat(RECORD_VALUE_CHARS_MAX),
  }));
  const captured = { packages_observed: manyFields(20_001, "1") };
  const sent = recordPart.parse(bounded({ captured, not_applicable: gaps, missing: gaps }));
  assert.equal(Object.keys(sent.captured.packages_observed ?? {}).length, 20_000);
  assert.equal(sent.missing[0]?.what, "packages_observed.rest");
  assert.match(sent.missing[0]?.why ?? "", /^1 of 20001 fields/);
  assert.equal(sent.missing.at(-1)?.what, "record.rest");
  assert.match(sent.missing.at(-1)?.why ?? "", /^\d+ more such entries$/);
  const many = Array.from({ length: 103 }, (_, i) => ({ what: `outside.${i}`, why: "x" }));
  const { missing } = bounded({ ...EMPTY_PART, missing: many });
  assert.deepEqual(missing.at(-1), { what: "record.rest", why: "3 more such entries" });
});

test("what is left out for its number and for its length is counted as one", () => {
  const gaps = Array.from({ length: 103 }, (_, i) => ({
    what: `outside.${i}`,
    why: "\u0001".repeat(RECORD_VALUE_CHARS_MAX),
  }));
  const captured = { packages_observed: manyFields(20_001, "v".repeat(500)) };
  const sent = recordPart.parse(bounded({ captured, not_applicable: [], missing: gaps }));
  const whys = (name: string) =>
    sent.missing.filter(({ what }) => what === name).map(({ why }) => Number.parseInt(why, 10));
  const kept = Object.keys(sent.captured.packages_observed ?? {}).length;
  assert.ok(kept < 20_000);
  assert.deepEqual(whys("packages_observed.rest"), [20_001 - kept]);
  const others = sent.missing.filter(({ what }) => what.startsWith("outside."));
  assert.ok(others.length < 100);
  assert.deepEqual(whys("record.rest"), [103 - others.length]);
});

test("a part that is small is as it was", () => {
  assert.deepEqual(bounded(EMPTY_PART), EMPTY_PART);
});

test("what a program tells is never more than the server takes", () => {
  const fields = Object.fromEntries(
    Array.from({ length: 500 }, (_, i) => [`${i}${"n".repeat(200)}`, "\u0001".repeat(2_000)]),
  );
  const facts = { frameworks: fields, determinism: fields, outside: fields, gpu: fields };
  const line = JSON.stringify({ type: "observed", facts });
  const read = parseTrialLine(Buffer.from(line));
  assert.ok("message" in read && read.message.type === "observed");
  assert.ok(recordPart.parse(read.message.part).missing.length > 0);
});
