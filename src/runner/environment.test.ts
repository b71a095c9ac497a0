import assert from "node:assert/strict";
import { test } from "node:test";
import { type RankPlace, rankEnvironment } from "./environment.ts";

const place: RankPlace = {
  launch: {
    experiment: 3,
    trial: "3.1",
    allocation: "3.1.2",
    slots: ["cpu:0"],
    ranks: 1,
    entrypoint: ["python", "train.py"],
    code: null,
    data: {},
    environment: {},
    params: { lr: 0.1 },
    seed: 7,
    unit: "epochs",
    restore: null,
    token: "secret",
    killGraceMs: 1,
    yieldGraceMs: 1,
  },
  rank: 0,
  socket: "/run/3.1.2.sock",
  server: "http://127.0.0.1:1",
  devices: "ours",
  data: { train: "/data/1" },
  meeting: null,
  inherited: {
    PATH: "/usr/bin",
    HOME: "/home/ada",
    CONTRAIL_TOKEN: "the server's",
    LANG: undefined,
  },
  nodeBinary: "/opt/node/bin/node",
  repoRoot: "/opt/contrail",
};
const env = (launch: Partial<RankPlace["launch"]>, more: Partial<RankPlace> = {}) =>
  rankEnvironment({ ...place, ...more, launch: { ...place.launch, ...launch } });

test("the platform's variables, the person's, and helpers in front", () => {
  assert.deepEqual(env({}), {
    PYTHONUNBUFFERED: "1",
    OMP_NUM_THREADS: "1",
    PATH: "/opt/node/bin:/usr/bin",
    HOME: "/home/ada",
    PYTHONPATH: "/opt/contrail/python",
    PYTHONHASHSEED: "7",
    CUDA_DEVICE_ORDER: "PCI_BUS_ID",
    CUDA_VISIBLE_DEVICES: "",
    CONTRAIL_MARK: "/run/3.1.2.sock",
    CONTRAIL_SOCKET: "/run/3.1.2.sock",
    CONTRAIL_EXPERIMENT: "3",
    CONTRAIL_TRIAL: "3.1",
    CONTRAIL_ALLOCATION: "3.1.2",
    CONTRAIL_RANK: "0",
    CONTRAIL_SIZE: "1",
    CONTRAIL_SEED: "7",
    CONTRAIL_PARAMS: '{"lr":0.1}',
    CONTRAIL_SERVER: "http://127.0.0.1:1",
    CONTRAIL_TOKEN: "secret",
    CONTRAIL_DATA_PATHS: '{"train":"/data/1"}',
  });
});

test("the configuration overrides the person's variables, and neither overrides the platform's", () => {
  const environment = {
    PYTHONPATH: "lib",
    PATH: "/my/bin",
    OMP_NUM_THREADS: "8",
    PYTHONHASHSEED: "0",
    CONTRAIL_SEED: "1",
    CONTRAIL_OTHER: "x",
    CUDA_VISIBLE_DEVICES: "0,1,2",
  };
  const got = env({ environment, slots: ["gpu:4", "gpu:1"] });
  assert.equal(got.PYTHONPATH, "/opt/contrail/python:lib");
  assert.equal(got.PATH, "/opt/node/bin:/my/bin");
  assert.equal(got.OMP_NUM_THREADS, "8");
  assert.equal(got.PYTHONHASHSEED, "0");
  assert.equal(got.CONTRAIL_SEED, "7");
  assert.equal(got.CONTRAIL_OTHER, undefined);
  assert.equal(got.CUDA_VISIBLE_DEVICES, "4,1");
});

test("what is tried out in a shell or notebook runs alone, and is found all the same", () => {
  for (const kind of ["shell", "notebook", "command"] as const) {
    const got = env({ task: { kind, idleTimeoutMs: null } });
    assert.equal(got.CONTRAIL_MARK, "/run/3.1.2.sock");
    assert.equal(got.CONTRAIL_SOCKET, kind === "command" ? "/run/3.1.2.sock" : undefined, kind);
    assert.equal(got.CONTRAIL_TASK_SOCKET, kind === "command" ? undefined : "/run/3.1.2.t/s", kind);
  }
});

test("threads follow the shares of each rank; GPUs leave them alone", () => {
  assert.equal(env({ slots: ["cpu:0", "cpu:1", "cpu:2", "cpu:3"], ranks: 2 }).OMP_NUM_THREADS, "2");
  assert.equal(env({ slots: ["gpu:0"], coresPerSlot: 8 }).OMP_NUM_THREADS, undefined);
  const threads = (slots: number, coresPerSlot: number, ranks: number) =>
    env({ slots: Array.from({ length: slots }, (_, at) => `cpu:${at}`), coresPerSlot, ranks })
      .OMP_NUM_THREADS;
  assert.deepEqual(
    [threads(1, 16, 1), threads(4, 2, 2), threads(3, 1.5, 1), threads(2, 0.25, 1)],
    ["16", "4", "4", "1"],
    "as many cores as the pool says a slot has",
  );
});

test("several ranks are told where to meet, in the names that torch.distributed reads", () => {
  const { RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT } = env(
    { ranks: 4 },
    { rank: 2, meeting: { address: "127.0.0.1", port: 4711 } },
  );
  assert.deepEqual(
    { RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT },
    {
      RANK: "2",
      WORLD_SIZE: "4",
      LOCAL_RANK: "2",
      LOCAL_WORLD_SIZE: "4",
      MASTER_ADDR: "127.0.0.1",
      MASTER_PORT: "4711",
    },
  );
});

test("on several nodes ranks count on over all of them, and locally from 0 on each", () => {
  const meeting = { address: "10.0.0.7", port: 4711 };
  const share = { node: 1, nodes: 2, first: 2, ranks: 2 };
  const gang = { meeting, share, networkInterface: "eth1" };
  const variables = env({ ranks: 4 }, { rank: 3, meeting, gang });
  const { RANK, LOCAL_RANK, LOCAL_WORLD_SIZE, GROUP_RANK, NODE_RANK, GROUP_WORLD_SIZE } = variables;
  assert.deepEqual(
    [RANK, LOCAL_RANK, LOCAL_WORLD_SIZE, GROUP_RANK, NODE_RANK, GROUP_WORLD_SIZE],
    ["3", "1", "2", "1", "1", "2"],
  );
  const { MASTER_ADDR, MASTER_PORT, GLOO_SOCKET_IFNAME } = variables;
  assert.deepEqual([MASTER_ADDR, MASTER_PORT, GLOO_SOCKET_IFNAME], ["10.0.0.7", "4711", "eth1"]);
  const unknown = env(
    { ranks: 4 },
    { rank: 3, meeting, gang: { ...gang, networkInterface: null } },
  );
  assert.equal(unknown.GLOO_SOCKET_IFNAME, undefined);
});

test("gloo takes the loopback device where several ranks meet, unless the configuration says otherwise", () => {
  assert.match(
    env({ ranks: 2 }, { meeting: { address: "127.0.0.1", port: 1 } }).GLOO_SOCKET_IFNAME ?? "",
    /^lo0?$/,
  );
  assert.equal(env({ ranks: 1 }).GLOO_SOCKET_IFNAME, undefined);
  const environment = { GLOO_SOCKET_IFNAME: "eth0" };
  assert.equal(
    env({ ranks: 2, environment }, { meeting: { address: "127.0.0.1", port: 1 } })
      .GLOO_SOCKET_IFNAME,
    "eth0",
  );
});

test("a seed that Python's hashing does not take is brought into its range", () => {
  assert.equal(env({ seed: 4_294_967_295 }).PYTHONHASHSEED, "4294967295");
  assert.equal(env({ seed: 4_294_967_297 }).PYTHONHASHSEED, "1");
  assert.equal(env({ seed: -5 }).PYTHONHASHSEED, "5");
});
