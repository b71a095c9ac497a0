import assert from "node:assert/strict";
import { test } from "node:test";
import { openConfig, openValue, readLayer, readOpen, writtenIn } from "./config.ts";
import { giverOf, type Layer, type Layered, layUnder } from "./layers.ts";

const layer = (kind: Layer["kind"], value: Layer["value"]): Layer => ({
  ...{ kind, name: "base", value },
  version: kind === "pool" ? null : 2,
});

function readOver(text: string, ...layers: Layer[]) {
  const open = openConfig(text);
  const top: Layered = { value: writtenIn(open), layers: [] };
  const over = layers.reduce(layUnder, top);
  return { over, reading: readOpen(open, { over }) };
}

test("submission, template, workspace, pool, schema: the first that says anything wins, and who gave is known", () => {
  const { over, reading } = readOver(
    "entrypoint: train\nmax_restarts: 1\n",
    layer("template", { max_restarts: 2, description: "t" }),
    layer("workspace", { max_restarts: 3, description: "w", preemption_timeout: 5 }),
    layer("pool", { preemption_timeout: 6, resources: { priority: 7 } }),
  );
  assert.ok(reading.ok);
  const { max_restarts, description, preemption_timeout, resources } = reading.config;
  assert.deepEqual(
    [max_restarts, description, preemption_timeout, resources.priority, resources.slots_per_trial],
    [1, "t", 5, 7, 1],
  );
  assert.deepEqual(
    over.layers.map(({ kind, fields }) => [kind, fields]),
    [
      ["template", [".description"]],
      ["workspace", [".preemption_timeout"]],
      ["pool", [".resources.priority"]],
    ],
  );
  assert.equal(giverOf(over.layers, ".preemption_timeout")?.layer.kind, "workspace");
  assert.equal(giverOf(over.layers, ".max_restarts"), undefined);
});

test("a fault in what was written keeps its line, one in what was given says whence it comes", () => {
  const template = layer("template", { resources: { max_slots: 2 } });
  const { reading } = readOver("entrypoint: t\nresources: {slots_per_trial: 4}\n", template);
  assert.ok(!reading.ok);
  const [issue] = reading.issues;
  assert.equal(issue?.line, null);
  assert.match(issue?.message ?? "", /max_slots comes from template base@2\.$/);
  const written = readOver("entrypoint: t\nlabels: 3\n", template).reading;
  assert.ok(!written.ok);
  assert.deepEqual([written.issues[0]?.line, written.issues[0]?.column], [2, 9]);
});

test("what another layer may supply is no fault of one; what is wrong by itself is, with its place", () => {
  const good = [
    "resources: {priority: 3}",
    "searcher: {metric: loss}",
    "searcher: {max_trials: 9}",
    "searcher: {name: random, metric: loss, max_trials: 3}",
    "searcher: {time_metric: s}",
    "hyperparameters: {lr: {type: double, minval: 0, maxval: 1}}",
    "workspace: team",
    "budget: {money: {max: 3}}",
  ];
  for (const text of good) {
    const reading = readLayer(openConfig(text), "template");
    assert.ok(reading.ok, `${text}: ${JSON.stringify(reading)}`);
  }
  const bad: [text: string, line: number, column: number, said: RegExp][] = [
    ["labels: [a]\nresources: {prority: 3}", 2, 13, /prority.*priority/],
    ["hyperparameters: {lr: {type: double, minval: 0}}", 1, 19, /maxval is missing/],
    ["bind_mounts: [{host_path: /x}]", 1, 15, /container_path is missing/],
    ["searcher: {max_length: {}}", 1, 24, /max_length/],
    ["template: other", 1, 1, /stands in a template: by then it has been chosen/],
    ["", 1, 1, /empty; it must be a map/],
  ];
  for (const [text, line, column, said] of bad) {
    const reading = readLayer(openConfig(text), "template");
    assert.ok(!reading.ok, text);
    const [issue] = reading.issues;
    assert.match(issue?.message ?? "", said, text);
    assert.deepEqual([issue?.line, issue?.column], [line, column], text);
  }
});

test("a layer chooses none above itself", () => {
  const all = {
    template: "t",
    workspace: "w",
    project: "p",
    resources: { resource_pool: "x" },
  };
  const refused = (kind: Layer["kind"]): string[] => {
    const reading = readLayer(openValue(all), kind);
    return reading.ok ? [] : reading.issues.map(({ path }) => path);
  };
  assert.deepEqual(refused("template"), [".template"]);
  assert.deepEqual(refused("workspace"), [".template", ".workspace", ".project"]);
  assert.deepEqual(refused("pool"), [
    ...[".template", ".workspace", ".project"],
    ".resources.resource_pool",
  ]);
});

test("what is no map is refused over layers as it is without; nothing is, where a template was named beside it", () => {
  const template = layer("template", { entrypoint: "train" });
  const texts: [text: string, said: RegExp][] = [
    ["entrypoint train\n", /is "entrypoint train"; it must be a map/],
    ["- a\n", /it must be a map/],
    ["3\n", /is 3; it must be a map/],
  ];
  for (const [text, said] of texts) {
    const { reading } = readOver(text, template);
    assert.ok(!reading.ok, text);
    assert.match(reading.issues[0]?.message ?? "", said);
    assert.doesNotMatch(reading.issues[0]?.message ?? "", /comes from/);
  }
  assert.ok(readOver("", template).reading.ok);
  const alone = readOver("", layer("workspace", { entrypoint: "train" })).reading;
  assert.ok(!alone.ok);
  assert.match(alone.issues[0]?.message ?? "", /is empty; it must be a map/);
});

test("of a list from one layer and a variable of it from another, each is told whose it is", () => {
  const { over, reading } = readOver(
    "entrypoint: t\n",
    layer("template", { environment: { environment_variables: ["A=1"] } }),
    layer("workspace", { environment: { environment_variables: { B: 2 } } }),
  );
  assert.ok(reading.ok);
  assert.deepEqual(reading.config.environment.environment_variables, { A: "1", B: "2" });
  const giver = (name: string) =>
    giverOf(over.layers, `.environment.environment_variables.${name}`)?.layer.kind;
  assert.deepEqual([giver("A"), giver("B")], ["template", "workspace"]);
});
