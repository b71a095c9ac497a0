/** Whether what an experiment says of its jobs on Slurm can be: said at submission, before anything waits for it. */
import { JobRefused } from "../../engines/job-engine.ts";
import { readOptions } from "../../engines/slurm/options.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { ContrailError, type ProblemIssue } from "../../protocol/errors.ts";

/** @throws ContrailError invalid_config */
export function refuseSlurmElsewhere(
  { slurm }: Pick<ExperimentConfig, "slurm">,
  pool: { readonly name: string; readonly engine: string },
): void {
  if (!slurm) return;
  const says = Object.values(slurm).some((value) =>
    Array.isArray(value) ? value.length > 0 : value !== null,
  );
  if (!says) return;
  if (pool.engine !== "slurm") {
    const message = `.slurm is for jobs of Slurm, and the pool ${pool.name} is of engine ${pool.engine}`;
    throw refusal(
      { code: "no_slurm", path: ".slurm", message, value: JSON.stringify(slurm).slice(0, 200) },
      "Name a pool of engine slurm (resources.resource_pool), or remove it.",
    );
  }
  try {
    readOptions(slurm.sbatch_args, "the experiment");
  } catch (error) {
    if (!(error instanceof JobRefused)) throw error;
    const value = JSON.stringify(slurm.sbatch_args).slice(0, 200);
    const issue = {
      code: "sbatch_args",
      path: ".slurm.sbatch_args",
      message: error.message,
      value,
    };
    throw refusal(issue, "docs/slurm.md says which options are Contrail's own.");
  }
}

const refusal = (issue: ProblemIssue, hint: string): ContrailError =>
  new ContrailError("invalid_config", issue.message, { issues: [issue], hint });
