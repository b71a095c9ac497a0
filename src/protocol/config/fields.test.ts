import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Case, differences, run, search } from "./cases.ts";

function table(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    for (const each of cases) it(each[0], () => assert.equal(differences(each), ""));
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
  ["a number that cannot be read, once", run("max_restarts: 1e400\n"), [["2:15", "finite"]]],
  [
    "the tighter of two bounds that a number breaks",
    run("max_restarts: 1e30\n"),
    [["2:15", "at most 10000"]],
  ],
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
    run("max_restarts: -1\nresources: {priority: 100, slots_per_trial: two}\ndebug: maybe\n"),
    [
      ["2:15", ".max_restarts is -1; it must be at least 0. Try 5."],
      ["3:23", ".resources.priority is 100; it must be at most 99. Try 42."],
      ["3:45", '.resources.slots_per_trial is "two"; it must be a whole number.'],
      ["4:8", '.debug is "maybe"; it must be false.'],
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
  [
    "a deadline for progress that has passed at once",
    run("progress_deadline: 0\n"),
    [["2:20", ".progress_deadline is 0; it must be greater than 0"]],
  ],
  [
    "a deadline for progress in words",
    run("progress_deadline: a while\n"),
    [["2:20", '"a while"', "90s, 15m, 2h, 1d"]],
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
    "a name that no pool can have",
    run("resources: {resource_pool: Big}\n"),
    [["2:28", '"Big"', "the name of a pool"]],
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
    "variables for each kind of device",
    run("environment: {environment_variables: {cuda: [A=1]}}\n"),
    [["2:45", ".cuda", "(cpu, cuda, rocm) is not served yet", "one list of NAME=VALUE"]],
  ],
  [
    "a trial class of Determined",
    "entrypoint: model_def:MNistTrial\n",
    [["1:13", '"model_def:MNistTrial"', "trial class", "python3 train.py"]],
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

table("containers", [
  [
    "as users of Determined have them",
    run(
      "environment: {image: {cpu: 'a:1', gpu: 'b:2'}, add_capabilities: [NET_RAW], registry_auth: {username: u, password: p}}\nbind_mounts: [{host_path: /big, container_path: big}]\nresources: {shm_size: 1.5 GiB, devices: ['/dev/null:/dev/x:r', {host_path: /dev/a, container_path: /dev/b}]}\n",
    ),
    [],
  ],
  ["an image of two words", run("environment: {image: a b}\n"), [["2:22", "the name of an image"]]],
  [
    "a mount of a relative folder",
    run("bind_mounts: [{host_path: big, container_path: b}]\n"),
    [["2:27", "an absolute path"]],
  ],
  [
    "a mount over the code",
    run("bind_mounts: [{host_path: /big, container_path: .}]\n"),
    [["2:49", "a path other than ."]],
  ],
  [
    "a size that is none",
    run("resources: {shm_size: 4 parsecs}\n"),
    [["2:23", "a size such as 512m"]],
  ],
  [
    "a device of one path",
    run("resources: {devices: [/dev/null]}\n"),
    [["2:23", "HOST:CONTAINER"]],
  ],
  [
    "a right by a small name",
    run("environment: {add_capabilities: [net_raw]}\n"),
    [["2:34", "a capability such as NET_RAW"]],
  ],
  [
    "a login with a word of somebody else's",
    run("environment: {registry_auth: {user: u}}\n"),
    [["2:31", "user"]],
  ],
]);

table("known, but not served yet", [
  [
    "with a way out",
    run("min_checkpoint_period: {batches: 3}\n"),
    [["2:1", ".min_checkpoint_period is known but not served yet", "Call trial.checkpoint"]],
  ],
  [
    "without one",
    run("checkpoint_storage: {type: shared_fs}\n"),
    [["2:22", ".checkpoint_storage.type is known but not served yet", "Remove it."]],
  ],
  [
    "fewer than none",
    run("checkpoint_storage: {save_trial_best: -1}\n"),
    [["2:39", "save_trial_best is -1; it must be at least 0", "Try 1."]],
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
  ["a typo of one", run("integration: {}\n"), [["2:1", "Did you mean integrations?"]]],
  [
    "a searcher's source",
    search("  max_trials: 4\n  source_trial_id: 3\n"),
    [["8:3", "known but not served yet"]],
  ],
]);
