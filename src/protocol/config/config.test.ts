import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { accepted, issuesOf, run, search, space } from "./cases.ts";
import { checkConfigValue, readConfig, toSpace } from "./config.ts";
import { formatIssue, issueToJson } from "./issue.ts";

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
      source_checkpoint_uuid: null,
    });
    assert.deepEqual(config.resources, {
      slots_per_trial: 1,
      max_slots: null,
      priority: 42,
      resource_pool: "default",
      is_single_node: null,
      shm_size: null,
      devices: [],
    });
    assert.equal(config.max_restarts, 5);
    assert.equal(config.preemption_timeout, 3600);
    assert.equal(config.progress_deadline, null);
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
      source_checkpoint_uuid: null,
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
  const [issue] = issuesOf(search("  max_trials: 4\n  divisor: 1\n"));

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
