/** What is made of a run that is there, and what was: `fork`, `diff`, `replay`, `lineage`, `ideas`. */
import type { Command } from "commander";
import type { Run } from "./shared.ts";

export function addLineage(program: Command, run: Run): void {
  program
    .command("fork")
    .description("a runnable copy of an experiment or a trial, from what the server holds")
    .argument(
      "<id>",
      "an experiment such as 3, or a trial such as 3.12: that trial alone, with its seed",
    )
    .option("--set <path=value...>", "change a value, such as hyperparameters.lr=0.1")
    .option("--edit", "change its configuration in $EDITOR first")
    .option(
      "--from-checkpoint [step]",
      "go on from a checkpoint of the trial: a step, best, or the latest",
    )
    .option("--name <name>", "what to call it (default: as what it is a copy of)")
    .option("--paused", "make it, but start nothing yet")
    .option("--dry-run", "only check, and show what would differ")
    .option("-f, --follow", "show it live until it is over")
    .action((id: string, options) =>
      run(async (cli) => (await import("../commands/fork.ts")).fork(cli, id, options)),
    );
  program
    .command("diff")
    .description(
      "in what two runs differ: code, configuration, data, environment, metrics, decisions",
    )
    .argument("<a>", "an experiment such as 3, or a trial such as 3.12")
    .argument("<b>", "the same of the other")
    .action((a: string, b: string) =>
      run(async (cli) => (await import("../commands/diff.ts")).diff(cli, a, b)),
    );
  program
    .command("replay")
    .description("run a trial again from its record, and compare what comes out bit for bit")
    .argument("<trial>", "such as 3.12")
    .option("-d, --detach", "do not wait for the verdict")
    .option(
      "--rebuild",
      "build its interpreter and packages anew where they are not here as they were",
    )
    .option("--anyway", "run it although machine, packages or something else are others")
    .option("--dry-run", "only say what stands in the way")
    .action((id: string, options) =>
      run(async (cli) => (await import("../commands/replay.ts")).replay(cli, id, options)),
    );
  program
    .command("lineage")
    .description("what a thing was made from, and what was made from it")
    .argument(
      "<thing...>",
      "an experiment (3), a trial (3.12), a dataset (digits@2), a hash of a checkpoint or of code",
    )
    .option("--depth <steps>", "how far to go (default: 4)")
    .action((words: string[], options) =>
      run(async (cli) => (await import("../commands/lineage.ts")).lineage(cli, words, options)),
    );
  addIdeas(program, run);
}

function addIdeas(program: Command, run: Run): void {
  const ideas = program
    .command("ideas")
    .description("experiments as a tree of what was made from what, with the threads that matter");
  ideas
    .command("show", { isDefault: true })
    .description("the tree")
    .argument("[query...]", "a filter, as of experiment list (label:vision)")
    .option("--limit <count>", "the newest so many (default: 300)")
    .action((query: string[], options) =>
      run(async (cli) => (await import("../commands/ideas.ts")).tree(cli, query, options)),
    );
  ideas
    .command("mark")
    .description("say afterwards that a run, and the way that led there, matters")
    .argument("<experiment>", "where the thread ends")
    .argument("<name>", "what to call it")
    .option("--note <text>", "why")
    .action((experiment: string, name: string, options) =>
      run(async (cli) =>
        (await import("../commands/ideas.ts")).mark(cli, experiment, name, options),
      ),
    );
  ideas
    .command("unmark")
    .description("take a mark away; the runs stay as they are")
    .argument("<thread>", "its number")
    .action((thread: string) =>
      run(async (cli) => (await import("../commands/ideas.ts")).unmark(cli, thread)),
    );
  ideas
    .command("prune")
    .description("archive what has ended and lies on no thread; nothing is deleted")
    .argument("[query...]", "a filter, as of experiment list (label:vision)")
    .option("--limit <count>", "the newest so many (default: 300)")
    .option("--apply", "do it; without, only show it")
    .action((query: string[], options) =>
      run(async (cli) => (await import("../commands/ideas.ts")).prune(cli, query, options)),
    );
}
