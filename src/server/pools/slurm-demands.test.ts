import assert from "node:assert/strict";
import { test } from "node:test";
import { slurm } from "../../protocol/config/fields.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { refuseSlurmElsewhere } from "./slurm-demands.ts";

const cluster = { name: "cluster", engine: "slurm" };
const here = { name: "here", engine: "local" };
const said = (fields: object) => ({ slurm: slurm.parse(fields) });

test("what is said of Slurm is right in a pool of Slurm alone", () => {
  refuseSlurmElsewhere({ slurm: null }, here);
  refuseSlurmElsewhere(said({}), here);
  refuseSlurmElsewhere(said({ partition: "gpu", sbatch_args: ["--exclusive"] }), cluster);
  assert.throws(
    () => refuseSlurmElsewhere(said({ partition: "gpu" }), here),
    (error) =>
      error instanceof ContrailError && /the pool here is of engine local/.test(error.message),
  );
});

test("options that would break a promise are refused at submission", () => {
  assert.throws(
    () => refuseSlurmElsewhere(said({ sbatch_args: ["--array=0-3", "--exclusive"] }), cluster),
    (error) =>
      error instanceof ContrailError && /--array=0-3: an allocation is one job/.test(error.message),
  );
});
