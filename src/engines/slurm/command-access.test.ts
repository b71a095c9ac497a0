/** Answers as Slurm 22.05 printed them, to commands that were not run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EngineUnreachable, JobDeferred, JobRefused } from "../job-engine.ts";
import { commandAccess } from "./command-access.ts";
import { fewAtATime, type Ran } from "./run-command.ts";

interface Call {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

function access(answer: Partial<Ran> | Error, environment: NodeJS.ProcessEnv = {}) {
  const calls: Call[] = [];
  const made = commandAccess({
    async run(command, args, { env }) {
      calls.push({ command, args, env });
      if (answer instanceof Error) throw answer;
      return { code: 0, stdout: "", stderr: "", ...answer };
    },
    ...{ environment, conf: "/etc/slurm/one.conf" },
  });
  return { ...made, calls };
}

const submission = {
  ...{
    name: "contrail:own:1.1.1",
    comment: "contrail:own:1.1.1 t",
    script: "",
    options: ["--nodes=1"],
  },
  ...{ folder: "/data/100%j", output: "/data/100%j/out", scriptFile: "/data/100%j/job.sh" },
};

test("a job is submitted with what an engine promises, and what it prints goes where we said", async () => {
  const environment = {
    PATH: "/bin",
    SBATCH_REQUEUE: "1",
    SLURM_JOB_ID: "7",
    SLURM_TIME_FORMAT: "x",
  };
  const it = access({ stdout: "17000001;cluster\n" }, environment);
  assert.equal(await it.submit(submission), 17000001);
  const [call] = it.calls;
  assert.equal(call?.command, "sbatch");
  for (const arg of ["--parsable", "--no-requeue", "--open-mode=append", "--dependency=singleton"])
    assert.ok(call?.args.includes(arg), arg);
  assert.ok(call?.args.includes("--output=/data/100%%j/out"));
  assert.deepEqual(call?.args.slice(-2), ["--nodes=1", "/data/100%j/job.sh"]);
  assert.deepEqual(call?.env, { PATH: "/bin", SLURM_CONF: "/etc/slurm/one.conf" });
});

for (const stderr of [
  "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
  "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
  "sbatch: error: Batch job submission failed: Transport endpoint is not connected",
  "sbatch: error: Batch job submission failed: Broken pipe",
  "sbatch: error: Batch job submission failed: Network is unreachable",
  "sbatch: error: Batch job submission failed: Too many open files",
  "sbatch: error: Batch job submission failed: Message send failure",
  "sbatch: error: Batch job submission failed: Incompatible versions of client and server code",
  "sbatch: error: Batch job submission failed: Insane message length",
  "sbatch: error: Batch job submission failed: Unexpected message received",
  "sbatch: error: Batch job submission failed: Process is shutting down and closing all communications",
  "sbatch: error: Batch job submission failed: No error",
  "sbatch: error: If munged is up, restart with --num-threads=10\nsbatch: error: Munge encode failed",
])
  test(`nobody knows: ${stderr.slice(15, 90)}`, () =>
    assert.rejects(access({ code: 1, stderr }).submit(submission), EngineUnreachable));

for (const stderr of [
  "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
  "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)",
  "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
  "sbatch: error: Batch job submission failed: MaxJobCount limit reached",
  "sbatch: error: Batch job submission failed: Rate limit exceeded, please retry momentarily",
  "sbatch: error: Batch job submission failed: I/O error writing script/environment to file",
  "sbatch: error: Batch job submission failed: No space left on device",
  "sbatch: error: Batch job submission failed: Licenses currently unavailable",
  "sbatch: error: Batch job submission failed: System submissions disabled",
  "sbatch: error: Batch job submission failed: Requested reservation not usable now",
])
  test(`not now: ${stderr.slice(15, 90)}`, () =>
    assert.rejects(access({ code: 1, stderr }).submit(submission), JobDeferred));

for (const stderr of [
  "sbatch: error: Batch job submission failed: Requested node configuration is not available",
  "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid partition name specified",
  "sbatch: fatal: --mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive.",
  "sbatch: unrecognized option '--foo'\nTry \"sbatch --help\" for more information",
])
  test(`never: ${stderr.slice(0, 80)}`, () =>
    assert.rejects(
      access({ code: 1, stderr }).submit(submission),
      (error) => error instanceof JobRefused && !/sbatch: error/.test(error.message),
    ));

for (const ran of [
  { code: 137, stderr: "/usr/local/bin/sbatch: line 9: 4711 Killed sbatch.real" },
  { code: 1, stderr: " \n" },
  { code: 0, stdout: "" },
  { code: 0, stdout: "sent to the cluster\n" },
])
  test(`nobody knows what became of it: ${JSON.stringify(ran)}`, () =>
    assert.rejects(access(ran).submit(submission), EngineUnreachable));

test("a program that is missing, or does not end, is an engine that cannot be asked", async () => {
  const missing = Object.assign(new Error("spawn squeue ENOENT"), { code: "ENOENT" });
  await assert.rejects(access(missing).jobs(), /squeue is not on the PATH of the server/);
  await assert.rejects(access({ code: null }).jobs(), /did not end within/);
  await assert.rejects(access({ code: null }).submit(submission), EngineUnreachable);
});

test("who is gone needs no order, and an order that nobody heard is told", async () => {
  const gone = "scancel: error: Kill job error on job id 24: Invalid job id specified";
  await access({ code: 1, stderr: gone }).cancel([24]);
  const it = access({});
  await it.signal([1, 2], "SIGUSR1");
  assert.deepEqual(it.calls[0]?.args, ["--signal=USR1", "1", "2"]);
  const away =
    "scancel: error: Kill job error on job id 1: Unable to contact slurm controller (connect failure)";
  await assert.rejects(access({ code: 8, stderr: away }).cancel([1]), EngineUnreachable);
});

test("no accounting is nothing known", async () => {
  const off = "Slurm accounting storage is disabled";
  assert.deepEqual(await access({ code: 1, stderr: off }).endedJobs(), []);
  assert.deepEqual(await access(new Error("no such program")).endedJobs([1]), []);
});

test("no more than some programs run at once, and all get their turn", async () => {
  let running = 0;
  let most = 0;
  const run = fewAtATime(async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    return { code: 0, stdout: "", stderr: "" };
  }, 3);
  const options = { env: {}, timeoutMs: 1 };
  const all = await Promise.all(Array.from({ length: 20 }, () => run("x", [], options)));
  assert.deepEqual([all.length, most, running], [20, 3, 0]);
});
