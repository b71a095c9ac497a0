import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterCapacity, slotsOf } from "./nodes.ts";
import type { Node } from "./objects.ts";
import { multiplied, parseQuantity } from "./quantity.ts";

const quantities: readonly [string, number | undefined][] = [
  ["2", 2],
  ["500m", 0.5],
  ["1.5", 1.5],
  ["16Gi", 16 * 2 ** 30],
  ["100M", 1e8],
  ["1e3", 1000],
  ["2E", 2e18],
  [".5", 0.5],
  ["", undefined],
  ["4 Gi", undefined],
  ["1e3Gi", undefined],
  ["much", undefined],
];
for (const [text, amount] of quantities)
  test(`a quantity: "${text}"`, () => assert.equal(parseQuantity(text), amount));

test("a size of one slot is multiplied without rounding", () => {
  assert.deepEqual(
    [multiplied("3Gi", 4), multiplied("1.5Gi", 2), multiplied("500M", 3)],
    ["12Gi", String(3 * 2 ** 30), "1500M"],
  );
});

const node = (
  name: string,
  allocatable: Record<string, string>,
  spec: Node["spec"] = {},
): Node => ({
  metadata: { name, labels: { pool: name[0] ?? "" } },
  spec,
  status: { allocatable, conditions: [{ type: "Ready", status: "True" }] },
});
const gpus = {
  kind: "gpu",
  gpuResource: "nvidia.com/gpu",
  cpusPerSlot: 4,
  memoryPerSlot: "10Gi",
} as const;
const cores = { ...gpus, kind: "cpu", cpusPerSlot: 0.1, memoryPerSlot: null } as const;
const anywhere = { nodeSelector: {}, tolerations: [] };

test("slots of a node are bounded by whatever there is least of", () => {
  const has = (gpu: string, cpu: string, memory: string) =>
    slotsOf(node("a", { "nvidia.com/gpu": gpu, cpu, memory }), gpus);
  assert.deepEqual(
    [
      has("8", "64", "512Gi"),
      has("8", "15900m", "512Gi"),
      has("8", "64", "45Gi"),
      has("0", "64", "1Ti"),
    ],
    [8, 3, 4, 0],
  );
  assert.equal(slotsOf(node("a", { cpu: "300m", memory: "1Gi" }), cores), 3, "0.1 three times");
});

test("a pool has the nodes where its pods may go, and says which are left out, and which for now", () => {
  const big = { "nvidia.com/gpu": "4", cpu: "32", memory: "256Gi" };
  const taints = [{ key: "nvidia.com/gpu", effect: "NoSchedule" as const }];
  const control = [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" as const }];
  const notReady: Node = { ...node("a4", big), status: { allocatable: big, conditions: [] } };
  const nodes = [
    node("a1", big, { taints }),
    node("a2", { ...big, "nvidia.com/gpu": "2" }, { taints }),
    node("a3", big, { unschedulable: true }),
    notReady,
    node("c1", { cpu: "4", memory: "8Gi" }, { taints: control }),
    node("b1", big),
  ];
  const placement = {
    nodeSelector: { pool: "a" },
    tolerations: [{ key: "nvidia.com/gpu", operator: "Exists" }],
  };
  const found = clusterCapacity(nodes, gpus, placement);
  assert.deepEqual([found.slots, found.slotsPerNode, found.nodes], [14, 4, 4]);
  for (const words of ["not now: 1 cordoned, 1 not ready", "left out: 2 without the label pool=a"])
    assert.ok(found.reason.includes(words), found.reason);
  const bare = clusterCapacity(nodes, gpus, anywhere);
  assert.equal(bare.nodes, 3, "who tolerates nothing has b1, and those that are out for now");
  assert.equal(clusterCapacity([], gpus, anywhere).slots, 0);
});

test("a node that is out for now stays one of the pool; one that no pod of it may use is left out, whatever else it is", () => {
  const cpu = { cpu: "4" };
  const taint = (key: string) => [{ key, effect: "NoSchedule" as const }];
  const out: readonly [string, Node, boolean][] = [
    ["1 cordoned", node("a", cpu, { unschedulable: true }), true],
    ["1 not ready", { ...node("a", cpu), status: { allocatable: cpu, conditions: [] } }, true],
    [
      "1 tainted node.kubernetes.io/disk-pressure",
      node("a", cpu, { taints: taint("node.kubernetes.io/disk-pressure") }),
      true,
    ],
    [
      "1 tainted node.cloudprovider.kubernetes.io/uninitialized",
      node("a", cpu, { taints: taint("node.cloudprovider.kubernetes.io/uninitialized") }),
      true,
    ],
    ["1 tainted team", node("a", cpu, { taints: taint("team"), unschedulable: true }), false],
    ["1 without the label pool=a", node("b", cpu, { unschedulable: true }), false],
    ["1 not ready", { ...node("a", cpu), status: {} }, false],
  ];
  for (const [words, is, counts] of out) {
    const found = clusterCapacity([is], cores, { nodeSelector: { pool: "a" }, tolerations: [] });
    assert.equal(found.slots, counts ? 40 : 0, words);
    const list = `${counts ? "not now" : "left out"}: ${words}.`;
    assert.ok(found.reason.endsWith(list), found.reason);
  }
});
