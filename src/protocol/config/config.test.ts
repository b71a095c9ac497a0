import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { checkConfigValue, type ExperimentConfig, readConfig, toSpace } from "./config.ts";
import { formatIssue, type Issue, issueToJson } from "./issue.ts";

/** `line:column` and pieces of the message, in order of position. */
type Expected = readonly [place: string, ...pieces: string[]];

const place = (issue: Issue): string => `${issue.line}:${issue.column}`;
const listed = (issues: readonly Issue[]): string =>
  issues.map((issue) => formatIssue(issue)).join("\n");

/** Reads a file and holds its issues, all of them, to what is expected. */
function check(
  text: string,
  expected: readonly Expected[],
  warned: readonly Expected[] = [],
): void {
  const reading = readConfig(text);
  hold(reading.ok ? [] : reading.issues, expected, text);
  hold(reading.warnings, warned, text);
}

function issuesOf(text: string): readonly Issue[] {
  const reading = readConfig(text);
  return reading.ok ? [] : reading.issues;
}

function hold(issues: readonly Issue[], expected: readonly Expected[], text: string): void {
  const shown = `${text}\n--\n${listed(issues)}`;
  assert.deepEqual(
    issues.map(place),
    expected.map(([at]) => at),
    shown,
  );
  for (const [index, [, ...pieces]] of expected.entries()) {
    for (const piece of pieces)
      assert.ok(issues[index]!.message.includes(piece), `${piece}\n${shown}`);
  }
}

function accepted(text: string): ExperimentConfig {
  const reading = readConfig(text);
  assert.ok(reading.ok, reading.ok ? "" : listed(reading.issues));
  return reading.config;
}

/** Line 1 is the entrypoint; the case begins at line 2. */
const run = (lines: string): string => `entrypoint: train\n${lines}`;
/** A sound asha search; the case's fields of the searcher begin at line 7. */
const search = (fields: string): string =>
  run(
    `hyperparameters: {lr: {type: double, minval: 0, maxval: 1}}\nsearcher:\n  name: asha\n  metric: loss\n  max_length: 9\n${fields}`,
  );
/** Hyperparameters from line 4 on, under a search that takes anything. */
const space = (lines: string): string =>
  run(
    `searcher: {metric: loss, max_length: 9}\nhyperparameters:\n  free: {type: int, minval: 1, maxval: 9}\n${lines}`,
  );
const grid = (lines: string): string =>
  run(`searcher: {name: grid, metric: loss, max_length: 9}\nhyperparameters:\n${lines}`);

type Case = readonly [
  name: string,
  text: string,
  issues: readonly Expected[],
  warnings?: readonly Expected[],
];

function table(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    for (const [name, text, issues, warnings] of cases)
      it(name, () => check(text, issues, warnings));
  });
}

table("the file as a whole", [
  ["empty", "", [["1:1", "is empty", "must be a map"]]],
  ["a list", "- a\n", [["1:1", 'is ["a"]', "must be a map"]]],
  ["a word", "train\n", [["1:1", '"train"']]],
  [
    "two documents",
    "entrypoint: a\n---\nentrypoint: b\n",
    [["2:1", "more than one YAML document"]],
  ],
  ["broken", "entrypoint: [a\n", [["2:1", "cannot be read here"]]],
  ["a tab", "resources:\n\tslots_per_trial: 1\n", [["2:1", "tab"]]],
  [
    "no entrypoint",
    "name: a\n",
    [["1:1", ".entrypoint is missing", "Try entrypoint: python3 train.py."]],
  ],
  [
    "an empty entrypoint points at itself",
    "name: a\nentrypoint:\n",
    [["2:12", ".entrypoint is missing"]],
  ],
  ["a key twice", run("name: a\nname: b\n"), [["3:1", ".name is set twice"]]],
  ["an inner key twice", run("data: {a: 1, b: 2, a: 3}\n"), [["2:20", ".data.a is set twice"]]],
  ["a directive", "%YAML 1.1\n---\nentrypoint: a\n", [["1:1", '"%YAML 1.1"', "directive"]]],
  [
    "infinity",
    run("data: {a: .inf, b: -.inf, c: .nan}\n"),
    [
      ["2:11", ".data.a is .inf", "finite"],
      ["2:20", "-.inf"],
      ["2:30", ".nan"],
    ],
  ],
  ["1e400", run("data: {a: 1e400}\n"), [["2:11", ".data.a is 1e400", "finite"]]],
  [
    "2^53+1",
    run("data: {a: 9007199254740993, b: 9007199254740991}\n"),
    [["2:11", "9007199254740993", "2^53"]],
  ],
  ["a NUL", run('data: {a: "x\\0y"}\n'), [["2:11", "NUL"]]],
  ["half a surrogate", run('data: {a: "\\ud83d"}\n'), [["2:11", "surrogate"]]],
  ["an empty name", run('data: {"": 1}\n'), [["2:8", "empty name"]]],
  ["a name that is a list", run("data: {[1]: 1}\n"), [["2:8", "stands here as a name"]]],
]);

table("fields", [
  [
    "unknown, near",
    run("max_restart: 3\n"),
    [["2:1", ".max_restart is not a known field. Did you mean max_restarts?"]],
  ],
  [
    "unknown, far",
    run("zebra: 3\n"),
    [["2:1", ".zebra is not a known field. Known here: version, name", "searcher"]],
  ],
  ["typo of a block that is read apart", run("sercher: {}\n"), [["2:1", "Did you mean searcher?"]]],
  ["a word of another tool", run("parameters: {}\n"), [["2:1", "Did you mean hyperparameters?"]]],
  [
    "a field of an inner block",
    run("slots_per_trial: 2\n"),
    [["2:1", "Did you mean resources.slots_per_trial?"]],
  ],
  [
    "several at once, in order",
    run(
      "max_restarts: -1\nresources: {priority: 100, slots_per_trial: two}\ncheckpoint_policy: beast\n",
    ),
    [
      ["2:15", ".max_restarts is -1; it must be at least 0. Try 5."],
      ["3:23", ".resources.priority is 100; it must be at most 99. Try 42."],
      ["3:45", '.resources.slots_per_trial is "two"; it must be a whole number.'],
      ["4:20", '.checkpoint_policy is "beast"; it must be one of best, all, none. Try best.'],
    ],
  ],
  [
    "a fraction for a whole number",
    run("max_restarts: 1.6\n"),
    [["2:15", "whole number", "Try 2."]],
  ],
  ["a quoted number", run('max_restarts: "3"\n'), [["2:15", '"3"', "Try 3."]]],
  ["text for a list", run("labels: fast\n"), [["2:9", "must be a list", 'Try ["fast"].']]],
  ["a number for text", run("name: 7\n"), [["2:7", ".name is 7; it must be text", 'Try "7".']]],
  ["two lines for a name", run('name: "a\\nb"\n'), [["2:7", "on one line"]]],
  [
    "a list for a map",
    run("resources: []\n"),
    [["2:12", ".resources is []; it must be a map (of slots_per_trial"]],
  ],
  ["version 2", run("version: 2\n"), [["2:10", ".version is 2; it must be one of 0, 1."]]],
  ["debug", run("debug: true\n"), [["2:8", ".debug is true; it must be false."]]],
  [
    "zero slots",
    run("resources: {slots_per_trial: 0}\n"),
    [["2:30", "at least 1 (trials without slots are not served yet)"]],
  ],
  [
    "max_slots below slots_per_trial",
    run("resources: {slots_per_trial: 4, max_slots: 2}\n"),
    [["2:44", "at least slots_per_trial (4)", "Try 4."]],
  ],
  [
    "a pool that is not there",
    run("resources: {resource_pool: big}\n"),
    [["2:28", '"big"; it must be default']],
  ],
  [
    "workspace alone",
    run("workspace: Research\n"),
    [["2:12", ".workspace", "without project; give both or neither"]],
  ],
  ["project alone", run("project: Digits\n"), [["2:10", ".project", "without workspace"]]],
  ["an odd workspace", run("workspace: a/b\nproject: c\n"), [["2:12", "letters, digits"]]],
  [
    "seed too large",
    run("reproducibility: {experiment_seed: 4294967296}\n"),
    [["2:36", "at most 4294967295"]],
  ],
  [
    "seed misspelled",
    run("reproducibility: {seed: 1}\n"),
    [["2:19", "Did you mean experiment_seed?"]],
  ],
  ["an empty entrypoint list", "entrypoint: []\n", [["1:13", "a list of at least 1 item"]]],
  [
    "an entrypoint that is a map",
    "entrypoint: {a: b}\n",
    [["1:13", "a command as text or as a list of words"]],
  ],
  [
    "an entrypoint with a number in it",
    "entrypoint: [python3, 3]\n",
    [["1:23", ".entrypoint[1] is 3", 'Try "3".']],
  ],
  [
    "a variable without =",
    run("environment: {environment_variables: [FOO, A=1]}\n"),
    [["2:39", '[0] is "FOO"; it must be NAME=VALUE']],
  ],
  [
    "a variable with an odd name",
    run("environment: {environment_variables: {1A: x}}\n"),
    [["2:39", '"1A"', "letters, digits and underscores"]],
  ],
  [
    "a variable that is a list",
    run("environment: {environment_variables: {cuda: [A=1]}}\n"),
    [["2:45", ".cuda", "must be text"]],
  ],
  [
    "a variable that is a fraction",
    run("environment: {environment_variables: {A: 1.50}}\n"),
    [["2:42", "quote other numbers"]],
  ],
  ["an empty budget", run("budget: {}\n"), [["2:9", ".budget is empty", "trials, steps, time"]]],
  ["a budget of nulls", run("budget: {trials: null}\n"), [["2:9", ".budget is empty"]]],
  [
    "a budget of nothing",
    run("budget: {trials: 0, steps: 1.5, slot_hours: 0}\n"),
    [
      ["2:18", "at least 1"],
      ["2:28", "whole number"],
      ["2:45", "greater than 0"],
    ],
  ],
  [
    "a time in words",
    run("budget: {time: 2 hours}\n"),
    [["2:16", '"2 hours"', "90s, 15m, 2h, 1d"]],
  ],
  [
    "money without a price",
    run("budget: {money: {max: 3}}\n"),
    [["2:10", ".budget.money.per_slot_hour is missing", "Price of one slot"]],
  ],
  [
    "money in euros",
    run("budget: {money: {max: 3, per_slot_hour: 1, currency: euro}}\n"),
    [["2:54", "three capital letters"]],
  ],
  [
    "energy of nothing",
    run("budget: {energy: {max_kwh: -1, watts_per_slot: 300}}\n"),
    [["2:28", "greater than 0"]],
  ],
  ["a reserved label", run("labels: [constructor]\n"), [["2:10", "other than __proto__"]]],
  [
    "nearly a dataset",
    run("data: {train: MNIST@3}\n"),
    [],
    [["2:15", "passed on as text", "NAME@VERSION"]],
  ],
  ["mail addresses are no datasets", run("data: {who: someone@example.org}\n"), []],
]);

table("known, but not served yet", [
  [
    "with a way out",
    run("environment: {image: ubuntu}\n"),
    [
      [
        "2:15",
        ".environment.image is known but not served yet",
        "Install what the training code needs",
      ],
    ],
  ],
  [
    "without one",
    run("checkpoint_storage: {type: shared_fs}\n"),
    [["2:1", ".checkpoint_storage is known but not served yet", "Remove it."]],
  ],
  ["constraints", run("constraints: []\n"), [["2:1", "known but not served yet"]]],
  [
    "weight",
    run("resources: {weight: 2}\n"),
    [["2:13", "Use resources.priority. Then remove it."]],
  ],
  [
    "asking for nothing is fine",
    run(
      "profiling: {enabled: false}\nresources: {weight: 1, devices: []}\nslurm: {}\nbind_mounts: null\n",
    ),
    [],
  ],
  ["a typo of one", run("bind_mount: []\n"), [["2:1", "Did you mean bind_mounts?"]]],
  [
    "a searcher's source",
    search("  max_trials: 4\n  source_trial_id: 3\n"),
    [["8:3", "known but not served yet"]],
  ],
]);

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

table("hyperparameters", [
  [
    "not a map",
    run("hyperparameters: 3\n"),
    [
      ["1:1", ".searcher is missing"],
      ["2:18", "map of names to hyperparameters"],
    ],
  ],
  ["no choices", space("  a: {type: categorical, vals: []}\n"), [["5:32", "at least 1 item"]]],
  [
    "bounds turned round",
    space("  a: {type: int, minval: 5, maxval: 2}\n"),
    [["5:26", ".minval is 5; it must be less than maxval 2 (type int). Swap the two."]],
  ],
  [
    "equal bounds",
    space("  a: {type: double, minval: 2, maxval: 2}\n"),
    [["5:29", "write the number alone"]],
  ],
  [
    "a missing bound",
    space("  a: {type: int, minval: 5}\n"),
    [["5:3", ".hyperparameters.a.maxval is missing"]],
  ],
  [
    "a null bound is missing",
    space("  a: {type: int, minval: null, maxval: 3}\n"),
    [["5:26", "minval is missing"]],
  ],
  [
    "int with fractions",
    space("  a: {type: int, minval: 0.5, maxval: 3}\n"),
    [["5:26", "whole number"]],
  ],
  [
    "a range too wide for int",
    space("  a: {type: int, minval: -9007199254740991, maxval: 9007199254740991}\n"),
    [["5:53", "too wide to draw from"]],
  ],
  [
    "a range too wide for double",
    space("  a: {type: double, minval: -1.7e308, maxval: 1.7e308}\n"),
    [["5:47", "too wide to draw from"]],
  ],
  [
    "log without base",
    space("  a: {type: log, minval: -4, maxval: -1}\n"),
    [["5:3", ".base is missing", "usually 10 or 2"]],
  ],
  [
    "log with base 0",
    space("  a: {type: log, base: 0, minval: -4, maxval: -1}\n"),
    [["5:24", "greater than 0"]],
  ],
  [
    "log beyond numbers",
    space("  a: {type: log, base: 10, minval: -4, maxval: 400}\n"),
    [["5:48", "10 to that power is Infinity"]],
  ],
  [
    "log below numbers",
    space("  a: {type: log, base: 10, minval: -400, maxval: 4}\n"),
    [["5:36", "to that power is 0"]],
  ],
  [
    "log with values for exponents",
    space("  a: {type: log, base: 10, minval: 0.0001, maxval: 0.1}\n"),
    [],
    [["5:36", "run from 1.0002 to 1.2589", "write minval: -4, maxval: -1"]],
  ],
  [
    "count 0",
    space("  a: {type: int, minval: 1, maxval: 3, count: 0}\n"),
    [["5:47", "at least 1"]],
  ],
  [
    "an unknown type",
    space("  a: {type: float, minval: 1, maxval: 3}\n"),
    [["5:13", '"float"', "Try double."]],
  ],
  [
    "a group with a parameter called type",
    space("  a: {type: {type: int, minval: 1, maxval: 3}}\n"),
    [["5:13", "write type: nested and params"]],
  ],
  [
    "words of another tool",
    space("  a: {type: categorical, values: [1]}\n"),
    [
      ["5:3", "vals is missing"],
      ["5:26", "Did you mean vals?"],
    ],
  ],
  [
    "min and max",
    space("  a: {type: int, min: 1, max: 3}\n"),
    [
      ["5:3", "minval is missing"],
      ["5:3", "maxval is missing"],
      ["5:18", "Did you mean minval?"],
      ["5:26", "Did you mean maxval?"],
    ],
  ],
  [
    "a field of another type",
    space("  a: {type: int, minval: 1, maxval: 3, vals: [1]}\n"),
    [["5:40", "vals belongs to categorical"]],
  ],
  [
    "a deep fault",
    space("  a:\n    b:\n      c: {type: int, minval: x, maxval: 3}\n"),
    [["7:30", ".hyperparameters.a.b.c.minval"]],
  ],
  [
    "a list of parameters",
    space("  a: [{type: int, minval: 1, maxval: 2}]\n"),
    [],
    [["5:6", "a list is one constant"]],
  ],
  [
    "a choice twice",
    space("  a: {type: categorical, vals: [{x: 1}, {x: 1.0}]}\n"),
    [],
    [["5:41", "once more"]],
  ],
  [
    "when in a plain group",
    space("  a: {when: {free: 1}, b: 2}\n"),
    [["5:7", "write type: nested, when and params"]],
  ],
  [
    "a condition on nothing",
    space("  a: {type: const, val: 1, when: {fre: 1}}\n"),
    [["5:35", "no such parameter. Did you mean free?"]],
  ],
  [
    "a condition by its last name",
    space("  g: {h: {type: categorical, vals: [1]}}\n  a: {type: const, val: 1, when: {h: 1}}\n"),
    [["6:35", "Did you mean g.h?"]],
  ],
  [
    "a condition on a group",
    space("  g: {h: 1}\n  a: {type: const, val: 1, when: {g: 1}}\n"),
    [["6:38", "g is a group"]],
  ],
  [
    "a condition on a double",
    space("  g: {type: double, minval: 0, maxval: 1}\n  a: {type: const, val: 1, when: {g: 1}}\n"),
    [["6:38", "takes no value exactly"]],
  ],
  [
    "a value out of the range",
    space("  a: {type: const, val: 1, when: {free: 10}}\n"),
    [["5:41", "whole number from 1 to 9"]],
  ],
  [
    "a value that is no choice",
    space(
      "  o: {type: categorical, vals: [sgd, adam]}\n  a: {type: const, val: 1, when: {o: [sgd, adm]}}\n",
    ),
    [["6:44", 'o can only be "sgd", "adam". Did you mean adam?']],
  ],
  ["no values", space("  a: {type: const, val: 1, when: {free: []}}\n"), [["5:41", "at least 1"]]],
  [
    "two conditions",
    space("  a: {type: const, val: 1, when: {free: 1, a: 1}}\n"),
    [["5:34", "has 2 conditions; it must have exactly one"]],
  ],
  [
    "itself",
    space("  a: {type: categorical, vals: [1], when: {a: 1}}\n"),
    [["5:43", "closes a circle: a → a"]],
  ],
  [
    "a circle of three",
    space(
      "  a: {type: const, val: 1, when: {b: 1}}\n  b: {type: const, val: 1, when: {c: 1}}\n  c: {type: const, val: 1, when: {a: 1}}\n",
    ),
    [["5:34", "a → b → c → a"]],
  ],
  [
    "a group that waits for its own",
    space("  g: {type: nested, when: {g.h: 1}, params: {h: {type: categorical, vals: [1]}}}\n"),
    [["5:27", "g → g.h → g"]],
  ],
  [
    "a name that could be two",
    space(
      "  x.y: {type: categorical, vals: [1]}\n  x: {y: {type: categorical, vals: [1]}}\n  a: {type: const, val: 1, when: {x.y: 1}}\n",
    ),
    [["7:35", "may be 2 different parameters"]],
  ],
]);

table("grids", [
  [
    "without counts",
    grid(
      "  a: {type: int, minval: 1, maxval: 3}\n  b: {type: log, base: 10, minval: 1, maxval: 2}\n",
    ),
    [
      ["4:3", ".hyperparameters.a has no count", "Try count: 5"],
      ["5:3", ".hyperparameters.b has no count"],
    ],
  ],
  [
    "of nothing",
    run("searcher: {name: grid, metric: loss, max_length: 9}\n"),
    [["1:1", ".hyperparameters is empty"]],
  ],
  [
    "of 1e9",
    grid(
      "  a: {type: double, minval: 0, maxval: 1, count: 1000}\n  b: {type: double, minval: 0, maxval: 1, count: 1000}\n  c: {type: double, minval: 0, maxval: 1, count: 1000}\n",
    ),
    [["3:1", "1,000,000,000 points; it must be at most 100,000"]],
  ],
  [
    "counts beyond the integers there are",
    grid("  a: {type: int, minval: 1, maxval: 3, count: 1000000}\n"),
    [],
  ],
  [
    "where conditions keep it small",
    grid(
      "  k: {type: categorical, vals: [a, b, c, d]}\n  a: {type: double, minval: 0, maxval: 1, count: 25000, when: {k: a}}\n  b: {type: double, minval: 0, maxval: 1, count: 25000, when: {k: b}}\n  c: {type: double, minval: 0, maxval: 1, count: 25000, when: {k: [c, d]}}\n",
    ),
    [],
  ],
  [
    "one more than that",
    grid(
      "  k: {type: categorical, vals: [a, b, c, d]}\n  a: {type: double, minval: 0, maxval: 1, count: 25000, when: {k: a}}\n  b: {type: double, minval: 0, maxval: 1, count: 25001, when: {k: b}}\n  c: {type: double, minval: 0, maxval: 1, count: 25000, when: {k: [c, d]}}\n",
    ),
    [["3:1", "100,001 points"]],
  ],
]);

describe("what is accepted", () => {
  const folder = new URL("./fixtures/", import.meta.url);
  for (const file of readdirSync(folder)) {
    it(`${file}, and its resolved form again`, () => {
      const config = accepted(readFileSync(new URL(file, folder), "utf8"));
      assert.deepEqual(accepted(JSON.stringify(config)), config);
      const reading = checkConfigValue(JSON.parse(JSON.stringify(config)));
      assert.ok(reading.ok);
      assert.deepEqual(reading.config, config);
    });
  }

  it("a run by hand needs nothing but its command", () => {
    const config = accepted("entrypoint: train\n");
    assert.deepEqual(config.searcher, {
      name: "single",
      metric: null,
      smaller_is_better: true,
      max_length: null,
      max_time: null,
      time_metric: null,
    });
    assert.deepEqual(config.resources, {
      slots_per_trial: 1,
      max_slots: null,
      priority: 42,
      resource_pool: "default",
      is_single_node: null,
    });
    assert.equal(config.max_restarts, 5);
    assert.equal(config.preemption_timeout, 3600);
    assert.equal(config.budget, null);
  });

  it("searchers have the defaults that users know", () => {
    const searcher = (name: string, more = ""): object =>
      accepted(search(`  max_trials: 4\n${more}`).replace("name: asha", `name: ${name}`)).searcher;
    const common = {
      metric: "loss",
      smaller_is_better: true,
      max_length: { steps: 9 },
      max_time: null,
      time_metric: null,
      max_trials: 4,
      max_concurrent_trials: 16,
    };
    assert.deepEqual(searcher("asha"), {
      name: "asha",
      ...common,
      divisor: 3,
      num_rungs: null,
      stop_once: false,
    });
    assert.deepEqual(searcher("hyperband"), {
      name: "hyperband",
      ...common,
      divisor: 3,
      straggler_factor: 3,
    });
    assert.deepEqual(searcher("adaptive_asha"), {
      name: "adaptive_asha",
      ...common,
      divisor: 4,
      mode: "standard",
      max_rungs: 5,
      bracket_rungs: [],
      stop_once: false,
    });
    assert.deepEqual(searcher("async_halving", "  num_rungs: 2\n"), {
      name: "asha",
      ...common,
      divisor: 4,
      num_rungs: 2,
      stop_once: true,
    });
    assert.deepEqual(searcher("random"), { name: "random", ...common });
    assert.deepEqual(accepted(space("")).searcher, { ...common, name: null, max_trials: null });
  });

  it("resolves lengths, times and variables to one form", () => {
    const config = accepted(
      run(
        'budget: {time: 1h30m}\nenvironment: {environment_variables: [A=1=2, B=, A=3]}\nlabels: [a, b, a]\nsearcher: {name: single, max_length: {epochs: 3}}\nresources: {resource_pool: ""}\nversion: 0\n',
      ),
    );
    assert.equal(config.budget?.time, 5400);
    assert.deepEqual(config.environment.environment_variables, { A: "3", B: "" });
    assert.deepEqual(config.labels, ["a", "b"]);
    assert.deepEqual(config.searcher.max_length, { epochs: 3 });
    assert.equal(config.resources.resource_pool, "default");
    assert.equal(config.version, 1);
  });

  it("reads numbers and words as YAML 1.2 does", () => {
    const { data } = accepted(
      run("data: {a: 1e-3, b: .5, c: no, d: 0777, e: 1_000, f: 0x10, g: -0, h: ~, i: 12:30}\n"),
    );
    assert.deepEqual(data, {
      a: 0.001,
      b: 0.5,
      c: "no",
      d: 777,
      e: "1_000",
      f: 16,
      g: 0,
      h: null,
      i: "12:30",
    });
    assert.ok(!Object.is(data.g, -0));
  });

  it("keeps null as a constant and drops it elsewhere", () => {
    const config = accepted(
      run(
        "name: null\nresources: {priority: null}\nhyperparameters: {a: null, b: {type: const, val: null, when: null}}\n",
      ),
    );
    assert.equal(config.resources.priority, 42);
    assert.deepEqual(toSpace(config.hyperparameters).children, [
      { name: "a", parameter: { type: "const", value: null } },
      { name: "b", parameter: { type: "const", value: null } },
    ]);
  });

  it("does without an entrypoint where it is told so", () => {
    const reading = readConfig("name: a\n", { requireComplete: false });
    assert.ok(reading.ok);
    assert.equal(reading.config.entrypoint, null);
  });
});

describe("toSpace", () => {
  it("gives bounds by name, groups in byte order, conditions as paths", () => {
    const { hyperparameters } = accepted(
      space(
        "  \u{1f600}: 1\n  \uffee: 2\n  z: {type: log, base: 2, minval: -3, maxval: 3, count: 4}\n  n: {type: nested, when: {g.k: [a, b]}, params: {type: {type: int, minval: 1, maxval: 2}, d: {type: double, minval: 0, maxval: 1}}}\n  g: {k: {type: categorical, vals: [a, b, c]}}\n",
      ),
    );
    assert.deepEqual(toSpace(hyperparameters), {
      type: "nested",
      children: [
        { name: "free", parameter: { type: "int", min: 1, max: 9 } },
        {
          name: "g",
          parameter: {
            type: "nested",
            children: [{ name: "k", parameter: { type: "categorical", values: ["a", "b", "c"] } }],
          },
        },
        {
          name: "n",
          parameter: {
            type: "nested",
            children: [
              { name: "d", parameter: { type: "double", min: 0, max: 1 } },
              { name: "type", parameter: { type: "int", min: 1, max: 2 } },
            ],
            when: { path: ["g", "k"], values: ["a", "b"] },
          },
        },
        {
          name: "z",
          parameter: { type: "log", base: 2, minExponent: -3, maxExponent: 3, count: 4 },
        },
        { name: "\uffee", parameter: { type: "const", value: 2 } },
        { name: "\u{1f600}", parameter: { type: "const", value: 1 } },
      ],
    });
  });
});

describe("an issue", () => {
  const [issue] = (readConfig(search("  max_trials: 4\n  divisor: 1\n")) as { issues: Issue[] })
    .issues;

  it("is a line for people", () => {
    const source = search("  max_trials: 4\n  divisor: 1\n");
    assert.equal(
      formatIssue(issue!, { file: "config.yaml" }),
      'config.yaml:8:12: .searcher.divisor is 1; it must be greater than 1 (searcher "asha"). Try 3.',
    );
    assert.deepEqual(formatIssue(issue!, { source }).split("\n").slice(1), [
      "      divisor: 1",
      "               ^",
    ]);
  });

  it("is an object for programs", () => {
    assert.deepEqual(issueToJson(issue!, "c.yaml"), {
      file: "c.yaml",
      severity: "error",
      code: "out_of_range",
      path: ".searcher.divisor",
      line: 8,
      column: 12,
      message: '.searcher.divisor is 1; it must be greater than 1 (searcher "asha"). Try 3.',
      value: "1",
      limit: "greater than 1",
      suggestion: "3",
    });
  });

  it("has no line where the configuration came as JSON", () => {
    const reading = checkConfigValue({ entrypoint: "a", max_restarts: -1 });
    assert.ok(!reading.ok);
    assert.equal(reading.issues[0]!.line, null);
    assert.equal(
      formatIssue(reading.issues[0]!, { file: "body" }),
      "body: .max_restarts is -1; it must be at least 0. Try 5.",
    );
  });

  it("shows nothing that could steer a terminal", () => {
    const reading = readConfig(run('name: {"\\e[31m": "\\u202e"}\n"a\\u202eb\\n": 1\n'));
    assert.ok(!reading.ok);
    for (const each of reading.issues)
      assert.ok(!/[\p{Cc}\p{Cf}]/u.test(formatIssue(each)), formatIssue(each));
  });

  it("is one of a hundred at most, and the rest are counted", () => {
    const reading = readConfig(
      run(Array.from({ length: 150 }, (_, i) => `unknown_${i}: 1\n`).join("")),
    );
    assert.ok(!reading.ok);
    assert.equal(reading.issues.length, 101);
    assert.match(reading.issues[100]!.message, /^50 more are not listed/);
  });
});
