/** What a container may do is what this request says, so it is held to its words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerSettings } from "../../engines/docker/container-settings.ts";
import { bytesOf } from "../../protocol/config/size.ts";
import type { ContainerLaunch, LaunchSpec } from "../../protocol/runner-wire.ts";
import { type ContainerPlan, containerSpec, seesSame } from "./container-spec.ts";

const container: ContainerLaunch = {
  image: "team/train:3",
  force_pull: false,
  add_capabilities: [],
  drop_capabilities: [],
  bind_mounts: [],
  devices: [],
};
const settings: ContainerSettings = {
  socket: "/var/run/docker.sock",
  network: "none",
  user: { uid: 1000, gid: 1001 },
  cpusPerSlot: null,
  memoryPerSlotBytes: null,
  devices: {},
};
const launch = {
  allocation: "1.2.3",
  ranks: 1,
  slots: ["cpu:0"],
  entrypoint: ["python3", "train.py"],
  data: { digits: { snapshot: "0".repeat(64) }, note: { value: "/etc" } },
} as unknown as LaunchSpec;

function spec(
  more: Partial<Omit<ContainerPlan, "launch">> & { launch?: Partial<LaunchSpec> } = {},
  first: string | null = null,
) {
  const plan: ContainerPlan = {
    ...{ container, settings, socket: "/s/1.2.3.sock", sockets: "/s", repoRoot: "/app" },
    prepared: {
      code: "/a/1.2.3/code",
      data: { digits: "/data/digits", note: "/etc" },
      restore: { step: 3, path: "/a/1.2.3/restore" },
    },
    image: { name: "team/train:3", id: "sha256:abc", digest: null, environment: {} },
    checkpoints: "/a/1.2.3/checkpoints",
    modules: "/a/node_modules",
    ...more,
    launch: { ...launch, ...more.launch },
  };
  return containerSpec(plan, 0, { A: "1=2" }, first);
}

test("left alone it has no network, no rights and no root, and runs what was asked for in the image that was found", () => {
  const { HostConfig, ...made } = spec();
  assert.equal(made.Image, "sha256:abc");
  assert.deepEqual([made.Entrypoint, made.Cmd], [["python3", "train.py"], []]);
  assert.deepEqual(
    [made.User, made.WorkingDir, made.Env],
    ["1000:1001", "/a/1.2.3/code", ["A=1=2"]],
  );
  assert.equal(HostConfig.NetworkMode, "none");
  assert.deepEqual(HostConfig.SecurityOpt, ["no-new-privileges"]);
  assert.deepEqual([HostConfig.CapAdd, HostConfig.Devices], [[], []]);
  assert.ok(!("Memory" in HostConfig) && !("DeviceRequests" in HostConfig));
});

test("it may write into its code, its checkpoints and its socket, and sees the rest without being able to", () => {
  const writable = new Map(
    spec().HostConfig.Mounts.map(({ Target, ReadOnly }) => [Target, !ReadOnly]),
  );
  assert.deepEqual(Object.fromEntries(writable), {
    "/a/1.2.3/code": true,
    "/a/1.2.3/checkpoints": true,
    "/s/1.2.3.sock": true,
    "/a/1.2.3/restore": false,
    "/data/digits": false,
    "/app/python": false,
    "/a/node_modules": false,
    "/app/package.json": false,
    "/app/src": false,
    "/app/node_modules": false,
  });
  assert.ok(!writable.has("/etc"), "a path that was passed on as text is not mounted");
});

test("mounts that are asked for stand beside ours; a relative one lies below the code", () => {
  const bind_mounts = [
    { host_path: "/big", container_path: "/big", read_only: true, propagation: "rslave" },
    { host_path: "/cache", container_path: "cache", read_only: false, propagation: "rprivate" },
  ];
  const { Mounts } = spec({ container: { ...container, bind_mounts } }).HostConfig;
  assert.deepEqual(Mounts.slice(-2), [
    {
      ...{ Type: "bind", Source: "/big", Target: "/big", ReadOnly: true },
      BindOptions: { Propagation: "rslave" },
    },
    {
      ...{ Type: "bind", Source: "/cache", Target: "/a/1.2.3/code/cache", ReadOnly: false },
      BindOptions: { Propagation: "rprivate" },
    },
  ]);
});

test("limits are those of a slot, times the slots of a rank, without swap", () => {
  const limits = { ...settings, cpusPerSlot: 1.5, memoryPerSlotBytes: bytesOf("2GiB") ?? 0 };
  const { HostConfig } = spec({
    settings: limits,
    launch: { slots: ["cpu:0", "cpu:1", "cpu:2", "cpu:3"], ranks: 2 },
  });
  assert.equal(HostConfig.NanoCpus, 3e9);
  assert.deepEqual([HostConfig.Memory, HostConfig.MemorySwap], [4 * 1024 ** 3, 4 * 1024 ** 3]);
});

test("GPUs are asked for by their makers' ids, as many as were granted", () => {
  const { HostConfig } = spec({
    settings: { ...settings, devices: { "gpu:1": "GPU-bbbb", "gpu:3": "GPU-dddd" } },
    launch: { slots: ["gpu:1", "gpu:3"] },
  });
  assert.deepEqual(HostConfig.DeviceRequests, [
    { DeviceIDs: ["GPU-bbbb", "GPU-dddd"], Capabilities: [["gpu"]] },
  ]);
});

test("ranks after the first live in its network and its memory", () => {
  const { HostConfig } = spec({}, "c0ffee");
  assert.deepEqual(
    [HostConfig.NetworkMode, HostConfig.IpcMode],
    ["container:c0ffee", "container:c0ffee"],
  );
  assert.ok(!("ShmSize" in HostConfig));
  assert.equal(spec({ container: { ...container, shm_bytes: 1 } }).HostConfig.ShmSize, 1);
});

test("who asks for rights gets them, and new ones by a file's mark too", () => {
  const { HostConfig } = spec({ container: { ...container, add_capabilities: ["NET_RAW"] } });
  assert.deepEqual([HostConfig.CapAdd, HostConfig.SecurityOpt], [["NET_RAW"], []]);
});

test("a file is the same inside where the innermost mount over it is at its own place", () => {
  const { Mounts } = spec({
    container: {
      ...container,
      bind_mounts: [
        { host_path: "/x", container_path: "deps", read_only: true, propagation: "rprivate" },
      ],
    },
  }).HostConfig;
  const same = (path: string) => seesSame(Mounts, path);
  assert.deepEqual(["/a/1.2.3/code", "/a/1.2.3/code/run.sh", "/app/python/contrail"].map(same), [
    true,
    true,
    true,
  ]);
  assert.deepEqual(
    ["/a/1.2.3/code/deps/x", "/a/1.2.3/codes", "/usr/bin/torchrun", "/app"].map(same),
    [false, false, false, false],
  );
});
