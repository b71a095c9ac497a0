/** `contrail fork EXPERIMENT|TRIAL`: a runnable copy, made on the server from what it holds; no folder is read here. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { isSecretName, maskedText } from "../../base/secrets.ts";
import type { CreateForkReply } from "../../protocol/api.ts";
import type { CreateFork } from "../../sdk/client.ts";
import { RemoteError } from "../../sdk/remote-error.ts";
import { overrideLines } from "../ancestry-view.ts";
import { type Cli, optionWords } from "../cli.ts";
import { CliError, EXIT, inFile, usageError } from "../exit-code.ts";
import { inert } from "../inert.ts";
import { planLines } from "../plan-view.ts";
import { issueLines } from "../problem-view.ts";
import { forkerOf } from "../provenance.ts";
import { runOf, wholeOf } from "../values.ts";
import { follow, nextOf } from "./experiment.ts";

export interface ForkOptions {
  readonly set?: readonly string[];
  readonly edit?: boolean;
  /** `true`: the latest. */
  readonly fromCheckpoint?: string | true;
  readonly name?: string;
  readonly paused?: boolean;
  readonly dryRun?: boolean;
  readonly follow?: boolean;
}

export async function fork(cli: Cli, id: string, options: ForkOptions): Promise<number> {
  const of = runOf(id);
  const dryRun = options.dryRun === true;
  if (dryRun && options.follow === true)
    throw usageError("--follow and --dry-run exclude each other.", "Leave one of them out.");
  const client = cli.client();
  const from =
    options.fromCheckpoint === undefined
      ? {}
      : { from_checkpoint: checkpointOf(options.fromCheckpoint) };
  const set = [
    ...(options.set ?? []).map(setting),
    ...(options.name === undefined ? [] : [{ path: "name", value: options.name }]),
  ];
  const edited =
    options.edit === true
      ? await edit(cli, of, (await client.fork({ of, set, ...from, dry_run: true })).config)
      : undefined;
  const reply = await cli.during(`forking ${of}`, async () => {
    try {
      return await client.fork({
        of,
        ...(edited === undefined ? { set, ...from } : { config: edited }),
        provenance: forkerOf(cli.host),
        ...{ activate: options.paused !== true, dry_run: dryRun },
      });
    } catch (error) {
      throw error instanceof RemoteError && error.code === "invalid_config"
        ? inFile(error, `fork of ${of}`)
        : error;
    }
  });
  return await report(cli, of, reply, options);
}

/** @param text as it was given to --set */
const isSecret = (text: string): boolean =>
  maskedText(text) !== text || text.split(/\W+/).some(isSecretName);

function checkpointOf(text: string | true): number | "latest" | "best" {
  if (text === true || text === "latest") return "latest";
  return text === "best" ? text : wholeOf("--from-checkpoint", text, 0, Number.MAX_SAFE_INTEGER);
}

type Setting = NonNullable<CreateFork["set"]>[number];

/** `path=value`, the value as it would stand in the configuration. */
function setting(text: string): Setting {
  const equals = text.indexOf("=");
  if (equals < 1)
    throw usageError(
      `--set is "${text}".`,
      "Write PATH=VALUE, such as hyperparameters.lr=0.1 or searcher.max_trials=20.",
    );
  const path = text.slice(0, equals).trim();
  try {
    const value = parse(text.slice(equals + 1), { merge: false }) as Setting["value"] | undefined;
    return { path, value: value ?? null };
  } catch (error) {
    throw usageError(
      `the value of --set ${path} is no YAML: ${(error as Error).message.split("\n")[0]}`,
      `Put quotes around text that holds signs of YAML: --set '${path}="a: b"'.`,
    );
  }
}

/** Lets a person change the text in their editor. */
async function edit(cli: Cli, of: string, text: string): Promise<string> {
  const { host } = cli;
  const editor = host.env.VISUAL || host.env.EDITOR;
  if (editor === undefined || editor.trim() === "" || host.edit === undefined)
    throw usageError(
      "--edit needs to know an editor.",
      "Set EDITOR, for example EDITOR=nano, or change values with --set PATH=VALUE.",
    );
  const folder = mkdtempSync(join(tmpdir(), "contrail-fork-"));
  try {
    const file = join(folder, `fork-of-${of}.yaml`);
    writeFileSync(file, text, { mode: 0o600 });
    const code = await host.edit(editor, file);
    if (code !== 0)
      throw new CliError(
        "editor_failed",
        `${editor} ended with ${code ?? "no exit code"}; nothing was forked.`,
        {
          hint: `Try again, or change values with: contrail fork ${of} --set PATH=VALUE`,
        },
      );
    return readFileSync(file, "utf8");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function report(
  cli: Cli,
  of: string,
  reply: CreateForkReply,
  options: ForkOptions,
): Promise<number> {
  const { experiment, overrides, warnings, plan } = reply;
  const following = options.follow === true && experiment !== null;
  const lines = (): string[] => [
    ...(experiment === null
      ? [`${of} can be forked; nothing was made.`]
      : [
          `experiment ${experiment.id} ${cli.paint.bold(inert(experiment.name))} is ${experiment.state}, a fork of ${of}`,
        ]),
    ...(overrides.length === 0
      ? ["nothing is changed"]
      : ["changed, and nothing else:", ...overrideLines(overrides, cli.paint)]),
    ...warnings.flatMap((warning) => [
      cli.paint.yellow("warning:"),
      ...issueLines(warning, cli.paint),
    ]),
    ...(experiment === null
      ? []
      : planLines(plan, reply.searcher_reason, experiment.unit, {
          paint: cli.paint,
          width: cli.width,
        })),
  ];
  if (following) cli.item(reply, lines);
  else cli.show(reply, lines);
  if (experiment === null) {
    const { set, fromCheckpoint, name, paused } = options;
    const given = { set, "from-checkpoint": fromCheckpoint, name, paused };
    if (options.edit === true)
      cli.note("what was edited is not kept; without --dry-run it is asked for again");
    // What is masked everywhere else is not said again here.
    else if (set?.some(isSecret)) cli.note("the same command without --dry-run makes it");
    else cli.next(`fork ${of}${optionWords(given)}`);
    return EXIT.ok;
  }
  if (following && experiment.state !== "paused") {
    if (!cli.json) cli.out("");
    return await follow(cli, experiment.id, { events: true });
  }
  if (experiment.state === "paused") cli.next(...nextOf(experiment));
  else cli.next(`experiment wait ${experiment.id}`, `diff ${of} ${experiment.id}`);
  return EXIT.ok;
}
