/** `contrail experiment create CONFIG [DIR]`: check, upload what is lacking, submit, perhaps follow. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { CreateExperimentReply } from "../../protocol/api.ts";
import type { Tree } from "../../protocol/runner-wire.ts";
import type { Client } from "../../sdk/client.ts";
import { RemoteError } from "../../sdk/remote-error.ts";
import { type Cli, createCommand, optionWords, shellWord } from "../cli.ts";
import { CliError, EXIT, inFile, usageError } from "../exit-code.ts";
import { bytes, plural } from "../figures.ts";
import { inert } from "../inert.ts";
import { layerLines } from "../layer-view.ts";
import { planLines } from "../plan-view.ts";
import { issueLines } from "../problem-view.ts";
import type { Progress } from "../progress.ts";
import { provenanceOf } from "../provenance.ts";
import { scan, scanMemory, upload } from "../upload.ts";
import { namedPath, requireFile } from "../user-file.ts";
import { follow, nextOf } from "./experiment.ts";

export interface CreateOptions {
  readonly follow?: boolean;
  readonly paused?: boolean;
  readonly dryRun?: boolean;
  readonly plan?: boolean;
  readonly name?: string;
  readonly template?: string;
}

export async function create(
  cli: Cli,
  file: string,
  folder: string | undefined,
  options: CreateOptions,
): Promise<number> {
  const dryRun = options.dryRun === true || options.plan === true;
  if (dryRun && options.follow === true)
    throw usageError("--follow and --dry-run exclude each other.", "Leave one of them out.");
  const text = configText(cli, file, options.name);
  const client = cli.client();
  if (folder === undefined)
    cli.note(
      `no folder was given: the program finds no files. To give it one: ${cli.self} ${createCommand(file)}`,
    );
  const reply = await cli.during("submitting", async (progress) => {
    try {
      return await submit(
        cli,
        client,
        { text, folder, dryRun, paused: options.paused === true, template: options.template },
        progress,
      );
    } catch (error) {
      throw error instanceof RemoteError && error.code === "invalid_config"
        ? inFile(error, file)
        : error;
    }
  });
  return await report(cli, reply, { file, folder }, options);
}

export interface Submission {
  /** The configuration's text. */
  readonly text: string;
  /** The folder with the code, if there is any. */
  readonly folder: string | undefined;
  readonly dryRun?: boolean;
  readonly paused?: boolean;
  /** In place of the template that the configuration names. */
  readonly template?: string | undefined;
}

/**
 * The whole way of a submission. When contents have to be sent the configuration is checked first, so
 * that a typo costs no upload.
 */
export async function submit(
  cli: Cli,
  client: Client,
  { text, folder, dryRun = false, paused = false, template }: Submission,
  progress: Progress,
): Promise<CreateExperimentReply> {
  const config = { config: text, ...(template === undefined ? {} : { template }) };
  const check = () => client.createExperiment({ ...config, code: null, dry_run: true });
  if (folder === undefined && dryRun) return await check();
  const root =
    folder === undefined ? undefined : namedPath(cli.host.cwd, folder, "The name of the folder");
  let code: Tree | null = null;
  if (root !== undefined) {
    progress.detail(`reading ${root}`);
    const scanned = await scan(root, { cache: scanMemory(cli.host) });
    progress.detail(`${plural(scanned.tree.length, "file")}, ${bytes(scanned.bytes)}`);
    for (const note of scanned.notes) if (!cli.json) cli.err(`note: ${inert(note)}`);
    await check();
    if (!dryRun) await upload(client, scanned, progress);
    code = scanned.tree;
  }
  if (dryRun) return await check();
  const provenance = await provenanceOf(cli.host, root ?? cli.host.cwd);
  progress.detail("");
  return await client.createExperiment({ ...config, code, provenance, activate: !paused });
}

function configText(cli: Cli, file: string, name: string | undefined): string {
  const path = requireFile(cli.host.cwd, file, {
    wanted: "the first argument is the configuration",
    instead: (inner) => `experiment create ${inner} ${shellWord(file)}`,
  });
  const text = readFileSync(path, "utf8");
  return name === undefined ? text : renamed(text, name);
}

/** The same text with another name, so that what the person wrote is kept and faults keep their lines. */
function renamed(text: string, name: string): string {
  const line = `name: ${JSON.stringify(name)}`;
  if (/^name:.*$/m.test(text)) return text.replace(/^name:.*$/m, () => line);
  if (!/^\s*\{/.test(text)) return `${text.replace(/\n*$/, "\n")}${line}\n`;
  // In braces: the name has to go inside them, which is easy for JSON and not for every YAML.
  try {
    return JSON.stringify({ ...JSON.parse(text), name }, null, 2);
  } catch {
    throw usageError(
      "--name cannot be put into this configuration, which is written in braces.",
      "Write the name into the file.",
    );
  }
}

async function report(
  cli: Cli,
  reply: CreateExperimentReply,
  { file, folder }: { readonly file: string; readonly folder: string | undefined },
  options: CreateOptions,
): Promise<number> {
  const { experiment, plan, unit, warnings } = reply;
  const following = options.follow === true && experiment !== null;
  const lines = (): string[] => [
    ...(experiment === null
      ? [`${file} is good; nothing was made.`]
      : [
          `experiment ${experiment.id} ${cli.paint.bold(inert(experiment.name))} is ${experiment.state}`,
        ]),
    ...warnings.flatMap((warning) => [
      cli.paint.yellow("warning:"),
      ...issueLines(warning, cli.paint, basename(file)),
    ]),
    ...layerLines(reply.layers),
    ...planLines(plan, reply.searcher_reason, unit, { paint: cli.paint, width: cli.width }),
  ];
  if (following) cli.item(reply, lines);
  else cli.show(reply, lines);
  if (experiment === null) {
    const { name, template, paused } = options;
    cli.next(`${createCommand(file, folder)}${optionWords({ name, template, paused })}`);
    return EXIT.ok;
  }
  if (!following) {
    if (experiment.state === "paused") cli.next(...nextOf(experiment));
    else cli.next(`experiment wait ${experiment.id}`, ...nextOf(experiment).slice(1));
    return EXIT.ok;
  }
  if (experiment.state === "paused")
    throw new CliError(
      "conflict",
      `Experiment ${experiment.id} is paused; there is nothing to follow.`,
      {
        hint: `Start it: \`contrail experiment activate ${experiment.id}\``,
      },
    );
  if (!cli.json) cli.out("");
  return await follow(cli, experiment.id, { events: true });
}
