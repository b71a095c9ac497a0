/**
 * The tree of commands: names, arguments, options and help, and nothing else; each noun stands in a file of
 * `program/`. Each action loads its module when it is used, so `contrail --help` and a typo cost a few
 * milliseconds, and the documentation (`document.ts`) is rendered from this very tree.
 */
import { Command } from "commander";
import type { Problem } from "../protocol/errors.ts";
import { VERSION } from "../sdk/version.ts";
import { Cli, type Host } from "./cli.ts";
import { toldOf } from "./field-words.ts";
import { addAccess } from "./program/access.ts";
import { addAudit } from "./program/audit.ts";
import { addData } from "./program/data.ts";
import { addDeterminism } from "./program/determinism.ts";
import { addExperiment } from "./program/experiment.ts";
import { addExport } from "./program/export.ts";
import { addLayers } from "./program/layer.ts";
import { addLineage } from "./program/lineage.ts";
import { addNotebook } from "./program/notebook.ts";
import { addGc, addResources } from "./program/resources.ts";
import { addRun } from "./program/run.ts";
import { addScaleStudy } from "./program/scale-study.ts";
import { addConfig, addSearch } from "./program/search.ts";
import { addServer } from "./program/server.ts";
import type { Run } from "./program/shared.ts";
import { addTasks } from "./program/task.ts";
import { addCheckpoint, addTrial } from "./program/trial.ts";

export interface Program {
  readonly command: Command;
  /** The command among them whose action ran; undefined when none did. */
  acted(): Command | undefined;
  /** The exit code of the action that ran; undefined when none did. */
  exitCode(): number | undefined;
  /** The context of the action that ran, for printing its failure alike. */
  cli(): Cli | undefined;
}

export function makeProgram(host: Host): Program {
  const command = new Command("contrail");
  let code: number | undefined;
  let current: Cli | undefined;
  let acted: Command | undefined;
  command.hook("preAction", (_, acting) => {
    acted = acting;
  });
  const run: Run = async (work) => {
    const { json, server } = command.opts<{ json?: boolean; server?: string }>();
    const told = (problem: Problem) => toldOf(problem, acted);
    current = new Cli(host, { json: json === true, server, told });
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
  addTasks(command, run);
  addNotebook(command, run);
  addTrial(command, run);
  addCheckpoint(command, run);
  addExport(command, run);
  addLineage(command, run);
  addResources(command, run);
  addData(command, run);
  addGc(command, run);
  addConfig(command, run);
  addLayers(command, run);
  addSearch(command, run);
  addScaleStudy(command, run);
  addAudit(command, run);
  addAccess(command, run);
  const doctor = command
    .command("doctor")
    .description("check what this machine offers and lacks, and say how to mend it")
    .option("--data-dir <dir>", "the data folder to check")
    .option("--port <port>", "the port that a server would take", "4747")
    .action((options) =>
      run(async (cli) => (await import("./commands/doctor.ts")).doctor(cli, options)),
    );
  addDeterminism(doctor, run);
  return { command, acted: () => acted, exitCode: () => code, cli: () => current };
}
