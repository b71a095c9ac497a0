/** `notebook …`: JupyterLab as a task. */
import type { Command } from "commander";
import { programOptions } from "./run.ts";
import { listOptions, logOptions, type Run } from "./shared.ts";

export function addNotebook(program: Command, run: Run): void {
  const load = () => import("../commands/notebook.ts");
  const noun = program
    .command("notebook")
    .description("notebooks on slots: JupyterLab in a browser");
  programOptions(
    noun.command("start").description("start JupyterLab on slots and print the link that opens it"),
  )
    .option("--python <path>", "the interpreter that has JupyterLab, where it runs", "python3")
    .option("--idle-timeout <time>", "unused for so long it is paused: 90s, 30m, 2h; 0 = never")
    .option("-d, --detach", "do not wait for it")
    .addHelpText(
      "after",
      `
It works in a copy of the folder, which is kept when it is paused, stopped or ends, and is there again after
\`task activate\`; what it writes elsewhere is not. It counts as used while a page is connected to a kernel
or a kernel computes.`,
    )
    .action((options) => run(async (cli) => (await load()).start(cli, options)));
  noun
    .command("open")
    .description("print a link that opens a notebook, when it is ready")
    .argument("<task>", "its number")
    .action((id: string) => run(async (cli) => (await load()).open(cli, id)));
  listOptions(noun.command("list").alias("ls").description("notebooks, the newest first"))
    .option("--ended", "those that are over, too")
    .action((options) =>
      run(async (cli) =>
        (await import("../commands/task.ts")).list(cli, { ...options, kind: "notebook" }),
      ),
    );
  logOptions(
    noun.command("logs").description("what JupyterLab wrote").argument("<task>", "its number"),
  ).action((id: string, options) => run(async (cli) => (await load()).logs(cli, id, options)));
  noun
    .command("stop")
    .description("end notebooks; their folders are kept")
    .argument("<task...>", "one or more numbers")
    .action((ids: string[]) => run(async (cli) => (await load()).stop(cli, ids)));
}
