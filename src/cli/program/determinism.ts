/** `doctor determinism`. */
import type { Command } from "commander";
import type { Run } from "./shared.ts";

export function addDeterminism(doctor: Command, run: Run): void {
  doctor
    .command("determinism")
    .description("run a program twice, and say where and why the second run differs")
    .argument("[command...]", "the command, after two dashes: -- python3 train.py")
    .option("--steps <n>", "train so many steps each time", "3")
    .option("--seed <n>", "the trial's seed in every run", "1")
    .option("--params <json>", "hyperparameters, as one JSON object")
    .option("--again <n>", "try so many more times to find a difference", "0")
    .option("--timeout <time>", "give up on a run after so long, such as 90s or 10m", "10m")
    .addHelpText(
      "after",
      `
Each run has a fresh copy of the folder (what .contrailignore names is shared), and between the first two everything
changes that should not matter: the hash seed, the order in which folders list their files, the time, the timing of
threads. If they differ, more runs hold everything still but one thing at a time, and so name the cause. Programs that
use Contrail are compared step by step, checkpoints tensor by tensor; others by what they write and print. Ends with 1
where the runs differ. Nothing can prove that a program is deterministic: this shows where one is not.`,
    )
    .action((words: string[], options) =>
      run(async (cli) =>
        (await import("../commands/doctor-determinism.ts")).doctorDeterminism(cli, words, options),
      ),
    );
}
