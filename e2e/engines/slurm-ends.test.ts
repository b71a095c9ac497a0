/** What only Slurm has: its ends and reasons, its devices, its accounting, as a real cluster tells them. */
import assert from "node:assert/strict";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { realClock } from "../../src/base/real-clock.ts";
import type {
  JobEnd,
  JobEngine,
  JobObservation,
  JobRequest,
} from "../../src/engines/job-engine.ts";
import { JobRefused } from "../../src/engines/job-engine.ts";
import { type RunCommand, runCommand } from "../../src/engines/slurm/run-command.ts";
import { slurmEngine } from "../../src/engines/slurm/slurm-engine.ts";
import { slurmPool } from "../../src/protocol/pools/fields.ts";
import { until } from "../support.ts";
import { cannotRunSlurm, hasControlGroups, SlurmCluster } from "./slurm-cluster.ts";

const OWNER = "ends";
/** Slurm looks at graces and time limits twice a minute. */
const LIMIT_MS = 180_000;
const DEAF = "trap '' TERM; echo ready; while :; do sleep 0.2; done";
const OBEYS = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";

const options = { accounting: true, graceS: 3, minJobAgeS: 3 };
const skip = (await cannotRunSlurm(options)) ?? false;
const noMemory = hasControlGroups("memory")
  ? false
  : "control groups cannot be used here to limit memory";

describe("jobs of Slurm", { skip }, () => {
  let cluster: SlurmCluster;
  let engine: JobEngine;
  const make = (pool: object = {}, run: RunCommand = runCommand): JobEngine =>
    slurmEngine(
      slurmPool.parse({ engine: "slurm", slot_type: "gpu", conf: cluster.conf, grace: 5, ...pool }),
      { clock: realClock, environment: process.env, run },
    );
  before(async () => {
    cluster = await SlurmCluster.start(options);
    engine = make();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  async function request(id: string, script: string, more: Partial<JobRequest> = {}) {
    const folder = join(cluster.folder, "jobs", id);
    await mkdir(folder, { recursive: true });
    return {
      ...{ id, owner: OWNER, title: id, nodes: 1, slotsPerNode: 1, environment: {}, files: [] },
      ...{ command: ["/bin/sh", "-c", script], extra: {}, folder, ...more },
    };
  }
  async function start(id: string, script: string, more: Partial<JobRequest> = {}) {
    const job = await request(id, script, more);
    await engine.launch(job);
    const ready = async () => (await engine.output(job)).includes("ready");
    await until(`${id} is ready`, ready, { limitMs: LIMIT_MS, state: () => last.get(id) });
    return job;
  }
  const last = new Map<string, JobObservation | undefined>();
  async function seen(id: string): Promise<JobObservation | undefined> {
    const now = (await engine.list(OWNER)).get(id);
    last.set(id, now);
    return now;
  }
  async function endOf(id: string): Promise<JobEnd> {
    const ended = async () => {
      const now = await seen(id);
      return now?.state === "ended" ? now.end : undefined;
    };
    const state = () => last.get(id);
    return await until(`${id} has ended`, ended, { limitMs: LIMIT_MS, state });
  }
  const submit = async (...args: string[]): Promise<string> =>
    (await cluster.run("sbatch", "--parsable", "--output=/dev/null", ...args)).trim();

  test("devices are Slurm's to give: two jobs on one node see different ones", async () => {
    const on = { extra: { sbatch_args: ["--nodelist=n2"] } };
    const script = `echo "devices=[$CUDA_VISIBLE_DEVICES] at $CONTRAIL_NODE_ADDRESS"; ${OBEYS}`;
    const jobs = [await start("1.1.1", script, on), await start("1.2.1", script, on)];
    const printed = await Promise.all(jobs.map((job) => engine.output(job)));
    const devices = printed.map((text) => /devices=\[(\d)\] at n2/.exec(text)?.[1]);
    assert.deepEqual(devices.sort(), ["0", "1"]);
    const both = await request("1.3.1", `echo "devices=[$CUDA_VISIBLE_DEVICES]"`, {
      slotsPerNode: 2,
    });
    await engine.launch(both);
    assert.equal((await endOf("1.3.1")).cause, "exited");
    assert.match(await engine.output(both), /devices=\[0,1\]/);
    for (const { id } of jobs) await engine.cancel(OWNER, id);
    for (const { id } of jobs) assert.equal((await endOf(id)).cause, "cancelled");
  });

  for (const [partition, id] of [
    ["batch", "2.1.1"],
    ["cancel", "2.2.1"],
  ] as const)
    test(`who does not go when told is killed and preempted all the same: ${partition}`, async () => {
      await start(id, DEAF, { extra: { partition } });
      const high = await submit("--partition=high", "--exclusive", "--nodes=4", "--wrap=sleep 60");
      const end = await endOf(id);
      assert.equal(end.cause, "preempted", end.text);
      await cluster.run("scancel", high);
    });

  test("a time limit is told as one", async () => {
    await start("3.1.1", OBEYS, { extra: { partition: "short" } });
    const end = await endOf("3.1.1");
    assert.equal(end.cause, "time_limit", end.text);
    assert.match(end.text, /TIMEOUT/);
  });

  test("memory that runs out is told as such", { skip: noMemory }, async () => {
    const eat = "const all = []; for (;;) all.push(Buffer.alloc(1 << 24, 1));";
    const job = await request("4.1.1", "", { command: [process.execPath, "-e", eat] });
    await make({ memory_per_slot: "200M" }).launch(job);
    const end = await endOf("4.1.1");
    assert.equal(end.cause, "out_of_memory", end.text);
  });

  test("a folder that is not there on the node is said to be missing", async () => {
    const all = ["--exclusive", "--nodes=4", "--partition=high", "--wrap=sleep 600"];
    const busy = await submit(...all);
    const job = await request("5.1.1", "echo never");
    await engine.launch(job);
    const waits = await until("it waits", async () => {
      const now = await seen("5.1.1");
      return now?.state === "queued" && /Resources|Priority/.test(now.why) ? now : undefined;
    });
    assert.match(waits.why, /^Slurm: (?:Resources: the nodes that it needs are busy|Priority)/);
    await rm(job.folder, { recursive: true });
    await cluster.run("scancel", busy);
    const end = await endOf("5.1.1");
    assert.equal(end.cause, "never_started", end.text);
    assert.match(end.text, /Is the folder of the server's data there/);
  });

  test("what a partition does not give is refused, and what it gives later waits with Slurm's reason", async () => {
    const refused = async (extra: object, nearest: RegExp, more: Partial<JobRequest> = {}) => {
      const job = await request("6.1.1", "exit", { extra: { ...extra }, ...more });
      await assert.rejects(
        engine.launch(job),
        (error) => error instanceof JobRefused && nearest.test(error.nearest ?? error.message),
      );
    };
    await refused({ partition: "pair" }, /^2 nodes with 1 slot each/, { nodes: 3 });
    await refused({ partition: "short", time_limit: "2h" }, /a time limit of 1 minute$/);
    await refused({ partition: "huge" }, /batch, cancel, short, pair, high/);
    await refused({ sbatch_args: ["--constraint=none-such"] }, /Invalid feature specification/);
    await refused({ gpu_type: "a100" }, /largest node .* has 0 slots/);
    const later = await request("6.2.1", "exit", { extra: { sbatch_args: ["--begin=now+1hour"] } });
    await engine.launch(later);
    const now = await seen("6.2.1");
    assert.ok(now?.state === "queued");
    assert.match(now.why, /Slurm: BeginTime: its time has not come/);
    await engine.cancel(OWNER, "6.2.1");
    assert.match((await endOf("6.2.1")).text, /CANCELLED \(BeginTime\) before it started/);
  });

  test("a submission whose answer is lost is found, and one that comes through twice runs once", async () => {
    let isLost = true;
    const losing = make({}, async (command, ...rest) => {
      const ran = await runCommand(command, ...rest);
      return command === "sbatch" && isLost ? { ...ran, code: null, stdout: "" } : ran;
    });
    const job = await request("7.1.1", "echo ran; exit 0");
    await assert.rejects(losing.launch(job), /did not end within/);
    isLost = false;
    assert.deepEqual(await losing.launch(job), { adopted: true });
    const twin = await request("7.2.1", OBEYS);
    await losing.launch(twin);
    // The same once more, as from a server whose first request was still on its way.
    const [script, output] = ["job.sh", "output.log"].map((name) => join(twin.folder, name));
    const name = `contrail:${OWNER}:7.2.1`;
    const again = [`--job-name=${name}`, "--dependency=singleton", `--output=${output}`];
    const second = (await cluster.run("sbatch", "--parsable", ...again, script as string)).trim();
    const gone = async () => {
      await seen("7.2.1");
      return !(await cluster.run("squeue", "-h", "-o", "%i")).includes(second);
    };
    await until("the second is taken away", gone);
    assert.equal((await seen("7.2.1"))?.state, "running");
    await engine.signal(OWNER, "7.2.1", "SIGTERM");
    assert.equal((await endOf("7.2.1")).cause, "exited");
    assert.equal((await engine.output(twin)).split("ready").length, 2);
    assert.equal((await endOf("7.1.1")).code, 0);
    assert.equal(await engine.output(job), "ran\n");
  });

  test("who has left the queue is known to accounting: after a restart, and between two looks", async () => {
    const job = await request("8.1.1", "exit 6");
    await engine.launch(job);
    await until("it is seen", async () => (await seen("8.1.1")) !== undefined);
    const forgotten = async () =>
      !(await cluster.run("squeue", "-h", "-t", "all", "-o", "%j")).includes("8.1.1");
    await until("Slurm has forgotten it", forgotten, { limitMs: LIMIT_MS });
    for (const each of [make(), engine]) {
      const known = (await each.list(OWNER)).get("8.1.1");
      assert.ok(known?.state === "ended", JSON.stringify(known));
      assert.deepEqual([known.end.cause, known.end.code], ["exited", 6]);
    }
    // Without accounting a job that is not in the queue is gone.
    const without = make({}, async (command, ...rest) =>
      command === "sacct"
        ? { code: 1, stdout: "", stderr: "Slurm accounting storage is disabled" }
        : await runCommand(command, ...rest),
    );
    assert.equal((await without.list(OWNER)).get("8.1.1"), undefined);
  });
});
