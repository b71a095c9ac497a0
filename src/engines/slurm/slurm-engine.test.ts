/** The engine over an access that answers as we say: what happens between Slurm's answers. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { realClock } from "../../base/real-clock.ts";
import { slurmPool } from "../../protocol/pools/fields.ts";
import { EngineUnreachable, JobRefused, type JobRequest } from "../job-engine.ts";
import type { SlurmAccess, SlurmJob, Submission } from "./slurm-access.ts";
import { SlurmEngine } from "./slurm-engine.ts";

const job = (number: number, name: string, more: Partial<SlurmJob> = {}): SlurmJob => ({
  ...{ number, name, comment: "", state: "RUNNING", reason: "None", nodes: "n1" },
  ...{
    isPreempted: false,
    restarts: 0,
    waitStatus: 0,
    startMs: 1000,
    endMs: null,
    limitMs: null,
    ...more,
  },
});

/** What Slurm would hold, and what was asked of it. */
class FakeAccess implements SlurmAccess {
  queue: SlurmJob[] = [];
  accounting: SlurmJob[] = [];
  asked: string[] = [];
  submissions: Submission[] = [];
  /** What the next submission does besides; true = the answer is lost. */
  onSubmit: (number: number) => boolean | Promise<boolean> = () => false;

  async jobs() {
    this.asked.push("jobs");
    return [...this.queue];
  }
  async endedJobs(numbers?: readonly number[]) {
    this.asked.push(`ended ${numbers ?? "all"}`);
    return this.accounting.filter(({ number }) => numbers?.includes(number) ?? true);
  }
  async partition() {
    this.asked.push("partition");
    return {
      ...{ name: "batch", state: "UP", nodesMax: null, cpusPerNodeMax: null },
      ...{ memoryMegabytesPerNodeMax: null, limitMs: null, limitMaxMs: null },
    };
  }
  async nodes() {
    const node = { cpus: 4, memoryMegabytes: 4000, gres: "", state: "idle", reason: "" };
    return [1, 2].map((index) => ({ name: `n${index}`, ...node }));
  }
  async submit(submission: Submission) {
    this.submissions.push(submission);
    const number = 100 + this.submissions.length;
    const isLost = await this.onSubmit(number);
    if (isLost) throw new EngineUnreachable("socket timed out");
    this.queue.push(job(number, submission.name));
    return number;
  }
  async signal(numbers: readonly number[], signal: string) {
    this.asked.push(`${signal} ${numbers}`);
  }
  async cancel(numbers: readonly number[]) {
    this.asked.push(`cancel ${numbers}`);
  }
}

describe("the Slurm engine", () => {
  let folder = "";
  let access: FakeAccess;
  let engine: SlurmEngine;
  // Looks are a second apart in earnest; that they are is tried in looks.test.ts.
  const clock = { ...realClock, after: (_: number, then: () => void) => realClock.after(0, then) };
  const again = () => new SlurmEngine(slurmPool.parse({ engine: "slurm" }), access, clock);
  const request = (id = "1.1.1", more: Partial<JobRequest> = {}): JobRequest => ({
    ...{ id, owner: "own", title: "a title\nof two lines", nodes: 1, slotsPerNode: 1, folder },
    ...{ command: ["true"], environment: {}, files: [], extra: {}, ...more },
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "slurm-engine-"));
    access = new FakeAccess();
    engine = again();
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("a launch says who and what it is, on one line", async () => {
    assert.deepEqual(await engine.launch(request()), { adopted: false });
    const [submission] = access.submissions;
    assert.equal(submission?.name, "contrail:own:1.1.1");
    assert.equal(submission?.comment, "contrail:own:1.1.1 a title of two lines");
    assert.equal(await readFile(submission?.scriptFile ?? "", "utf8"), submission?.script);
  });

  test("a launch whose answer was lost is found, or made again", async () => {
    access.onSubmit = (number) => {
      access.queue.push(job(number, "contrail:own:1.1.1"));
      return true;
    };
    await assert.rejects(engine.launch(request()), EngineUnreachable);
    assert.deepEqual(await engine.launch(request()), { adopted: true });
    access.onSubmit = () => true;
    await assert.rejects(engine.launch(request("1.1.2")), EngineUnreachable);
    access.onSubmit = () => false;
    assert.deepEqual(await engine.launch(request("1.1.2")), { adopted: false });
    assert.equal(access.submissions.length, 3);
  });

  test("of a job that came through twice the second is taken away, and its end is nobody's", async () => {
    access.queue.push(job(7, "contrail:own:1.1.1"));
    access.queue.push(job(8, "contrail:own:1.1.1", { state: "PENDING", nodes: "" }));
    assert.equal((await engine.list("own")).get("1.1.1")?.state, "running");
    assert.deepEqual(access.asked.slice(-1), ["cancel 8"]);
    access.queue[1] = job(8, "contrail:own:1.1.1", { state: "CANCELLED", startMs: null });
    await engine.list("own");
    access.queue[0] = job(7, "contrail:own:1.1.1", { state: "COMPLETED" });
    const seen = (await engine.list("own")).get("1.1.1");
    assert.ok(seen?.state === "ended" && seen.end.cause === "exited");
    access.queue = [];
    assert.deepEqual((await engine.list("own")).get("1.1.1"), seen);
  });

  test("a job that Slurm queued again is over, and its second start is taken away", async () => {
    access.queue.push(job(7, "contrail:own:1.1.1", { state: "PENDING", nodes: "", restarts: 1 }));
    const seen = (await engine.list("own")).get("1.1.1");
    assert.ok(seen?.state === "ended" && seen.end.cause === "node_lost");
    assert.deepEqual(access.asked.slice(-1), ["cancel 7"]);
    access.queue[0] = job(7, "contrail:own:1.1.1", { state: "CANCELLED", restarts: 1 });
    assert.deepEqual((await engine.list("own")).get("1.1.1"), seen);
  });

  test("who left the queue between two looks is asked of accounting, and forgotten without it", async () => {
    access.queue.push(job(7, "contrail:own:1.1.1"), job(8, "contrail:own:1.1.2"));
    await engine.list("own");
    access.queue = [];
    access.accounting = [job(7, "contrail:own:1.1.1", { state: "OUT_OF_MEMORY" })];
    const known = await engine.list("own");
    assert.deepEqual(access.asked.slice(-1), ["ended 7,8"]);
    assert.deepEqual([...known.keys()], ["1.1.1"]);
    const seen = known.get("1.1.1");
    assert.ok(seen?.state === "ended" && seen.end.cause === "out_of_memory");
    assert.deepEqual(await again().launch(request()), { adopted: true });
  });

  test("a server that starts again asks accounting once for what ended meanwhile", async () => {
    access.accounting = [
      job(5, "contrail:own:1.1.1", { state: "FAILED", waitStatus: 3 << 8 }),
      job(6, "contrail:own:1.1.2", { state: "RUNNING" }),
      job(7, "contrail:other:1.1.3", { state: "COMPLETED" }),
    ];
    assert.deepEqual([...(await engine.list("own")).keys()], ["1.1.1"]);
    await engine.list("own");
    assert.equal(access.asked.filter((what) => what === "ended all").length, 1);
  });

  test("an id that was taken once is not taken again, even when everybody else has forgotten it", async () => {
    await engine.launch(request());
    access.queue = [];
    assert.deepEqual(await again().launch(request()), { adopted: true });
    assert.equal(access.submissions.length, 1);
  });

  test("who is cancelled while it is being launched is cancelled", async () => {
    let taken = () => {};
    access.onSubmit = () => new Promise((resolve) => (taken = () => resolve(false)));
    const launching = engine.launch(request());
    while (access.submissions.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const cancelling = engine.cancel("own", "1.1.1");
    taken();
    await Promise.all([launching, cancelling]);
    assert.deepEqual(access.asked.slice(-1), ["cancel 101"]);
  });

  test("jobs that wait hear no signal, jobs that are over no order, others' nothing", async () => {
    access.queue.push(job(1, "contrail:own:1.1.1", { state: "PENDING", nodes: "" }));
    access.queue.push(job(2, "contrail:own:1.1.2", { state: "COMPLETED" }));
    access.queue.push(job(3, "contrail:other:1.1.3"));
    for (const id of ["1.1.1", "1.1.2", "1.1.3"]) await engine.signal("own", id, "SIGTERM");
    for (const id of ["1.1.2", "1.1.3"]) await engine.cancel("own", id);
    assert.deepEqual(new Set(access.asked), new Set(["jobs"]));
    await engine.cancel("own", "1.1.1");
    assert.deepEqual(access.asked.slice(-1), ["cancel 1"]);
  });

  test("many launches and looks at once share what they ask", async () => {
    const launches = Array.from({ length: 20 }, (_, index) =>
      engine.launch(request(`1.${index + 1}.1`, { folder })).catch(() => {}),
    );
    await Promise.all([...launches, engine.list("own"), engine.list("own")]);
    assert.ok(access.asked.filter((what) => what === "jobs").length <= 3, String(access.asked));
    assert.equal(access.asked.filter((what) => what === "partition").length, 1);
  });

  test("a pool that names what is not there cannot be asked", async () => {
    access.partition = async () => {
      throw new JobRefused("Slurm has no partition huge. It has: batch.");
    };
    await assert.rejects(
      engine.capacity(),
      (error) => error instanceof EngineUnreachable && /no partition huge/.test(error.message),
    );
    // While somebody makes it anew, that is; and none of its trials is to blame.
    await assert.rejects(engine.launch(request("1.1.1", { folder })), EngineUnreachable);
    const extra = { partition: "huge" };
    await assert.rejects(engine.launch(request("1.1.2", { folder, extra })), JobRefused);
  });

  test("what the experiment says wrongly is refused by name", async () => {
    for (const [extra, fault] of [
      [{ partion: "x" }, /partion/],
      [{ sbatch_args: "--exclusive" }, /sbatch_args: /],
      [{ sbatch_args: ["--array=1"] }, /sbatch_args of the experiment/],
    ] as const)
      await assert.rejects(
        engine.launch(request("1.1.1", { extra })),
        (error) => error instanceof JobRefused && fault.test(error.message),
      );
    assert.equal(access.submissions.length, 0);
  });
});
