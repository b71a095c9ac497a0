/** Answers as slurmrestd 22.05 gave them, cut to the fields that are read. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EngineUnreachable, JobDeferred, JobRefused } from "../job-engine.ts";
import { restAccess, restSubmission } from "./rest-access.ts";

const folder = mkdtempSync(join(tmpdir(), "slurm-rest-"));
after(() => rmSync(folder, { recursive: true }));
const tokenFile = join(folder, "token");
writeFileSync(tokenFile, "abc.def\n");

function access(status: number, body: object | string | Error) {
  const calls: { url: string; init: RequestInit }[] = [];
  const made = restAccess({
    settings: { url: "http://slurm/", user: "ann", token_file: tokenFile, version: "v0.0.38" },
    async fetch(url, init) {
      calls.push({ url: String(url), init: init ?? {} });
      if (body instanceof Error) throw body;
      if (typeof body === "string") return new Response(body, { status });
      return new Response(JSON.stringify({ errors: [], ...body }), { status });
    },
    environment: { PATH: "/bin" },
    commands: {
      signal: async (numbers, signal) => void calls.push({ url: `${signal} ${numbers}`, init: {} }),
      endedJobs: async () => [],
    },
  });
  return { ...made, calls };
}

const job = {
  ...{ job_id: 17000001, name: "contrail:own:1.1.1", comment: "c", job_state: "RUNNING" },
  ...{ state_reason: "None", nodes: "n[1-2]", user_name: "ann", preempt_time: 0, exit_code: 0 },
  ...{ start_time: 1795870937, end_time: 1795874537, time_limit: 60 },
};

test("jobs are those of the user, with times in milliseconds", async () => {
  const it = access(200, { jobs: [job, { ...job, user_name: "bob" }] });
  assert.deepEqual(await it.jobs(), [
    {
      ...{ number: 17000001, name: "contrail:own:1.1.1", comment: "c", state: "RUNNING" },
      ...{ reason: "None", nodes: "n[1-2]", isPreempted: false, restarts: 0, waitStatus: 0 },
      ...{ startMs: 1795870937_000, endMs: 1795874537_000, limitMs: 3_600_000 },
    },
  ]);
  const [{ url, init } = assert.fail()] = it.calls;
  assert.equal(url, "http://slurm/slurm/v0.0.38/jobs");
  const headers = new Headers(init.headers);
  assert.deepEqual(
    [headers.get("X-SLURM-USER-NAME"), headers.get("X-SLURM-USER-TOKEN")],
    ["ann", "abc.def"],
  );
});

test("numbers of later versions are read too, and states that come as lists", async () => {
  const number = (value: number) => ({ set: true, infinite: false, number: value });
  const later = {
    ...{ ...job, job_state: ["COMPLETED"], time_limit: { set: true, infinite: true, number: 0 } },
    ...{ preempt_time: number(1795870940), exit_code: 4294967294, start_time: number(1795870937) },
  };
  const [read] = await access(200, { jobs: [later] }).jobs();
  assert.deepEqual(
    [read?.state, read?.isPreempted, read?.waitStatus, read?.limitMs, read?.startMs],
    ["COMPLETED", true, 0, null, 1795870937_000],
  );
});

test("partitions and nodes", async () => {
  const partition = {
    ...{ name: "batch", flags: ["default"], state: "UP", maximum_nodes_per_job: -1 },
    ...{ maximum_cpus_per_node: -1, maximum_memory_per_node: null, max_time_limit: -1 },
    default_time_limit: 60,
  };
  const chosen = await access(200, { partitions: [partition] }).partition(undefined);
  assert.deepEqual(
    [chosen.name, chosen.nodesMax, chosen.limitMs, chosen.limitMaxMs],
    ["batch", null, 3_600_000, null],
  );
  const node = {
    name: "n1",
    cpus: 4,
    real_memory: 4000,
    gres: "gpu:2",
    state: "mixed",
    reason: "",
  };
  const nodes = [
    { ...node, partitions: ["batch", "high"] },
    { ...node, name: "n2", partitions: ["high"] },
  ];
  assert.deepEqual(await access(200, { nodes }).nodes("batch"), [
    { name: "n1", cpus: 4, memoryMegabytes: 4000, gres: "gpu:2", state: "mixed", reason: "" },
  ]);
});

const submission = {
  ...{ name: "contrail:own:1.1.1", comment: "c", script: "#!/bin/sh\n", scriptFile: "/f/job.sh" },
  ...{ folder: "/f", output: "/f/50%" },
  options: ["--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--cpus-per-task=4", "--mem=2G"],
};

test("a submission has the same promises as one by sbatch", async () => {
  const options = [...submission.options, "--time=90:30", "--gres=gpu:2", "--exclusive"];
  const it = access(200, { job_id: 5 });
  assert.equal(await it.submit({ ...submission, options }), 5);
  assert.deepEqual(JSON.parse(String(it.calls[0]?.init.body)), {
    job: {
      ...{ name: "contrail:own:1.1.1", comment: "c", requeue: false, open_mode: "append" },
      ...{ current_working_directory: "/f", standard_output: "/f/50%%", dependency: "singleton" },
      ...{ environment: { PATH: "/bin" }, nodes: [2, 2], tasks: 2, tasks_per_node: 1 },
      ...{ cpus_per_task: 4, memory_per_node: 2048, time_limit: 91, gres: "gpu:2" },
      exclusive: "true",
    },
    script: "#!/bin/sh\n",
  });
  // As 22.05 answers while nodes are away.
  const warning = error(2009, "Required node not available (down, drained or reserved)");
  assert.equal(await access(500, { ...warning, job_id: 6 }).submit(submission), 6);
  assert.throws(
    () => restSubmission({ ...submission, options: ["--pyxis-thing=x"] }, {}),
    (error) =>
      error instanceof JobRefused && /--pyxis-thing=x: slurmrestd has no/.test(error.message),
  );
});

const error = (number: number, text: string) => ({
  errors: [{ error_number: number, error: text }],
});

test("a refusal for ever and for now, a controller that is away and a service that is away are told apart", async () => {
  const refused = access(500, error(2014, "Requested node configuration is not available"));
  await assert.rejects(refused.submit(submission), JobRefused);
  const away = access(500, error(-1, "Unspecified error"));
  await assert.rejects(away.submit(submission), EngineUnreachable);
  await assert.rejects(away.jobs(), EngineUnreachable);
  const later = access(500, error(2050, "Job violates accounting/QOS policy (job submit limit)"));
  await assert.rejects(later.submit(submission), JobDeferred);
  const closed = access(500, error(2038, "Required partition not available (inactive or drain)"));
  await assert.rejects(closed.submit(submission), JobDeferred);
  await assert.rejects(later.jobs(), EngineUnreachable, "a question is never put off");
  const nobody = new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") });
  await assert.rejects(access(0, nobody).jobs(), /does not answer: connect ECONNREFUSED/);
});

test("a controller in standby, or whose disk is full, judges no job; and a question that is refused judges none either", async () => {
  const standby = access(500, error(2029, "Slurm backup controller in standby mode"));
  await assert.rejects(standby.submit(submission), EngineUnreachable);
  const full = access(500, error(2019, "I/O error writing script/environment to file"));
  await assert.rejects(full.submit(submission), JobDeferred);
  for (const asked of [
    access(500, error(2002, "Access/permission denied")),
    access(400, { errors: [] }),
  ]) {
    await assert.rejects(asked.jobs(), EngineUnreachable);
    await assert.rejects(asked.partition("batch"), EngineUnreachable);
  }
});

test("a proxy that takes no request judges no job", async () => {
  for (const body of ["<html>400 Bad Request", '{"message":"Bad Request"}'])
    await assert.rejects(access(400, body).submit(submission), EngineUnreachable);
  await assert.rejects(access(400, {}).submit(submission), JobRefused);
});

test("who is gone needs no order", async () => {
  const text = "unable to kill JobId=77777 with signal 9: Invalid job id specified";
  await access(500, error(2017, text)).cancel([77777]);
  const it = access(200, {});
  await it.signal([1], "SIGTERM");
  // To the command only, which slurmrestd cannot.
  assert.equal(it.calls[0]?.url, "SIGTERM 1");
});
