import assert from "node:assert/strict";
import { test } from "node:test";
import { axesOf } from "../../../src/analysis/axes.ts";
import { importance } from "../../../src/analysis/importance.ts";
import type { JsonObject } from "../../../src/base/json.ts";
import type { Experiment, Trial } from "../../../src/protocol/api.ts";
import { importanceSentence } from "./importance-sentence.ts";
import {
  ABSENT,
  cutsText,
  moved,
  orderedAxes,
  orderText,
  parallelSentence,
  passes,
  readCuts,
} from "./parallel-view.ts";
import {
  cellsOf,
  heatCells,
  heatSentence,
  pointsOf,
  rankCorrelation,
  scatterSentence,
} from "./scatter-view.ts";
import { triedOf } from "./tried.ts";

const axes = axesOf({
  kind: { type: "categorical", vals: ["adam", "sgd"] },
  momentum: { type: "double", minval: 0, maxval: 1, when: { kind: "sgd" } },
  rate: { type: "log", base: 10, minval: -4, maxval: 0 },
});
const trial = (number: number, hyperparameters: JsonObject, objective: number | "NaN"): Trial =>
  ({
    ...{ id: `1.${number}`, number, hyperparameters, objective },
    best: objective === "NaN" ? null : { step: 1, objective },
  }) as unknown as Trial;
const tried = triedOf(
  axes,
  [
    trial(1, { kind: "adam", rate: 0.01 }, 0.1),
    trial(2, { kind: "sgd", momentum: 0.9, rate: 0.2 }, 0.5),
    trial(3, { kind: "sgd", momentum: 0.2, rate: 1 }, "NaN"),
  ],
  true,
);
const experiment = { searcher: { metric: "loss", smaller_is_better: true } } as Experiment;

test("trials are points of the space: absent where a parameter does not exist, NaN last", () => {
  assert.deepEqual(
    tried.map(({ standing }) => standing),
    [1, 0.5, 0],
  );
  assert.deepEqual(tried[0]?.places, [0.25, undefined, 0.5]);
});

test("cuts and order survive the address, whatever the names", () => {
  const cuts = new Map([["a:b;c", [0.25, 0.5] as const]]);
  assert.deepEqual(readCuts(cutsText(cuts)), cuts);
  assert.equal(cutsText(new Map()), undefined);
  assert.deepEqual([...readCuts("x;y:1;z:a:b;%:0:1")], []);
  const named = orderedAxes(axes, "rate;nonsense");
  assert.deepEqual(
    named.map(({ name }) => name),
    ["rate", "kind", "momentum", ""],
  );
  assert.equal(orderText(moved(named, "momentum", 0)), "momentum;rate;kind");
  assert.equal(orderText(moved(named, "rate", 99)), "kind;momentum;rate");
});

test("a cut keeps what lies in it; that a parameter is absent can be cut as well", () => {
  const drawn = orderedAxes(axes, undefined);
  const ids = (cuts: Map<string, readonly [number, number]>): string[] =>
    tried.filter((one) => passes(one, drawn, cuts)).map(({ trial: { id } }) => id);
  assert.deepEqual(ids(new Map([["rate", [0.7, 1]]])), ["1.2", "1.3"]);
  assert.deepEqual(ids(new Map([["momentum", [ABSENT - 0.1, ABSENT + 0.1]]])), ["1.1"]);
  assert.deepEqual(
    ids(
      new Map([
        ["", [0.4, 1]],
        ["kind", [0.5, 1]],
      ]),
    ),
    ["1.2"],
  );
});

test("the sentences", () => {
  assert.equal(
    parallelSentence(experiment, axes, tried, tried),
    "3 trials over 3 hyperparameters; the best of them, 1.1 with loss 0.1, has kind adam, rate 0.01.",
  );
  assert.equal(
    parallelSentence(experiment, axes, tried, tried.slice(1, 2)),
    "1 of 3 trials over 3 hyperparameters; the best of them, 1.2 with loss 0.5, has kind sgd, momentum 0.9, rate 0.2.",
  );
  assert.match(parallelSentence(experiment, axes, tried, []), /^None of 3 trials passes/);
  const [kind, , rate] = axes;
  assert.ok(kind && rate);
  const values = new Map([
    ["1.1", 1],
    ["1.2", 3],
    ["1.3", 5],
  ]);
  assert.equal(
    scatterSentence(rate, pointsOf(tried, 2, values), "loss"),
    "The loss strongly rises with rate (rank correlation 1.00); 3 trials.",
  );
  assert.equal(
    scatterSentence(kind, pointsOf(tried, 0, values), "loss"),
    "The middle loss by kind: 1 with adam, 4 with sgd; 3 trials.",
  );
  const cells = heatCells(tried, values, { index: 0, cells: 2 }, { index: 2, cells: 4 });
  assert.deepEqual(
    cells.map(({ column, row, median }) => [column, row, median]),
    [
      [0, 2, 1],
      [1, 3, 4],
    ],
  );
  assert.equal(
    heatSentence([kind, rate], cells, { figure: "loss", smallerIsBetter: true, counts: [2, 4] }),
    "The best cell has a middle loss of 1 (1 trial): kind adam, rate 0.01 to 0.1. 3 trials in 2 cells of 8.",
  );
  assert.equal(cellsOf(kind, 12), 2);
});

test("rank correlation takes ties and says nothing where nothing varies", () => {
  assert.equal(
    rankCorrelation([
      [1, 9],
      [2, 5],
      [3, 1],
    ]),
    -1,
  );
  assert.equal(
    rankCorrelation([
      [1, 1],
      [2, 1],
      [3, 1],
    ]),
    undefined,
  );
  assert.ok(
    Math.abs(
      (rankCorrelation([
        [1, 1],
        [1, 2],
        [2, 2],
        [3, 3],
      ]) ?? 0) - 0.8333,
    ) < 1e-3,
  );
});

test("importance says how sure it is", () => {
  const many = Array.from({ length: 60 }, (_, i) =>
    trial(i + 1, { kind: i % 2 ? "adam" : "sgd", rate: 10 ** (-4 + (i * 4) / 60) }, i),
  );
  const two = axes.filter(({ name }) => name !== "momentum");
  const found = importance(two, triedOf(two, many, true), { smallerIsBetter: true });
  assert.match(
    importanceSentence(found, "loss"),
    /^What sets the best 6 of 60 trials apart in loss is most of all rate \(\d+ %\), before kind with \d+ %\. It is first in \d+ % of 100 resamples\. Method: PED-ANOVA\.$/,
  );
});
