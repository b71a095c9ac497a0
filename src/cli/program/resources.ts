/** `pool …`, `slot …`, `runner …`, `job …` and `gc`. */
import type { Command } from "commander";
import type { Run } from "./shared.ts";

export function addResources(program: Command, run: Run): void {
  const load = () => import("../commands/resources.ts");
  program
    .command("pool")
    .description("pools: named sets of slots, each of one engine")
    .command("list")
    .alias("ls")
    .description("list the pools, how many slots each has, and who waits")
    .action(() => run(async (cli) => (await load()).pools(cli)));
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
