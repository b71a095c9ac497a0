import assert from "node:assert/strict";
import { test } from "node:test";
import { CapacityUnknown } from "../engine.ts";
import { whyNoGpu } from "./nvidia-smi.ts";
import { chooseSlots, parseNvidiaSmi, type SlotFacts } from "./slots.ts";

const SMI = [
  "0, GPU-aaaa1111, NVIDIA H200, 143771 MiB",
  "1, GPU-bbbb2222, NVIDIA H200, 143771 MiB",
  "2, GPU-cccc3333, NVIDIA GB10, [N/A]",
  "",
].join("\n");
const facts: SlotFacts = { gpus: { none: "nvidia-smi finds none" }, cores: 4 };
const ids = (more: Partial<SlotFacts>): string[] =>
  chooseSlots({ ...facts, ...more }).slots.map(({ id }) => id);

test("devices are read with name, maker's id and memory; other lines are not devices", () => {
  const slots = parseNvidiaSmi(`Warning: something\n${SMI}`);
  assert.deepEqual(slots[0], {
    id: "gpu:0",
    kind: "gpu",
    name: "NVIDIA H200",
    memoryBytes: 143_771 * 1024 * 1024,
    device: "GPU-aaaa1111",
  });
  assert.deepEqual(
    slots.map(({ id, memoryBytes }) => [id, memoryBytes === null]),
    [
      ["gpu:0", false],
      ["gpu:1", false],
      ["gpu:2", true],
    ],
  );
  assert.deepEqual(
    parseNvidiaSmi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."),
    [],
  );
});

const table: readonly { what: string; given: Partial<SlotFacts>; slots: readonly string[] }[] = [
  { what: "no GPU: one share a core", given: {}, slots: ["cpu:0", "cpu:1", "cpu:2", "cpu:3"] },
  {
    what: "GPUs when there are any",
    given: { gpus: { list: SMI } },
    slots: ["gpu:0", "gpu:1", "gpu:2"],
  },
  {
    what: "--slots on a machine without GPUs",
    given: { override: 6 },
    slots: ["cpu:0", "cpu:1", "cpu:2", "cpu:3", "cpu:4", "cpu:5"],
  },
  {
    what: "--slots up to the number of GPUs",
    given: { gpus: { list: SMI }, override: 2 },
    slots: ["gpu:0", "gpu:1"],
  },
  {
    what: "--slots beyond it: no GPU is shared",
    given: { gpus: { list: SMI }, override: 4 },
    slots: ["cpu:0", "cpu:1", "cpu:2", "cpu:3"],
  },
  {
    what: "only what the server may see, by index",
    given: { gpus: { list: SMI }, visibleDevices: "2,0" },
    slots: ["gpu:0", "gpu:2"],
  },
  {
    what: "only what the server may see, by the beginning of an id",
    given: { gpus: { list: SMI }, visibleDevices: "GPU-bbbb" },
    slots: ["gpu:1"],
  },
  {
    what: "the list ends at the first that is none, as for CUDA",
    given: { gpus: { list: SMI }, visibleDevices: "1,-1,0" },
    slots: ["gpu:1"],
  },
  {
    what: "all GPUs hidden",
    given: { gpus: { list: SMI }, visibleDevices: "" },
    slots: ["cpu:0", "cpu:1", "cpu:2", "cpu:3"],
  },
];
for (const { what, given, slots } of table) test(what, () => assert.deepEqual(ids(given), slots));

test("the reason says which number binds", () => {
  assert.match(chooseSlots(facts).reason, /no NVIDIA GPU; one slot for each of 4 cores/);
  assert.match(chooseSlots({ ...facts, gpus: { list: SMI }, override: 4 }).reason, /only 3 GPUs/);
});

test("a machine that does not say whether it has GPUs is no machine of cores, unless somebody says what it has", () => {
  const gpus = { unknown: "nvidia-smi did not answer within 60 s" };
  assert.throws(
    () => chooseSlots({ ...facts, gpus }),
    (error) =>
      error instanceof CapacityUnknown &&
      /did not answer within 60 s\. .*--slots N/.test(error.message),
  );
  const told = chooseSlots({ ...facts, gpus, override: 2 });
  assert.deepEqual(
    told.slots.map(({ id }) => id),
    ["cpu:0", "cpu:1"],
  );
  assert.match(told.reason, /did not answer within 60 s, so trials see no GPU/);
});

const failures: readonly (readonly [string, boolean, boolean])[] = [
  ["spawn nvidia-smi ENOENT", false, true],
  ["spawn nvidia-smi ENOENT", true, false],
  ["nvidia-smi could not be started: spawn nvidia-smi ENOENT", false, true],
  ["No devices were found", true, true],
  ["NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", false, false],
  ["Failed to initialize NVML: Driver/library version mismatch", true, false],
  ["Unable to determine the device handle for GPU0000:81:00.0: Unknown Error", true, false],
];
for (const [said, hasDevice, isNone] of failures)
  test(`${said.slice(0, 60)} ${hasDevice ? "with" : "without"} a device: ${isNone ? "no GPU" : "nobody knows"}`, () =>
    assert.equal(whyNoGpu(said, hasDevice) !== undefined, isNone));
