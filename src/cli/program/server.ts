/** `up`, `down` and `web`. */
import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import type { Run } from "./shared.ts";

/** The options that somebody typed, as they are typed, by their names. */
const givenOf = (command: Command): ReadonlyMap<string, string> =>
  new Map(
    command.options
      .filter((option) => command.getOptionValueSource(option.attributeName()) === "cli")
      .map((option) => [option.long ?? "", String(command.getOptionValue(option.attributeName()))]),
  );

export function addServer(program: Command, run: Run): void {
  const load = () => import("../commands/server.ts");
  const local = (work: (cli: Cli) => Promise<number>) =>
    run(async (cli) => {
      (await load()).refuseServerOption(program.opts<{ server?: string }>().server);
      return await work(cli);
    });
  program
    .command("up")
    .description("start the server on this machine and sign in to it")
    .option(
      "--data-dir <dir>",
      "where it keeps everything (default: CONTRAIL_DATA_DIR; /var/lib/contrail for root; ~/.local/share/contrail)",
    )
    .option("--port <port>", "where it listens; 0 = any free port", "4747")
    .option(
      "--task-port <port>",
      "where pages of notebooks are; 0 = any free port (default: the port after --port, or any free one)",
    )
    .option(
      "--task-domain <domain>",
      "below which each notebook has a name: tasks.example.com, or https://tasks.example.com behind a proxy with TLS (default: localhost)",
    )
    .option("--host <address>", "the address it listens at (default: loopback only)")
    .option("--allow-remote", "let --host be an address that other machines reach, without TLS")
    .option("--slots <n>", "offer this many slots (default: the GPUs, or one slot a core)")
    .option(
      "--pools <file>",
      "the pools of slots and their engines (default: pools.yaml in the data folder, if it is there)",
    )
    .option(
      "--runner-lease <time>",
      "how long a runner may be silent before the engine is asked about it, such as 60s",
      "60s",
    )
    .option(
      "--runner-lost <time>",
      "how long before it counts as lost when the engine cannot tell (default: ten leases)",
    )
    .option(
      "--foreground",
      "stay in the terminal until the server ends; Ctrl-C stops it and leaves training to the next one",
    )
    .action((options, command: Command) =>
      local(async (cli) => (await load()).up(cli, options, givenOf(command))),
    );
  program
    .command("web")
    .description("print a link that opens the web page, signed in")
    .action(() => run(async (cli) => (await load()).web(cli)));
  program
    .command("down")
    .description(
      "stop the server on this machine, and the training under it, also where the server is gone already (jobs of Slurm and Kubernetes go on)",
    )
    .option(
      "--data-dir <dir>",
      "the data folder of the server to stop (default: the current one's)",
    )
    .option("--keep-trials", "let training go on; the next `up` takes it over")
    .action((options) => local(async (cli) => (await load()).down(cli, options)));
}
