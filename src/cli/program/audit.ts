/** `why` and `audit …`. */
import type { Command } from "commander";
import { listOptions, type Run } from "./shared.ts";

export function addAudit(program: Command, run: Run): void {
  program
    .command("why")
    .description("why a thing is as it is: what it waits for, who stopped it, how it came there")
    .argument(
      "<thing...>",
      "an experiment (3), a trial (3.12), an allocation (3.12.2), a slot (cpu:0), or: searcher 3",
    )
    .action((words: string[]) =>
      run(async (cli) => (await import("../commands/why.ts")).why(cli, words)),
    );
  const load = () => import("../commands/audit.ts");
  const noun = program
    .command("audit")
    .description("the log of every change, chained so that it can be verified");
  listOptions(
    noun
      .command("list")
      .alias("ls")
      .description("list the changes, the newest first")
      .argument("[id]", "only of this experiment (3) or trial (3.12)"),
  )
    .option("--actor <name>", "only by this person or part of the system")
    .option("--what <text>", "only what begins with this, such as granted")
    .option("--since <time>", "not before: 2026-01-31T08:00:00Z, a day, or 90s, 15m, 2h, 7d ago")
    .option("--until <time>", "before this")
    .option("--oldest", "the oldest first")
    .action((id: string | undefined, options) =>
      run(async (cli) => (await load()).list(cli, id, options)),
    );
  noun
    .command("show")
    .description("one event, with its hash")
    .argument("<event>", "its number")
    .action((event: string) => run(async (cli) => (await load()).show(cli, event)));
  noun
    .command("verify")
    .description("walk the chain; exit code 1 names the first event that does not fit")
    .option("--expect-last <seq:hash>", "an end noted down before must be in the log still")
    .option(
      "--file <export>",
      "verify an export (audit list --oldest --all --json), without a server",
    )
    .action((options) => run(async (cli) => (await load()).verify(cli, options)));
}
