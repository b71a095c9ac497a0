import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Case, differences, run, search } from "./cases.ts";

function table(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    for (const each of cases) it(each[0], () => assert.equal(differences(each), ""));
  });
}

table("searcher", [
  [
    "the message of the manual",
    search("  max_trials: 4\n  divisor: 1\n"),
    [["8:12", '.searcher.divisor is 1; it must be greater than 1 (searcher "asha"). Try 3.']],
  ],
  [
    "nothing given",
    search(""),
    [["3:1", '.searcher.max_trials is missing; it is required (searcher "asha")']],
  ],
  ["no trials", search("  max_trials: 0\n"), [["7:15", "at least 1"]]],
  [
    "a typo",
    search("  max_trails: 4\n"),
    [
      ["3:1", "max_trials is missing"],
      ["7:3", "Did you mean max_trials?"],
    ],
  ],
  [
    "a word of another tool",
    search("  max_trials: 4\n  eta: 3\n"),
    [["8:3", "Did you mean divisor?"]],
  ],
  [
    "a field of another searcher",
    search("  max_trials: 4\n  mode: standard\n"),
    [["8:3", '.searcher.mode belongs to the searcher adaptive_asha, not to "asha".']],
  ],
  [
    "a field of several others",
    run("searcher: {name: single, num_rungs: 3, max_length: 1}\n"),
    [["2:26", "belongs to the searchers asha, async_halving"]],
  ],
  [
    "yes for true",
    search("  max_trials: 4\n  smaller_is_better: yes\n"),
    [["8:22", '"yes"; it must be true or false', "Try true."]],
  ],
  ["not a map", run("searcher: asha\n"), [["2:11", "must be a map"]]],
  [
    "missing with a space",
    run("hyperparameters: {a: {type: int, minval: 1, maxval: 3}}\n"),
    [["1:1", ".searcher is missing", "metric and max_length"]],
  ],
  [
    "removed",
    run("searcher: {name: adaptive_simple, metric: loss, max_length: 3}\n"),
    [
      [
        "2:18",
        "the 'adaptive_simple' searcher has been removed and is not valid for new experiments",
        "adaptive_asha",
      ],
    ],
  ],
  [
    "removed, and a typo elsewhere",
    run("searcher: {name: custom, metrik: loss, max_length: 0}\n"),
    [
      ["2:18", "removed"],
      ["2:26", "Did you mean metric?"],
      ["2:52", ".searcher.max_length is 0; it must be at least 1"],
    ],
  ],
  [
    "not served",
    run("searcher: {name: PBT, metric: loss, max_length: 3}\n"),
    [["2:18", "known but not served yet"]],
  ],
  [
    "a name with a typo",
    run("searcher: {name: adaptive_aha, metric: loss, max_length: 3}\n"),
    [["2:18", "Try adaptive_asha."]],
  ],
  [
    "a name that is unknown",
    run("searcher: {name: simplex, metric: loss, max_length: 3}\n"),
    [["2:18", "one of single, random, grid"]],
  ],
  ["a name that is a number", run("searcher: {name: 3}\n"), [["2:18", "one of single, random"]]],
  ["a name of every object", run("searcher: {name: toString}\n"), [["2:18", "must be one of"]]],
  [
    "no length",
    run("searcher: {name: random, metric: loss, max_trials: 3}\n"),
    [["2:1", ".searcher.max_length is missing", "max_time with time_metric"]],
    [],
  ],
  [
    "a length of nothing",
    run("searcher: {metric: loss, max_length: 0}\n"),
    [["2:38", "at least 1"]],
  ],
  [
    "a length in other units",
    run("searcher: {metric: loss, max_length: {epoch: 3}}\n"),
    [["2:38", "{epochs: n}", "Try {epochs: 3}."]],
  ],
  [
    "a length in two units",
    run("searcher: {metric: loss, max_length: {epochs: 3, batches: 4}}\n"),
    [["2:38", "one of {steps: n}"]],
  ],
  [
    "a length of no epochs",
    run("searcher: {metric: loss, max_length: {epochs: 0}}\n"),
    [["2:47", ".searcher.max_length.epochs is 0; it must be at least 1"]],
  ],
  [
    "a length as text",
    run("searcher: {metric: loss, max_length: 10 epochs}\n"),
    [["2:38", "Try {epochs: 10}."]],
  ],
  [
    "max_time alone",
    run("searcher: {metric: loss, max_time: 4}\n"),
    [["2:36", "without time_metric; the two go together"]],
  ],
  [
    "time_metric alone",
    run("searcher: {metric: loss, time_metric: epochs}\n"),
    [["2:39", "without max_time"]],
  ],
  [
    "max_time of nothing",
    run("searcher: {metric: loss, max_time: 0, time_metric: epochs}\n"),
    [["2:36", "at least 1"]],
  ],
  [
    "both lengths",
    run("searcher: {name: single, max_time: 4, time_metric: e, max_length: 3}\n"),
    [],
    [["2:67", "max_length has no effect"]],
  ],
  [
    "a reserved metric",
    run("searcher: {name: single, metric: __proto__}\n"),
    [["2:34", "other than __proto__"]],
  ],
  [
    "no metric and no name",
    run("searcher: {max_length: 3}\n"),
    [["2:1", ".searcher.metric is missing"]],
  ],
  [
    "knobs without a name",
    run("searcher: {metric: loss, max_length: 3, divisor: 4}\n"),
    [
      [
        "2:41",
        "belongs to the searchers asha, hyperband, adaptive_asha, async_halving",
        "names no searcher. Add name",
      ],
    ],
  ],
  [
    "stragglers",
    run(
      "searcher: {name: hyperband, metric: loss, max_length: 9, max_trials: 9, straggler_factor: 0.5}\n",
    ),
    [["2:91", "0 (wait for all) or a number of at least 1"]],
  ],
  [
    "a mode",
    run(
      "searcher: {name: adaptive_asha, metric: loss, max_length: 9, max_trials: 9, mode: agressive}\n",
    ),
    [["2:83", "Try aggressive."]],
  ],
  [
    "bracket_rungs",
    run(
      "searcher: {name: adaptive_asha, metric: loss, max_length: 9, max_trials: 9, bracket_rungs: [0, 99]}\n",
    ),
    [
      ["2:93", "[0] is 0", "at least 1"],
      ["2:96", "at most 64"],
    ],
  ],
  [
    "more brackets than trials",
    run(
      "searcher: {name: adaptive_asha, metric: loss, max_length: 9, max_trials: 2, bracket_rungs: [1, 2, 3]}\n",
    ),
    [["2:92", "asks for 3 brackets; max_trials is 2"]],
  ],
  [
    "brackets without end",
    run("searcher: {name: hyperband, metric: loss, max_length: 3, max_trials: 400000}\n"),
    [["2:70", "makes more than 1,000 brackets of so many", "Lower it to 2500,"]],
  ],
  [
    "as many brackets as are served",
    run("searcher: {name: hyperband, metric: loss, max_length: 3, max_trials: 2500}\n"),
    [],
    [["1:1", "leaves nothing to choose"]],
  ],
  [
    "one bracket of any size",
    run("searcher: {name: hyperband, metric: loss, max_length: 2, max_trials: 400000}\n"),
    [],
    [["1:1", "leaves nothing to choose"]],
  ],
  [
    "rungs without end",
    search("  max_trials: 4\n  divisor: 1.001\n"),
    [["8:12", "at most 64 are served. Try 3."]],
  ],
  [
    "equal rungs",
    search("  max_trials: 4\n  num_rungs: 5\n"),
    [],
    [["8:14", "lowest rungs fall on the same step"]],
  ],
  [
    "nothing to choose",
    run("searcher: {name: random, metric: loss, max_length: 3, max_trials: 3}\n"),
    [],
    [["1:1", "leaves nothing to choose"]],
  ],
]);
