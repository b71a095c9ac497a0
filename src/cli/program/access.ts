/** `login` and `token …`. */
import type { Command } from "commander";
import { listOptions, type Run } from "./shared.ts";

export function addAccess(program: Command, run: Run): void {
  const load = () => import("../commands/access.ts");
  program
    .command("login")
    .description("sign in to a server and make it the current one")
    .argument("[address]", "its address, or the link with a one-time token that it printed")
    .option("--user <name>", "sign in with a password, read from the terminal or stdin")
    .action((address: string | undefined, options) =>
      run(async (cli) => (await load()).login(cli, address, options)),
    );
  const noun = program.command("token").description("tokens that speak for you elsewhere");
  noun
    .command("create")
    .description("make a token; it is shown once")
    .argument("<name>", "what it is for")
    .option("--scope <scope>", "user (everything that you may do) or read", "user")
    .option("--days <n>", "days that it is good for", "90")
    .action((name: string, options) =>
      run(async (cli) => (await load()).createToken(cli, name, options)),
    );
  listOptions(noun.command("list").alias("ls").description("list your tokens")).action((options) =>
    run(async (cli) => (await load()).listTokens(cli, options)),
  );
  noun
    .command("revoke")
    .description("make tokens worthless at once")
    .argument("<id...>", "ids of tokens")
    .action((ids: string[]) => run(async (cli) => (await load()).revokeToken(cli, ids)));
}
