/** `trial …` and `checkpoint …`. */
import type { Command } from "commander";
import { listOptions, logOptions, type Run, VERBS } from "./shared.ts";

export function addTrial(program: Command, run: Run): void {
  const load = () => import("../commands/trial.ts");
  const noun = program
    .command("trial")
    .alias("t")
    .description("trials: one choice of hyperparameters each");
  listOptions(
    noun
      .command("list")
      .alias("ls")
      .description("list the trials of an experiment")
      .argument("<experiment>", "its number"),
  )
    .option("--state <state>", "only those in this state")
    .option("--verdict <verdict>", "only identical, differs, not_comparable, or none")
    .option("--best", "the best first, by the objective")
    .action((id: string, options) => run(async (cli) => (await load()).list(cli, id, options)));
  noun
    .command("show")
    .description("one trial: hyperparameters, each decision about it and why, allocations")
    .argument("<trial>", "such as 3.12")
    .option("--record", "how it came to be: code, data, packages, machine, and what is missing")
    .option("--run <n>", "with --record: of this allocation (default: the last)")
    .option("--all", "with --record: every package and variable")
    .action((id: string, options) => run(async (cli) => (await load()).show(cli, id, options)));
  noun
    .command("metrics")
    .description("what it reported, step by step")
    .argument("<trial>", "such as 3.12")
    .option("--names <names>", "only these, with commas between them")
    .option("--from <step>", "from this step on")
    .option("--to <step>", "up to this step")
    .option("--points <n>", "thin each series to at most N points")
    .option(
      "--superseded",
      "also what was reported past the checkpoint that a later run started from",
    )
    .action((id: string, options) => run(async (cli) => (await load()).metrics(cli, id, options)));
  logOptions(
    noun.command("logs").description("what it wrote").argument("<trial>", "such as 3.12"),
  ).action((id: string, options) =>
    run(async (cli) => {
      const { trialOf } = await import("../values.ts");
      return (await import("../commands/logs.ts")).logs(cli, trialOf(id), options);
    }),
  );
  for (const [verb, , what] of VERBS)
    noun
      .command(verb)
      .description(what)
      .argument("<trial...>", "one or more, such as 3.12")
      .action((ids: string[]) => run(async (cli) => (await load()).change(cli, verb, ids)));
}

export function addCheckpoint(program: Command, run: Run): void {
  const load = () => import("../commands/checkpoint.ts");
  const noun = program.command("checkpoint").alias("c").description("saved states of training");
  listOptions(
    noun
      .command("list")
      .alias("ls")
      .description("list the checkpoints of an experiment or a trial")
      .argument("<id>", "3 or 3.12"),
  ).action((id: string, options) => run(async (cli) => (await load()).list(cli, id, options)));
  for (const [verb, what] of [
    ["pin", "keep them whatever checkpoint_storage says"],
    ["unpin", "keep them only as long as checkpoint_storage does"],
  ] as const)
    noun
      .command(verb)
      .description(what)
      .argument("<checkpoint...>", "named as for download")
      .action((names: string[]) => run(async (cli) => (await load()).pin(cli, verb, names)));
  noun
    .command("download")
    .description("write the files of a checkpoint into a new folder")
    .argument(
      "<checkpoint>",
      "TRIAL (its latest), TRIAL@STEP, TRIAL@best, EXPERIMENT (the best of all), or an id",
    )
    .requiredOption("--to <dir>", "the folder; it is made")
    .action((name: string, options) => run(async (cli) => (await load()).get(cli, name, options)));
}
