/**
 * The tree of commands: names, arguments, options and help, and nothing else. Each action loads its module
 * when it is used, so `contrail --help` and a typo cost a few milliseconds, and the documentation
 * (`document.ts`) is rendered from this very tree.
 */
import { Command, Option } from "commander";
import type { Verb } from "../sdk/client.ts";
import { VERSION } from "../sdk/version.ts";
import { Cli, type Host } from "./cli.ts";
import { PASSED_VARIABLES } from "./passed-environment.ts";

/** What a command gets, and the exit code that it gives. */
export type Run = (work: (cli: Cli) => Promise<number>) => Promise<void>;

export interface Program {
  readonly command: Command;
  /** The exit code of the action that ran; undefined when none did. */
  exitCode(): number | undefined;
  /** The context of the action that ran, for printing its failure alike. */
  cli(): Cli | undefined;
}

export function makeProgram(host: Host): Program {
  const command = new Command("contrail");
  let code: number | undefined;
  let current: Cli | undefined;
  const run: Run = async (work) => {
    const { json, server } = command.opts<{ json?: boolean; server?: string }>();
    current = new Cli(host, { json: json === true, server });
    code = await work(current);
  };
  command
    .description("An operating system for model development: searches, schedules, trains, records.")
    .version(VERSION, "-V, --version", "print the version")
    .option("--json", "print one JSON document (or one JSON object a line for what streams)")
    .option(
      "--server <url>",
      "the server to talk to, instead of the current one (also CONTRAIL_SERVER)",
    )
    .helpCommand("help [command]", "show the help of a command")
    .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
    .showHelpAfterError(false);
  // Only what is set before they are made is inherited by subcommands.
  command.exitOverride().configureOutput({
    writeOut: (text) => host.stdout.write(text),
    writeErr: (text) => host.stderr.write(text),
    outputError: () => {},
    getOutHelpWidth: () => (host.stdout.isTTY ? host.stdout.columns : 100),
    getErrHelpWidth: () => (host.stderr.isTTY ? host.stderr.columns : 100),
  });
  addServer(command, run);
  addRun(command, run);
  addExperiment(command, run);
  addTrial(command, run);
  addCheckpoint(command, run);
  addResources(command, run);
  addData(command, run);
  addConfig(command, run);
  addSearch(command, run);
  addAudit(command, run);
  addAccess(command, run);
  command
    .command("doctor")
    .description("check what this machine offers and lacks, and say how to mend it")
    .option("--data-dir <dir>", "the data folder to check")
    .option("--port <port>", "the port that a server would take", "4747")
    .action((options) =>
      run(async (cli) => (await import("./commands/doctor.ts")).doctor(cli, options)),
    );
  return { command, exitCode: () => code, cli: () => current };
}

const listOptions = (command: Command): Command =>
  command.option("-n, --limit <n>", "at most this many", "50").option("-a, --all", "all of them");

const logOptions = (command: Command): Command =>
  command
    .option("-f, --follow", "go on until it is over")
    .option("-t, --tail <n>", "only the last N lines")
    .option("--rank <rank>", "only this process of the trial")
    .option("--stream <stream>", "only stdout or stderr")
    .option("--contains <text>", "only lines that contain this text")
    .option("--times", "begin each line with its time (UTC)")
    .option("--raw", "the bytes as the program wrote them");

function addServer(program: Command, run: Run): void {
  const load = () => import("./commands/server.ts");
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
    .option("--host <address>", "the address it listens at (default: loopback only)")
    .option("--allow-remote", "let --host be an address that other machines reach, without TLS")
    .option("--slots <n>", "offer this many slots (default: the GPUs, or one slot a core)")
    .option("--foreground", "stay in the terminal until the server ends")
    .action((options) => local(async (cli) => (await load()).up(cli, options)));
  program
    .command("down")
    .description("stop the server on this machine, and the training under it")
    .option(
      "--data-dir <dir>",
      "the data folder of the server to stop (default: the current one's)",
    )
    .option("--keep-trials", "let training go on; the next `up` takes it over")
    .action((options) => local(async (cli) => (await load()).down(cli, options)));
}

function addRun(program: Command, run: Run): void {
  program
    .command("run")
    .description("run any program and record it; ends with the program's exit code")
    .argument("[command...]", "the command, after two dashes: run -- python3 train.py --lr 0.1")
    .option("--name <name>", "what to call it (default: the command)")
    .option("--slots <n>", "slots that it gets", "1")
    .option("--dir <dir>", "the folder that is recorded as its code (default: the current one)")
    .option("--no-code", "record no folder; the program runs in an empty one")
    .option(
      "--data <dataset...>",
      "datasets that it reads: NAME=DATASET@VERSION, or DATASET for its latest version",
    )
    .option("--label <label...>", "words to find it by")
    .option("--restarts <n>", "start it again this often when it fails", "0")
    .option("-d, --detach", "do not wait for it")
    .option("--raw", "its output byte for byte, control sequences included")
    .option(
      "-e, --env <variable...>",
      "a variable for it, NAME as it is here or NAME=VALUE; stored with the experiment, so no secrets",
    )
    .option("--no-stdin", "run it although there is input on stdin, which it does not get")
    .addHelpText(
      "after",
      `
The program sees a copy of its folder as it was at the start: a later edit does not reach it, and files
that it writes there are not kept; write to an absolute path to keep them. It gets no stdin.
Of this shell's variables it gets ${PASSED_VARIABLES.join(", ")}
and what --env names, but none whose name speaks of a token, key, secret or password.`,
    )
    .action((words: string[], options) =>
      run(async (cli) => (await import("./commands/run.ts")).run(cli, words, options)),
    );
  logOptions(
    program
      .command("logs")
      .description("show what an experiment, a trial or an allocation wrote")
      .argument("<id>", "3, 3.12 or 3.12.2"),
  ).action((id: string, options) =>
    run(async (cli) => (await import("./commands/logs.ts")).logs(cli, id, options)),
  );
}

const VERBS: readonly (readonly [Verb, string, string])[] = [
  ["pause", "save and give the slots back; `activate` goes on", "save and give its slots back"],
  ["activate", "go on after a pause", "go on after a pause"],
  ["cancel", "end it in good order, checkpoints saved", "end it in good order, checkpoint saved"],
  ["kill", "end it now", "end it now"],
];

function addExperiment(program: Command, run: Run): void {
  const load = () => import("./commands/experiment.ts");
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
    .action((config: string, dir: string | undefined, options) =>
      run(async (cli) =>
        (await import("./commands/experiment-create.ts")).create(cli, config, dir, options),
      ),
    );
  listOptions(noun.command("list").alias("ls").description("list experiments, the newest first"))
    .option("--state <state>", "only those in this state")
    .option("--label <label>", "only those with this label")
    .action((options) => run(async (cli) => (await load()).list(cli, options)));
  noun
    .command("show")
    .description("one experiment: state, best trial, rungs, planned against actual")
    .argument("<experiment>", "its number")
    .action((id: string) => run(async (cli) => (await load()).show(cli, id)));
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
      const { experimentOf } = await import("./values.ts");
      return (await import("./commands/logs.ts")).logs(cli, String(experimentOf(id)), options);
    }),
  );
  for (const [verb, what] of VERBS)
    noun
      .command(verb)
      .description(what)
      .argument("<experiment...>", "one or more numbers")
      .action((ids: string[]) => run(async (cli) => (await load()).change(cli, verb, ids)));
}

function addTrial(program: Command, run: Run): void {
  const load = () => import("./commands/trial.ts");
  const noun = program
    .command("trial")
    .alias("t")
    .description("trials: one choice of hyperparameters each");
  listOptions(
    noun
      .command("list")
      .alias("ls")
      .description("list the trials of an experiment")
      .argument("<experiment>", "its number"),
  )
    .option("--state <state>", "only those in this state")
    .option("--best", "the best first, by the objective")
    .action((id: string, options) => run(async (cli) => (await load()).list(cli, id, options)));
  noun
    .command("show")
    .description("one trial: hyperparameters, each decision about it and why, allocations")
    .argument("<trial>", "such as 3.12")
    .action((id: string) => run(async (cli) => (await load()).show(cli, id)));
  noun
    .command("metrics")
    .description("what it reported, step by step")
    .argument("<trial>", "such as 3.12")
    .option("--names <names>", "only these, with commas between them")
    .option("--from <step>", "from this step on")
    .option("--to <step>", "up to this step")
    .option("--points <n>", "thin each series to at most N points")
    .option(
      "--superseded",
      "also what was reported past the checkpoint that a later run started from",
    )
    .action((id: string, options) => run(async (cli) => (await load()).metrics(cli, id, options)));
  logOptions(
    noun.command("logs").description("what it wrote").argument("<trial>", "such as 3.12"),
  ).action((id: string, options) =>
    run(async (cli) => {
      const { trialOf } = await import("./values.ts");
      return (await import("./commands/logs.ts")).logs(cli, trialOf(id), options);
    }),
  );
  for (const [verb, , what] of VERBS)
    noun
      .command(verb)
      .description(what)
      .argument("<trial...>", "one or more, such as 3.12")
      .action((ids: string[]) => run(async (cli) => (await load()).change(cli, verb, ids)));
}

function addCheckpoint(program: Command, run: Run): void {
  const load = () => import("./commands/checkpoint.ts");
  const noun = program.command("checkpoint").alias("c").description("saved states of training");
  listOptions(
    noun
      .command("list")
      .alias("ls")
      .description("list the checkpoints of an experiment or a trial")
      .argument("<id>", "3 or 3.12"),
  ).action((id: string, options) => run(async (cli) => (await load()).list(cli, id, options)));
  noun
    .command("download")
    .description("write the files of a checkpoint into a new folder")
    .argument(
      "<checkpoint>",
      "TRIAL (its latest), TRIAL@STEP, TRIAL@best, EXPERIMENT (the best of all), or an id",
    )
    .requiredOption("--to <dir>", "the folder; it is made")
    .action((name: string, options) => run(async (cli) => (await load()).get(cli, name, options)));
}

function addResources(program: Command, run: Run): void {
  const load = () => import("./commands/resources.ts");
  program
    .command("slot")
    .alias("s")
    .description("slots: devices that can be granted")
    .command("list")
    .alias("ls")
    .description("list the slots and who holds them")
    .action(() => run(async (cli) => (await load()).slots(cli)));
  program
    .command("job")
    .alias("j")
    .description("the queue")
    .command("list")
    .alias("ls")
    .description("list what runs and what waits, and for what")
    .action(() => run(async (cli) => (await load()).jobs(cli)));
}

function addData(program: Command, run: Run): void {
  const load = () => import("./commands/data.ts");
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

function addConfig(program: Command, run: Run): void {
  program
    .command("config")
    .description("configuration files")
    .command("lint")
    .description("check configurations without a server: every fault at once, with its line")
    .argument("<file...>", "the configurations (YAML)")
    .action((files: string[]) =>
      run(async (cli) => (await import("./commands/config.ts")).lint(cli, files)),
    );
}

function addSearch(program: Command, run: Run): void {
  const load = () => import("./commands/search.ts");
  const noun = program
    .command("search")
    .description("searches on paper: nothing is trained and no server is needed");
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
}

function addAudit(program: Command, run: Run): void {
  program
    .command("why")
    .description("why a thing is as it is: what it waits for, who stopped it, how it came there")
    .argument(
      "<thing...>",
      "an experiment (3), a trial (3.12), an allocation (3.12.2), a slot (cpu:0), or: searcher 3",
    )
    .action((words: string[]) =>
      run(async (cli) => (await import("./commands/why.ts")).why(cli, words)),
    );
  const load = () => import("./commands/audit.ts");
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

function addAccess(program: Command, run: Run): void {
  const load = () => import("./commands/access.ts");
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
