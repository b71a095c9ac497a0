/** `config …` and `search …`. */
import type { Command } from "commander";
import type { Run } from "./shared.ts";

export function addConfig(program: Command, run: Run): void {
  program
    .command("config")
    .description("configuration files")
    .command("lint")
    .description("check configurations without a server: every fault at once, with its line")
    .argument("<file...>", "the configurations (YAML)")
    .action((files: string[]) =>
      run(async (cli) => (await import("../commands/config.ts")).lint(cli, files)),
    );
}

export function addSearch(program: Command, run: Run): void {
  const load = () => import("../commands/search.ts");
  const noun = program
    .command("search")
    .description("searches on paper, and searches decided again: nothing is trained");
  noun
    .command("preview")
    .description("what a configuration would do: trials per rung, steps, slots")
    .argument("<config>", "the configuration (YAML)")
    .option("--slots <n>", "slots of the machine", "1")
    .action((config: string, options) =>
      run(async (cli) => (await load()).preview(cli, config, options)),
    );
  noun
    .command("simulate")
    .description("play the search against a learning-curve function on a virtual cluster")
    .argument("<config>", "the configuration (YAML)")
    .option("--slots <n>", "slots of the virtual cluster", "4")
    .option("--curve <name-or-file>", "a built-in curve, or a .ts file whose default export is one")
    .option("--seed <n>", "instead of the seed in the configuration")
    .action((config: string, options) =>
      run(async (cli) => (await load()).simulate(cli, config, options)),
    );
  noun
    .command("replay")
    .description("decide a whole search again from its log, and compare every decision")
    .argument("[experiment]", "whose search; its log comes from the server")
    .option("--file <export>", "a log that --export wrote, instead of a server")
    .option("--export <file>", "write the log down, for another machine or another day")
    .action((experiment: string | undefined, options) =>
      run(async (cli) =>
        (await import("../commands/search-replay.ts")).replay(cli, experiment, options),
      ),
    );
}
