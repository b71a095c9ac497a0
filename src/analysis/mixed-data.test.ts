import assert from "node:assert/strict";
import { test } from "node:test";
import { mixedData } from "./mixed-data.ts";

const run = (metric: string, datasets: string[], isMeasured = true) => ({
  searcher: { name: "single", metric, smaller_is_better: false, reason: "" },
  best: isMeasured ? { trial: "1.1", step: 1, objective: 0.5 } : null,
  datasets,
});

test("a list of results says so where they were measured on several versions of one dataset", () => {
  assert.deepEqual(mixedData([]), []);
  const same = [run("accuracy", ["digits@2"]), run("accuracy", ["digits@2", "more@1"])];
  assert.deepEqual(mixedData(same), []);
  assert.deepEqual(
    mixedData([...same, run("loss", ["digits@9"]), run("accuracy", ["digits@1"], false)]),
    [],
    "another metric is another list, and what has no result is in none",
  );
  assert.deepEqual(mixedData([...same, run("accuracy", ["digits@10"]), run("accuracy", [])]), [
    "accuracy was measured on several versions of data: digits@2 (2 experiments), digits@10 (1 experiment)",
  ]);
  assert.deepEqual(mixedData([...same, run("accuracy", ["digits.imported@1"])]), [
    "accuracy was measured on several versions of data: digits.imported@1 (1 experiment), digits@2 (2 experiments)",
  ]);
});
