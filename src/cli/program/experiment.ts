/** `experiment …`. */
import { type Command, Option } from "commander";
import { listOptions, logOptions, type Run, VERBS } from "./shared.ts";

export function addExperiment(program: Command, run: Run): void {
  const load = () => import("../commands/experiment.ts");
  const noun = program
    .command("experiment")
    .alias("e")
    .description("experiments: one declared piece of work each");
  noun
    .command("create")
    .description("submit a configuration, with the folder that holds the code")
    .argument("<config>", "the configuration (YAML)")
    .argument("[dir]", "the folder that is recorded as the code; without it there is none")
    .option("-f, --follow", "show the search live until it is over")
    .option("--paused", "make it, but start nothing yet")
    .option("--dry-run", "only check and show the plan")
    .addOption(new Option("--plan", "the same as --dry-run"))
    .option("--name <name>", "replaces the name in the configuration")
    .option(
      "--template <name>",
      "in place of the template in the configuration; NAME or NAME@VERSION",
    )
    .action((config: string, dir: string | undefined, options) =>
      run(async (cli) =>
        (await import("../commands/experiment-create.ts")).create(cli, config, dir, options),
      ),
    );
  listOptions(noun.command("list").alias("ls").description("list experiments, the newest first"))
    .option("--state <state>", "only those in this state")
    .option("--label <label>", "only those with this label")
    .option("--archived", "those that were archived")
    .option("--deleted", "those that were deleted and can be restored")
    .option(
      "--filter <filter>",
      "only those that fit, e.g. 'state:active best>0.9' (docs/filters.md)",
    )
    .option(
      "--sort <by>",
      "id, name, state, progress, best, steps, priority, created, started or ended; -best turns it round",
    )
    .action((options) => run(async (cli) => (await load()).list(cli, options)));
  noun
    .command("show")
    .description("one experiment: state, best trial, rungs, planned against actual")
    .argument("<experiment>", "its number")
    .option("--config", "its configuration as it was resolved, with whence each value comes")
    .action((id: string, options) => run(async (cli) => (await load()).show(cli, id, options)));
  noun
    .command("curves")
    .description("one metric of all its trials, step by step")
    .argument("<experiment>", "its number")
    .option("--metric <name>", "which (default: the one that the search judges by)")
    .option("--points <n>", "at most N points a trial (default: 200)")
    .option("--limit <n>", "at most N trials, the best first (default: 200)")
    .option("--from-step <n>", "only steps from this one on")
    .option("--to-step <n>", "only steps up to this one")
    .action((id: string, options) =>
      run(async (cli) => (await import("../commands/curves.ts")).curves(cli, id, options)),
    );
  const analysis = () => import("../commands/analysis.ts");
  noun
    .command("progress")
    .description("the best so far, against time, steps and slot time")
    .argument("<experiment>", "its number")
    .option("--points <n>", "at most N improvements (default: 500)")
    .action((id: string, options) =>
      run(async (cli) => (await analysis()).progress(cli, id, options)),
    );
  noun
    .command("importance")
    .description("which hyperparameters matter, and how sure that is")
    .argument("<experiment>", "its number")
    .action((id: string) => run(async (cli) => (await analysis()).importances(cli, id)));
  listOptions(
    noun
      .command("decisions")
      .description("every decision about its trials, with the threshold it was made by")
      .argument("<experiment>", "its number"),
  ).action((id: string, options) =>
    run(async (cli) => (await analysis()).decisions(cli, id, options)),
  );
  listOptions(
    noun
      .command("allocations")
      .description("which trial held which slots, when")
      .argument("<experiment>", "its number"),
  ).action((id: string, options) =>
    run(async (cli) => (await analysis()).allocations(cli, id, options)),
  );
  noun
    .command("wait")
    .description("show it live until it is over; exit code 6 when it did not complete")
    .argument("<experiment>", "its number")
    .option("--timeout <seconds>", "give up after this long (exit code 6)")
    .option("-q, --quiet", "show nothing meanwhile")
    .action((id: string, options) => run(async (cli) => (await load()).wait(cli, id, options)));
  logOptions(
    noun
      .command("logs")
      .description("what all its trials wrote")
      .argument("<experiment>", "its number"),
  ).action((id: string, options) =>
    run(async (cli) => {
      const { experimentOf } = await import("../values.ts");
      return (await import("../commands/logs.ts")).logs(cli, String(experimentOf(id)), options);
    }),
  );
  noun
    .command("update")
    .description("change its name, the words about it, or its place in the queue")
    .argument("<experiment...>", "one or more numbers")
    .option("--name <name>", "what it is called; of one alone")
    .option("--description <text>", 'what it is about; "" takes it away')
    .option("--notes <text>", "what was found; replaces the notes that there are")
    .option("--label <label...>", "its labels, in place of those that there are")
    .option("--add-label <label...>", "labels beside those that there are")
    .option("--remove-label <label...>", "labels that are taken away")
    .option("--no-labels", "take all labels away")
    .option("--priority <n>", "its place in the queue, 1 (first) to 99")
    .action((ids: string[], options) =>
      run(async (cli) =>
        (await import("../commands/experiment-update.ts")).update(cli, ids, options),
      ),
    );
  for (const [verb, what] of VERBS)
    noun
      .command(verb)
      .description(what)
      .argument("<experiment...>", "one or more numbers")
      .action((ids: string[]) => run(async (cli) => (await load()).change(cli, verb, ids)));
  addLastActs(noun, run);
}

/** On experiments that have ended. */
function addLastActs(noun: Command, run: Run): void {
  const load = () => import("../commands/experiment-delete.ts");
  noun
    .command("delete")
    .alias("rm")
    .description("delete ended experiments; for 7 days `restore` brings them back")
    .argument("<experiment...>", "one or more numbers")
    .option("-y, --yes", "do not ask for the name first")
    .action((ids: string[], options) =>
      run(async (cli) => (await load()).remove(cli, ids, options)),
    );
  const acts = [
    ["restore", "bring deleted experiments back"],
    ["archive", "leave ended experiments out of the usual lists; nothing is deleted"],
    ["unarchive", "show them in the usual lists again"],
  ] as const;
  for (const [act, what] of acts)
    noun
      .command(act)
      .description(what)
      .argument("<experiment...>", "one or more numbers")
      .action((ids: string[]) => run(async (cli) => (await load()).act(cli, act, ids)));
}
