import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Case, differences, grid, run, space } from "./cases.ts";

function table(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    for (const each of cases) it(each[0], () => assert.equal(differences(each), ""));
  });
}

table("hyperparameters", [
  ["not a map", run("hyperparameters: 3\n"), [["2:18", "map of names to hyperparameters"]]],
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
