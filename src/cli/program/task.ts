/** `task …`, `command …` and `shell …`: what needs slots and is no result. */
import type { Command } from "commander";
import { programOptions, runOptions } from "./run.ts";
import { listOptions, logOptions, type Run, VERBS } from "./shared.ts";

export function addTasks(program: Command, run: Run): void {
  addTask(program, run);
  addShell(program, run);
  const noun = program
    .command("command")
    .description("commands: programs that get slots and are no results");
  runOptions(
    noun
      .command("run")
      .description("run a program on slots; like `run`, but among the tasks, not the experiments"),
    "command run",
  ).action((words: string[], options) =>
    run(async (cli) => (await import("../commands/run.ts")).run(cli, words, options, "command")),
  );
}

function addTask(program: Command, run: Run): void {
  const load = () => import("../commands/task.ts");
  const experiments = () => import("../commands/experiment.ts");
  const noun = program
    .command("task")
    .description("tasks: commands, shells and notebooks, each with a number of its own");
  listOptions(
    noun.command("list").alias("ls").description("tasks that are not over, the newest first"),
  )
    .option("--ended", "those that are over, too")
    .option("--kind <kind>", "command, shell or notebook: only those")
    .action((options) => run(async (cli) => (await load()).list(cli, options)));
  noun
    .command("show")
    .description("one task: state, why, what it uses")
    .argument("<task>", "its number")
    .action((id: string) => run(async (cli) => (await experiments()).show(cli, id)));
  logOptions(
    noun.command("logs").description("what it wrote").argument("<task>", "its number"),
  ).action((id: string, options) =>
    run(async (cli) => {
      const { experimentOf } = await import("../values.ts");
      return (await import("../commands/logs.ts")).logs(cli, String(experimentOf(id)), options);
    }),
  );
  noun
    .command("wait")
    .description("show it live until it is over; exit code 6 when it did not complete")
    .argument("<task>", "its number")
    .option("--timeout <seconds>", "give up after this long (exit code 6)")
    .option("-q, --quiet", "show nothing meanwhile")
    .action((id: string, options) =>
      run(async (cli) => (await experiments()).wait(cli, id, options)),
    );
  for (const [verb, what] of VERBS)
    noun
      .command(verb)
      .description(what)
      .argument("<task...>", "one or more numbers")
      .action((ids: string[]) =>
        run(async (cli) => (await experiments()).change(cli, verb, ids, { noun: "task" })),
      );
}

function addShell(program: Command, run: Run): void {
  const load = () => import("../commands/shell.ts");
  const noun = program
    .command("shell")
    .description("shells on slots, which outlive the terminal that opened them");
  programOptions(noun.command("start").description("start a shell and open it in this terminal"))
    .option("--idle-timeout <time>", "unused for so long it is paused: 90s, 30m, 2h; 0 = never")
    .option("-d, --detach", "do not open it")
    .addHelpText(
      "after",
      `
Its folder is kept when it is paused, is killed or ends, and is there again after \`task activate\`; what it writes
elsewhere is not. Enter ~ . leaves it running; exit ends it.`,
    )
    .action((options) => run(async (cli) => (await load()).start(cli, options)));
  noun
    .command("open")
    .alias("attach")
    .description("open a shell that runs in this terminal")
    .argument("<task>", "its number")
    .action((id: string) => run(async (cli) => (await load()).open(cli, id)));
}
