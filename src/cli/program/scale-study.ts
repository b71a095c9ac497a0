/** `scale-study`. */
import type { Command } from "commander";
import type { Run } from "./shared.ts";

export function addScaleStudy(program: Command, run: Run): void {
  program
    .command("scale-study")
    .description("how long a step takes with 1, 2, 4 slots, and by a law with any other number")
    .argument("[config]", "the configuration (YAML)")
    .argument("[dir]", "the folder that is recorded as the code; without it there is none")
    .option("--slots <counts>", "how many slots to try, with commas between: 1,2,4")
    .option("--steps <n>", "measure so many steps with each", "10")
    .option("--warmup <n>", "train so many steps before, which are not measured", "2")
    .option("--repeat <n>", "run every count so often, in rounds: tells how much runs differ", "1")
    .option("--predict <counts>", "say it also for these counts, which are not run: 8,16")
    .option("--study <label>", "fit an earlier study again instead of running one")
    .addHelpText(
      "after",
      `
Each count is an experiment of its own with one trial of a few steps, one after the other; they are recorded and labelled
with the study. The law is Amdahl's with two or three counts, and the Universal Scalability Law with four or more; the
interval is Student's, and wide where there are few runs: --repeat 2 makes it narrower. docs/distributed.md says how to read it.`,
    )
    .action((config: string | undefined, dir: string | undefined, options) =>
      run(async (cli) =>
        (await import("../commands/scale-study.ts")).scaleStudy(cli, config, dir, options),
      ),
    );
}
