import assert from "node:assert/strict";
import { test } from "node:test";
import { slurm as slurmFields } from "../../protocol/config/fields.ts";
import { type SlurmPool, slurmPool } from "../../protocol/pools/fields.ts";
import { JobRefused } from "../job-engine.ts";
import { readOptions } from "./options.ts";
import { submissionOptions, wanted } from "./submission.ts";

for (const [arg, reason] of [
  ["--requeue", /--requeue: an allocation runs once/],
  ["--requ", /--requ: it could mean --requeue; write the whole name/],
  ["--array=0-3", /--array=0-3: an allocation is one job/],
  ["-a0-3", /-a0-3: an allocation is one job/],
  ["--wrap=true", /writes the script/],
  ["--output=/tmp/x", /reads what jobs print/],
  ["--outp=/tmp/x", /could mean --output/],
  ["-o/tmp/x", /reads what jobs print/],
  ["--comment=mine", /finds its jobs by it/],
  ["-Jmine", /finds its jobs by it/],
  ["--nodes=2", /slots_per_trial/],
  ["-N2", /slots_per_trial/],
  ["--gres=gpu:4", /slots_per_trial/],
  ["--gres=nvme:1,gpu:a100:4", /slots_per_trial/],
  ["--wait", /has to see its jobs/],
  ["--partition", /write the value in the same entry: --partition=…/],
  ["x.sh", /every entry is one option with its value/],
  ["--partition gpu", /every entry is one option/],
  ["-Z", /write the long name of -Z/],
  ["", /every entry is one option/],
] as const)
  test(`refused: "${arg}"`, () =>
    assert.throws(
      () => readOptions([arg], "the pool"),
      (error) =>
        error instanceof JobRefused &&
        /^sbatch_args of the pool/.test(error.message) &&
        reason.test(error.message),
    ));

test("all that are refused are named at once", () => {
  assert.throws(
    () => readOptions(["--array=1", "--exclusive", "--hold"], "the experiment"),
    /--array=1: .*; --hold: /,
  );
});

const request = { nodes: 2, slotsPerNode: 4 };
const options = (pool: Partial<SlurmPool>, extra = {}, limitMs: number | null = null): string[] => {
  const settings = slurmPool.parse({ engine: "slurm", ...pool });
  return submissionOptions(request, settings, wanted(settings, slurmFields.parse(extra)), limitMs);
};
const SHAPE = ["--nodes=2", "--ntasks=2", "--ntasks-per-node=1"];

test("a job's shape comes from the request", () => {
  assert.deepEqual(options({}), [...SHAPE, "--cpus-per-task=4"]);
  assert.deepEqual(
    options({ slot_type: "gpu", gpu_type: "a100", cpus_per_slot: 8, memory_per_slot: "1500M" }),
    [...SHAPE, "--cpus-per-task=32", "--mem=6000M", "--gres=gpu:a100:4"],
  );
});

test("the experiment's options come after the pool's, and both after ours", () => {
  const pool = { partition: "gpu", account: "lab", sbatch_args: ["--exclusive", "-Ca100"] };
  const extra = {
    partition: "long",
    time_limit: "2h",
    sbatch_args: ["--pyxis-thing=x", "--mem=0"],
  };
  assert.deepEqual(options({ ...pool, memory_per_slot: "4G" }, extra, 7_200_000), [
    ...[...SHAPE, "--cpus-per-task=4", "--time=120:00", "--signal=TERM@30", "--partition=gpu"],
    ...["--account=lab", "--exclusive", "--constraint=a100", "--partition=long"],
    ...["--pyxis-thing=x", "--mem=0"],
  ]);
  const settings = slurmPool.parse({ engine: "slurm", ...pool });
  assert.equal(wanted(settings, slurmFields.parse(extra)).partition, "long");
});

test("devices of other kinds are asked for beside ours", () => {
  const extra = { sbatch_args: ["--gres=nvme:1"] };
  assert.deepEqual(options({ slot_type: "gpu" }, extra).at(-1), "--gres=gpu:4,nvme:1");
});

test("what is told before a limit is told in time, and not at once", () => {
  assert.ok(options({}, {}, 3_600_000).includes("--signal=TERM@30"));
  assert.ok(!options({}, {}, 60_000).some((option) => option.startsWith("--signal")));
  assert.ok(!options({}, {}, null).some((option) => option.startsWith("--signal")));
  const own = options({}, { sbatch_args: ["--signal=USR1@90"] }, 3_600_000);
  assert.deepEqual(
    own.filter((option) => option.startsWith("--signal")),
    ["--signal=USR1@90"],
  );
});

for (const [text, ms] of [
  ["90", 5_400_000],
  ["1:30", 90_000],
  ["2:00:00", 7_200_000],
  ["1-12", 129_600_000],
  ["1-12:30", 131_400_000],
] as const)
  test(`--time=${text}`, () => {
    const settings = slurmPool.parse({ engine: "slurm", sbatch_args: [`--time=${text}`] });
    assert.equal(wanted(settings, slurmFields.parse({})).limitMs, ms);
  });
