import assert from "node:assert/strict";
import { test } from "node:test";
import { metricLines, metricSentence, nearestCheckpoint, type Series } from "./metrics-words.ts";

const series = (points: Series["points"], thinned = false): Series => ({
  ...{ name: "loss", total: points.length, thinned, points },
});

test("what was repeated is a line of its own for each allocation", () => {
  const lines = metricLines(
    series([
      { step: 1, value: 3, run: 1, superseded: false },
      { step: 2, value: 2, run: 1, superseded: true },
      { step: 2, value: 1, run: 2, superseded: false },
    ]),
  );
  assert.deepEqual(
    lines.map(({ label, colour, points }) => [label, colour, points]),
    [
      ["loss, superseded points of allocation 1", undefined, [[2, 2]]],
      [
        "loss",
        0,
        [
          [1, 3],
          [2, 1],
        ],
      ],
    ],
  );
});

test("the sentence: the way, the ends, what cannot be drawn", () => {
  const points: Series["points"] = [
    { step: 1, value: 0.5, run: 1 },
    { step: 2, value: "NaN", run: 1 },
    { step: 3, value: 0.25, run: 1 },
  ];
  assert.equal(
    metricSentence(series(points), "epochs"),
    "From 0.5 to 0.25 over 3 epochs; lowest 0.25 after 3 epochs, highest 0.5 after 1 epoch. " +
      "1 value (NaN or infinite) cannot be drawn.",
  );
  assert.equal(metricSentence(series(points.slice(0, 1)), "epochs"), "It was 0.5 after 1 epoch.");
  assert.equal(
    metricSentence(series(points.slice(1, 2)), "epochs"),
    "No finite value was reported.",
  );
  const bucket = [
    { step: 10, value: 1, run: 1, min: 0.1, max: 2, mean: 1 },
    { step: 20, value: 1, run: 1, min: 0.5, max: 3, mean: 1 },
  ];
  assert.match(
    metricSentence(series(bucket, true), "epochs"),
    /lowest 0\.1 around 10 epochs, highest 3 around 20 epochs/,
  );
});

test("what is not finite hides nothing else of its bucket, and is counted value by value", () => {
  const buckets: Series["points"] = [
    { step: 10, value: 1, run: 1, min: 0.5, max: 7, mean: "NaN", not_finite: 2 },
    { step: 20, value: "NaN", run: 1, min: 0.25, max: 0.5, mean: "NaN", not_finite: 1 },
    { step: 30, value: "Infinity", run: 1, mean: "Infinity", not_finite: 10 },
  ];
  assert.equal(
    metricSentence(series(buckets, true), "epochs"),
    "It was 1 after 10 epochs; lowest 0.25 around 20 epochs, highest 7 around 10 epochs. " +
      "13 values (NaN or infinite) cannot be drawn.",
  );
  assert.equal(
    metricSentence(series(buckets.slice(1), true), "epochs"),
    "Lowest 0.25 around 20 epochs, highest 0.5 around 20 epochs. 11 values (NaN or infinite) cannot be drawn.",
  );
  const one = {
    step: 20,
    value: "NaN",
    run: 1,
    min: 2,
    max: 2,
    mean: "NaN",
    not_finite: 1,
  } as const;
  assert.match(
    metricSentence(series([one], true), "epochs"),
    /^Lowest 2 around 20 epochs, highest 2/,
  );
  assert.equal(
    metricSentence(series(buckets.slice(2), true), "epochs"),
    "No finite value was reported.",
  );
});

test("the nearest checkpoint holds what the point had, where there is one", () => {
  const all = [{ step: 9 }, { step: 3 }, { step: 6 }];
  assert.deepEqual(
    [1, 3, 5, 8, 100].map((step) => nearestCheckpoint(all, step)?.step),
    [3, 3, 3, 6, 9],
  );
  assert.equal(nearestCheckpoint([], 1), undefined);
});
