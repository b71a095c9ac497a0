import assert from "node:assert/strict";
import { test } from "node:test";
import { readPools } from "./pools.ts";

const faults = (text: string): string[] => {
  const reading = readPools(text);
  assert.ok(!reading.ok, "this file has faults");
  return reading.issues.map(({ line, column, message }) => `${line}:${column} ${message}`);
};

test("every pool is read with its defaults, in the order of the file", () => {
  const reading = readPools(
    [
      "pools:",
      "  here: {engine: local, slots: 2, defaults: {resources: {priority: 7}}}",
      "  cluster: {engine: slurm, partition: gpu, slot_type: gpu, grace: 1m, sbatch_args: [--exclusive]}",
      "  boxes: {engine: docker, user: 1000:1000}",
      "  k: {engine: kubernetes, image: registry/contrail@1}",
    ].join("\n"),
  );
  assert.ok(reading.ok, JSON.stringify(reading));
  assert.deepEqual(
    reading.pools.map(({ name, settings }) => `${name} ${settings.engine}`),
    ["here local", "cluster slurm", "boxes docker", "k kubernetes"],
  );
  const [here, cluster, boxes] = reading.pools;
  assert.deepEqual(here?.settings.defaults, { resources: { priority: 7 } });
  assert.ok(cluster?.settings.engine === "slurm");
  assert.deepEqual([cluster.settings.grace, cluster.settings.slots], [60, null]);
  assert.ok(boxes?.settings.engine === "docker");
  assert.deepEqual([boxes.settings.network, boxes.settings.user], ["none", "1000:1000"]);
});

test("every fault is told at once, with its place and the nearest word", () => {
  const told = faults(
    [
      "pools:",
      "  Big: {engine: local}",
      "  b: {engine: slrum}",
      "  c: {engine: slurm, partion: gpu, slots: 0}",
      "  d: {}",
      "  e: {engine: local, defaults: {resources: {prority: 3}}}",
      "more: 1",
    ].join("\n"),
  );
  const expected = [
    /^2:3 .*"Big" is the name of a pool/,
    /^3:15 .*"slrum".*Did you mean slurm\?/,
    /^4:22 .*partion.*partition/,
    /^4:\d+ .*slots.*1/,
    /^5:6 .*has no engine/,
    /^6:\d+ defaults\.resources.*prority/,
    /^7:1 "more" is no field/,
  ];
  assert.equal(told.length, expected.length, told.join("\n"));
  for (const [at, pattern] of expected.entries()) assert.match(told[at] ?? "", pattern);
});

test("a file that is no map of pools says what it has to be", () => {
  for (const text of ["", "[]", "pools: 3", "pools: {}", "pool: {}"])
    assert.match(faults(text).join(), /maps the name of each pool/);
});
