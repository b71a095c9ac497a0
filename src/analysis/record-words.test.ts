import assert from "node:assert/strict";
import { test } from "node:test";
import { isOfEnvironment, percentText, sectionTitle } from "./record-words.ts";

test("only what lacks nothing is complete to 100 %", () => {
  assert.equal(percentText(1), "100 %");
  assert.equal(percentText(299 / 300), "99 %");
  assert.equal(percentText(0.29), "29 %");
  assert.equal(percentText(0), "0 %");
});

test("in what a trial ran is compared, and not what it was, nor what names the run", () => {
  assert.ok(isOfEnvironment("packages_observed", "pip:numpy"));
  assert.ok(isOfEnvironment("variables", "TZ"));
  assert.ok(!isOfEnvironment("variables", "CONTRAIL_ALLOCATION"));
  for (const section of ["code", "data", "seeds", "who"]) assert.ok(!isOfEnvironment(section, "x"));
  assert.equal(sectionTitle("gpu"), "gpu");
  assert.match(sectionTitle("packages_observed"), /as they were there/);
});
