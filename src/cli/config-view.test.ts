import assert from "node:assert/strict";
import { test } from "node:test";
import { configLines, valueOrigins } from "./config-view.ts";
import { layerFacts, layerLines } from "./layer-view.ts";

const detail = {
  config: {
    name: "digits",
    template: null,
    labels: [],
    searcher: { name: "random", max_length: { epochs: 3 }, max_trials: 4 },
    environment: { environment_variables: { A: "1", B: "2" }, image: "team/\u001b[2Jtrain" },
    bind_mounts: [{ host_path: "/x", container_path: "/y" }],
    resources: { priority: 3, slots_per_trial: 1 },
  },
  config_text: [
    "template: base # ours",
    "name: digits",
    "searcher: {max_length: 3}",
    "environment: {environment_variables: [A=1]}",
  ].join("\n"),
  layers: [
    {
      ...{ kind: "template" as const, name: "base", version: 2 },
      fields: [".searcher.name", ".environment.image", ".bind_mounts"],
    },
    {
      ...{ kind: "workspace" as const, name: "vision", version: 1 },
      fields: [".environment.environment_variables.B"],
    },
    { kind: "pool" as const, name: "team", version: null, fields: [".resources.priority"] },
  ],
};

test("each value of a configuration says whence it comes, unless its author wrote it", () => {
  assert.deepEqual(configLines(detail), [
    "name: digits",
    "labels: [] # default",
    "searcher:",
    "  name: random # template base@2",
    "  max_length:",
    "    epochs: 3",
    "  max_trials: 4 # default",
    "environment:",
    "  environment_variables:",
    '    A: "1"',
    '    B: "2" # the defaults of workspace vision@1',
    '  image: "team/\\e[2Jtrain" # template base@2',
    "bind_mounts: [{host_path: /x, container_path: /y}] # template base@2",
    "resources:",
    "  priority: 3 # the defaults of pool team",
    "  slots_per_trial: 1 # default",
  ]);
  assert.deepEqual(
    valueOrigins(detail).find(({ path }) => path === ".resources.priority"),
    { path: ".resources.priority", value: 3, from: "pool", layer: "the defaults of pool team" },
  );
});

test("layers are named once each; one that gave nothing has no line", () => {
  const idle = { ...detail.layers[2]!, fields: [] };
  assert.deepEqual(layerLines([...detail.layers.slice(1, 2), idle]), [
    "from the defaults of workspace vision@1: .environment.environment_variables.B",
  ]);
  assert.deepEqual(layerFacts(detail.layers), [
    ["template", "base@2"],
    ["defaults of", "workspace vision@1, pool team"],
  ]);
});
