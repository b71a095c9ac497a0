import assert from "node:assert/strict";
import { test } from "node:test";
import { type SlurmPool, slurmPool } from "../../protocol/pools/fields.ts";
import { JobRefused } from "../job-engine.ts";
import { capacityOf, choosePartition, demandFit, gpusOf, megabytes, type Wish } from "./fit.ts";
import type { SlurmNode, SlurmPartition } from "./slurm-access.ts";

const partition: SlurmPartition = {
  ...{ name: "gpu", state: "UP", nodesMax: null, cpusPerNodeMax: null },
  ...{ memoryMegabytesPerNodeMax: null, limitMs: null, limitMaxMs: null },
};
const node = (name: string, more: Partial<SlurmNode> = {}): SlurmNode => ({
  ...{ name, cpus: 16, memoryMegabytes: 64_000, gres: "gpu:a100:4(S:0-1)", state: "idle" },
  ...{ reason: "", ...more },
});
const nodes = [node("n1"), node("n2"), node("n3", { gres: "gpu:v100:2", cpus: 8 })];
const shape = (more: object = {}): SlurmPool =>
  slurmPool.parse({ engine: "slurm", slot_type: "gpu", ...more });

test("slots are what there is least of", () => {
  const of = (more: object, changed: Partial<SlurmPartition> = {}) => {
    const {
      slots,
      slotsPerNode,
      nodes: count,
    } = capacityOf({ ...partition, ...changed }, nodes, shape(more));
    return [slots, slotsPerNode, count];
  };
  assert.deepEqual(of({}), [10, 4, 3]);
  assert.deepEqual(of({ gpu_type: "a100" }), [8, 4, 2]);
  assert.deepEqual(of({ slot_type: "cpu" }), [40, 16, 3]);
  assert.deepEqual(of({ cpus_per_slot: 8 }), [5, 2, 3]);
  assert.deepEqual(of({ memory_per_slot: "40000" }), [3, 1, 3]);
  assert.deepEqual(of({ slots: 6 }), [6, 4, 3]);
  assert.deepEqual(of({ slots_per_node: 2 }), [6, 2, 3]);
  assert.deepEqual(of({ slot_type: "cpu" }, { cpusPerNodeMax: 4 }), [12, 4, 3]);
});

test("nodes that are out of service count, and are named", () => {
  const down = [node("n1"), node("n2", { state: "down*", reason: "Not responding" })];
  const { slots, reason } = capacityOf(partition, down, shape());
  assert.equal(slots, 8);
  assert.match(
    reason,
    /2 nodes of Slurm's partition gpu, 4 slots each; out of service now: n2 down\* \(Not responding\)/,
  );
});

interface Refusal {
  readonly what: string;
  readonly wish?: Partial<Wish>;
  readonly limits?: Partial<SlurmPartition>;
  readonly message: RegExp;
  readonly nearest: RegExp;
}

const refusals: readonly Refusal[] = [
  {
    ...{ what: "too many nodes", wish: { nodes: 3 } },
    message: /asks for 3 nodes with 4 GPUs each; .* 2 nodes as large/,
    nearest: /^2 nodes with 4 slots each$/,
  },
  {
    ...{ what: "too large a node", wish: { slotsPerNode: 5 } },
    message: /largest node .* has 4 slots/,
    nearest: /^1 node with 4 slots/,
  },
  {
    ...{ what: "more than a job may have", wish: { nodes: 2 }, limits: { nodesMax: 1 } },
    message: /gives one job 1 node at most/,
    nearest: /^1 node with 4 slots/,
  },
  {
    ...{ what: "too long", wish: { limitMs: 7_200_000 }, limits: { limitMaxMs: 3_600_000 } },
    message: /time limit is 120 minutes; .* 60 at most/,
    nearest: /60 minutes/,
  },
];
for (const { what, wish = {}, limits = {}, message, nearest } of refusals)
  test(`refused: ${what}`, () =>
    assert.throws(
      () =>
        demandFit(
          { nodes: 1, slotsPerNode: 4, limitMs: null, ...wish },
          { ...partition, ...limits },
          nodes,
          shape(),
        ),
      (error) => {
        assert.ok(error instanceof JobRefused);
        assert.match(error.message, message);
        assert.match(error.nearest ?? "", nearest);
        return true;
      },
    ));

test("what fits is not refused", () => {
  for (const wish of [
    { nodes: 2, slotsPerNode: 4 },
    { nodes: 3, slotsPerNode: 2 },
    { nodes: 1, slotsPerNode: 1 },
  ])
    demandFit({ ...wish, limitMs: 60_000 }, { ...partition, limitMaxMs: 60_000 }, nodes, shape());
});

test("a partition is the one that is named, or the default one", () => {
  const all = [
    { ...partition, isDefault: false },
    { ...partition, name: "batch", isDefault: true },
  ];
  assert.equal(choosePartition(all, "gpu").name, "gpu");
  assert.equal(choosePartition(all, undefined).name, "batch");
  assert.throws(() => choosePartition(all, "huge"), /no partition huge\. It has: gpu, batch\./);
  assert.throws(() => choosePartition(all.slice(0, 1), undefined), /no default partition/);
});

for (const [gres, type, count] of [
  ["", null, 0],
  ["gpu:2", null, 2],
  ["gpu", null, 1],
  ["gpu:a100:4(S:0-1),gpu:v100:2(S:0),nvme:1", null, 6],
  ["gpu:a100:4(S:0-1),gpu:v100:2(S:0)", "v100", 2],
  ["gres:gpu:3", null, 3],
  ["gpu:2", "a100", 0],
] as const)
  test(`GPUs of type ${type} in "${gres}"`, () => assert.equal(gpusOf(gres, type), count));

for (const [text, count] of [
  ["4G", 4096],
  ["512M", 512],
  ["512", 512],
  ["100K", 1],
  ["1T", 1_048_576],
  [null, null],
] as const)
  test(`memory of ${text}`, () => assert.equal(megabytes(text), count));
