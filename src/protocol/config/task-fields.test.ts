import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accepted, type Case, differences, run, search } from "./cases.ts";
import { checkConfigValue } from "./config.ts";

const FAULTS: readonly Case[] = [
  [
    "a kind that is none",
    run("task: {kind: notebok}\n"),
    [["2:14", '"notebok"', "one of command, shell, notebook", "Try notebook."]],
  ],
  ["no kind", run("task: {idle_timeout: 90s}\n"), [["2:1", ".task.kind is missing"]]],
  ["a word for a map", run("task: shell\n"), [["2:7", "must be a map (of kind, idle_timeout)"]]],
  ["a kind at the top", run("kind: shell\n"), [["2:1", "Did you mean task.kind?"]]],
  [
    "a time that is none",
    run("task: {kind: shell, idle_timeout: soon}\n"),
    [["2:35", '"soon"', "0 (never)", "90s"]],
  ],
  [
    "less than no time",
    run("task: {kind: shell, idle_timeout: -1}\n"),
    [["2:35", ".task.idle_timeout is -1"]],
  ],
  [
    "a command that idles",
    run("task: {kind: command, idle_timeout: 5m}\n"),
    [["2:37", "the kind is command", "budget.time"]],
  ],
  [
    "a search",
    search("  max_trials: 4\ntask: {kind: notebook}\n"),
    [["8:7", "the searcher is asha", "set searcher.name to single"]],
  ],
  [
    "a search without a name",
    run("searcher: {metric: loss, max_length: 9}\ntask: {kind: shell}\n"),
    [["3:7", "left to choose"]],
    [["1:1", "leaves nothing to choose"]],
  ],
];

describe("task", () => {
  for (const each of FAULTS) it(each[0], () => assert.equal(differences(each), ""));

  it("is null where nobody asked for one", () => assert.equal(accepted(run("")).task, null));

  for (const [lines, task] of [
    ["task: {kind: command}", { kind: "command", idle_timeout: null }],
    ["task: {kind: shell}", { kind: "shell", idle_timeout: 1800 }],
    ["task: {kind: notebook, idle_timeout: 1h30m}", { kind: "notebook", idle_timeout: 5400 }],
    ["task: {kind: shell, idle_timeout: 0}", { kind: "shell", idle_timeout: 0 }],
    [
      "searcher: {name: single}\ntask: {kind: shell, idle_timeout: null}",
      { kind: "shell", idle_timeout: 1800 },
    ],
  ] as const)
    it(`${lines} is read, and once more as it was resolved`, () => {
      const config = accepted(run(`${lines}\n`));
      assert.deepEqual(config.task, task);
      const again = checkConfigValue(config);
      assert.deepEqual(again.ok && again.config.task, task);
    });
});
