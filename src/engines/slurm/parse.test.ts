/** Texts as Slurm 22.05 printed them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  expandHosts,
  PART,
  parseLimit,
  parsePartitions,
  parseSacct,
  parseSinfo,
  parseSqueue,
} from "./parse.ts";

const parted = (text: string): string => text.replaceAll("~", PART);

test("squeue's lines are jobs, whatever state they are in", () => {
  const jobs = parseSqueue(
    parted(
      [
        '17000001~contrail:own:1.1.1~RUNNING~None~N/A~0~n[1-2]~1795870937~1795874537~1:00:00~0~contrail:own:1.1.1 some title, with "x|y~',
        "17000002~contrail:own:1.1.2~FAILED~NonZeroExitCode~N/A~1792~n1~1795870937~1795870938~1-01:00:00~1~contrail:own:1.1.2 t~",
        "17000005~contrail:own:1.1.5~PENDING~PartitionNodeLimit~N/A~0~~N/A~N/A~UNLIMITED~0~(null)~",
        "3~contrail:own:b~COMPLETED~None~1795870296~0~n[1-2]~1795870295~1795870298~1:00:00~0~(null)~",
        "slurm_load_jobs warning: something",
        "",
      ].join("\n"),
    ),
  );
  assert.deepEqual(jobs[0], {
    ...{ number: 17000001, name: "contrail:own:1.1.1", state: "RUNNING", reason: "None" },
    ...{ comment: 'contrail:own:1.1.1 some title, with "x|y', nodes: "n[1-2]", waitStatus: 0 },
    ...{
      isPreempted: false,
      restarts: 0,
      startMs: 1795870937_000,
      endMs: 1795874537_000,
      limitMs: 3_600_000,
    },
  });
  assert.deepEqual(
    jobs.map(({ state, waitStatus, startMs, limitMs, isPreempted, nodes }) => [
      ...[state, waitStatus, startMs !== null, limitMs, isPreempted, nodes],
    ]),
    [
      ["RUNNING", 0, true, 3_600_000, false, "n[1-2]"],
      ["FAILED", 1792, true, 90_000_000, false, "n1"],
      ["PENDING", 0, false, null, false, ""],
      ["COMPLETED", 0, true, 3_600_000, true, "n[1-2]"],
    ],
  );
});

test("sacct's lines are jobs without comments; who cancelled is not a part of the state", () => {
  const jobs = parseSacct(
    [
      "17000001|RUNNING|0:0|n[1-2]|1795870937|Unknown|60|None|contrail:own:1.1.1",
      "17000003|FAILED|9:0|n1|1795870937|1795870940|60|None|contrail:own:1.1.3",
      "17000004|TIMEOUT|0:0|n1|1795870937|1795871012|1|None|a|b",
      "17000009|CANCELLED by 0|0:0|None assigned|Unknown|1795871012|UNLIMITED|None|x",
    ].join("\n"),
  );
  assert.deepEqual(
    jobs.map(({ number, name, state, waitStatus, nodes, startMs, limitMs }) => [
      ...[number, name, state, waitStatus, nodes, startMs, limitMs],
    ]),
    [
      [17000001, "contrail:own:1.1.1", "RUNNING", 0, "n[1-2]", 1795870937_000, 3_600_000],
      [17000003, "contrail:own:1.1.3", "FAILED", 2304, "n1", 1795870937_000, 3_600_000],
      [17000004, "a|b", "TIMEOUT", 0, "n1", 1795870937_000, 60_000],
      [17000009, "x", "CANCELLED", 0, "", null, null],
    ],
  );
});

test("sinfo's lines are nodes", () => {
  assert.deepEqual(
    parseSinfo(parted("n1~4~4000~gpu:2~idle~none~\nn2~64+~512000+~(null)~down*~Not responding~\n")),
    [
      { name: "n1", cpus: 4, memoryMegabytes: 4000, gres: "gpu:2", state: "idle", reason: "" },
      {
        ...{ name: "n2", cpus: 64, memoryMegabytes: 512_000, gres: "" },
        ...{ state: "down*", reason: "Not responding" },
      },
    ],
  );
});

test("scontrol's partitions have limits, or none", () => {
  const common =
    "AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=YES QoS=N/A DefaultTime=01:00:00 DisableRootJobs=NO GraceTime=8 MaxNodes=UNLIMITED MaxTime=UNLIMITED MinNodes=0 MaxCPUsPerNode=UNLIMITED Nodes=n[1-4] State=UP TotalCPUs=16 TotalNodes=4 JobDefaults=(null) DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED TRES=cpu=16,mem=16000M,node=4,billing=16";
  const none = { nodesMax: null, cpusPerNodeMax: null, memoryMegabytesPerNodeMax: null };
  const tight = common
    .replace("Default=YES", "Default=NO")
    .replace("MaxNodes=UNLIMITED MaxTime=UNLIMITED", "MaxNodes=2 MaxTime=2-00:00:00")
    .replace("MaxCPUsPerNode=UNLIMITED", "MaxCPUsPerNode=8");
  assert.deepEqual(
    parsePartitions(`PartitionName=batch ${common}\nPartitionName=pair ${tight}\n\n`),
    [
      {
        ...{ name: "batch", state: "UP", isDefault: true, ...none },
        ...{ limitMs: 3_600_000, limitMaxMs: null },
      },
      {
        ...{ name: "pair", state: "UP", isDefault: false, ...none, nodesMax: 2, cpusPerNodeMax: 8 },
        ...{ limitMs: 3_600_000, limitMaxMs: 172_800_000 },
      },
    ],
  );
});

for (const [text, names] of [
  ["", []],
  ["n1", ["n1"]],
  ["n[1-3,5]", ["n1", "n2", "n3", "n5"]],
  ["gpu[08-11]-ib,login", ["gpu08-ib", "gpu09-ib", "gpu10-ib", "gpu11-ib", "login"]],
  ["r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]],
] as const)
  test(`the nodes of "${text}"`, () => assert.deepEqual(expandHosts(text), names));

for (const [text, ms] of [
  ["1:00:00", 3_600_000],
  ["10:00", 600_000],
  ["1-02:03:04", 93_784_000],
  ["UNLIMITED", null],
  ["NOT_SET", null],
] as const)
  test(`a time limit of ${text}`, () => assert.equal(parseLimit(text), ms));
