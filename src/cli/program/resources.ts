/** `slot …`, `runner …`, `job …` and `data …`. */
import type { Command } from "commander";
import { listOptions, type Run } from "./shared.ts";

export function addResources(program: Command, run: Run): void {
  const load = () => import("../commands/resources.ts");
  program
    .command("slot")
    .alias("s")
    .description("slots: devices that can be granted")
    .command("list")
    .alias("ls")
    .description("list the slots and who holds them")
    .action(() => run(async (cli) => (await load()).slots(cli)));
  program
    .command("runner")
    .description("runners: the process beside the training of each node")
    .command("list")
    .alias("ls")
    .description(
      "list the runners: whether they are heard, until when their lease runs, what they run",
    )
    .action(() => run(async (cli) => (await load()).runners(cli)));
  program
    .command("job")
    .alias("j")
    .description("the queue")
    .command("list")
    .alias("ls")
    .description("list what runs and what waits, and for what")
    .action(() => run(async (cli) => (await load()).jobs(cli)));
}

export function addGc(program: Command, run: Run): void {
  program
    .command("gc")
    .description("show what nothing needs any more; with --apply, delete it")
    .option("--apply", "delete it now")
    .option("--experiment <experiment>", "show only what would go of this one")
    .action((options) => run(async (cli) => (await import("../commands/gc.ts")).gc(cli, options)));
}

export function addData(program: Command, run: Run): void {
  const load = () => import("../commands/data.ts");
  const noun = program
    .command("data")
    .alias("d")
    .description("datasets: versions named by content");
  noun
    .command("add")
    .description(
      "record a folder or file as a version of a dataset; the same content is one version",
    )
    .argument("<name>", "small letters, digits, dots, hyphens and underscores")
    .argument("<path>", "the folder or file")
    .action((name: string, path: string) =>
      run(async (cli) => (await load()).add(cli, name, path)),
    );
  listOptions(noun.command("list").alias("ls").description("list the dataset versions")).action(
    (options) => run(async (cli) => (await load()).list(cli, options)),
  );
}
