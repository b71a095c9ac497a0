/** `contrail notebook start|open|stop`: JupyterLab on slots, in a browser here. */
import type { Experiment } from "../../protocol/api.ts";
import type { Client } from "../../sdk/client.ts";
import { type Cli, shellWord } from "../cli.ts";
import { failureText } from "../endings.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { inert } from "../inert.ts";
import { experimentOf } from "../values.ts";
import { change } from "./experiment.ts";
import { type LogsOptions, logs as showLogs } from "./logs.ts";
import { leaveSubmitted, notOfKind, type StartOptions, submitProgram } from "./program-start.ts";

export interface NotebookOptions extends StartOptions {
  readonly python?: string;
}

const PYTHON = "python3";
const ASKED_EVERY_MS = 400;
/** Of its last words. */
const LINES_SHOWN = 12;

/** By the path of its file, for the same reason as a shell's. */
const entrypoint = (python: string): string[] => {
  const word = shellWord(python);
  const lacking = `contrail: there is no ${python} on PATH here. Install Python with JupyterLab, or name an interpreter that has it: contrail notebook start --python PATH`;
  return [
    "/bin/sh",
    "-c",
    `command -v ${word} >/dev/null 2>&1 || { echo ${shellWord(lacking)} >&2; exit 127; }
exec ${word} "\${PYTHONPATH%%:*}/contrail/_notebook.py"`,
  ];
};

export async function start(cli: Cli, options: NotebookOptions): Promise<number> {
  const client = cli.client();
  const program = { entrypoint: entrypoint(options.python ?? PYTHON), kind: "notebook" as const };
  const experiment = await submitProgram(cli, client, program, options);
  if (options.detach !== true) return await openNumber(cli, client, experiment.id);
  return leaveSubmitted(cli, "notebook", experiment, `notebook open ${experiment.id}`);
}

export async function open(cli: Cli, id: string): Promise<number> {
  return await openNumber(cli, cli.client(), experimentOf(id));
}

/** Tasks and experiments share their numbers: a slip of one digit must not end a search. */
export async function stop(cli: Cli, ids: readonly string[]): Promise<number> {
  const mayBe = (experiment: Experiment): void => wantNotebook(cli, experiment);
  return await change(cli, "kill", ids, { noun: "notebook", mayBe });
}

export async function logs(cli: Cli, id: string, options: LogsOptions): Promise<number> {
  const number = experimentOf(id);
  wantNotebook(cli, await cli.client().experiment(number));
  return await showLogs(cli, String(number), options);
}

function wantNotebook(cli: Cli, experiment: Experiment): void {
  if (experiment.task?.kind !== "notebook")
    throw notOfKind(cli, experiment, "notebook", "notebook list");
}

async function openNumber(cli: Cli, client: Client, id: number): Promise<number> {
  const interrupt = cli.host.catchInterrupt();
  const isReady = await cli.during(`notebook ${id}`, (progress) =>
    untilReady(cli, client, id, { say: (text) => progress.detail(text), interrupt }),
  );
  if (!isReady) {
    cli.note(`notebook ${id} goes on`);
    if (!cli.json)
      cli.err(`Open it: ${cli.self} notebook open ${id}; end it: ${cli.self} notebook stop ${id}`);
    return EXIT.interrupted;
  }
  const { url, expires_at: expiresAt } = await client.openTask(id);
  cli.show({ id, url, expires_at: expiresAt }, () => [
    `notebook ${id} is ready: ${cli.paint.bold(url)}`,
    "The link lets one browser in, once, within a minute.",
  ]);
  cli.next(`notebook open ${id}`, `notebook stop ${id}`);
  return EXIT.ok;
}

/** @returns false when Ctrl-C came first. @throws CliError where it will not be */
async function untilReady(
  cli: Cli,
  client: Client,
  id: number,
  { say, interrupt }: { readonly say: (text: string) => void; readonly interrupt: AbortSignal },
): Promise<boolean> {
  while (!interrupt.aborted) {
    const experiment = await client.experiment(id);
    wantNotebook(cli, experiment);
    if (experiment.state !== "active") throw await whyNot(cli, client, experiment);
    const { state } = await client.taskReadiness(id);
    if (state === "ready") return true;
    say(state === "waiting" ? "waits for slots" : "is starting");
    await new Promise<void>((soon) => {
      cli.host.clock.after(ASKED_EVERY_MS, soon);
    });
  }
  return false;
}

async function whyNot(cli: Cli, client: Client, experiment: Experiment): Promise<CliError> {
  const { id, state, reason } = experiment;
  if (state === "paused")
    return new CliError("conflict", `Notebook ${id} is paused: ${inert(reason)}.`, {
      hint: `Bring it back with its folder: \`${cli.self} task activate ${id}\``,
    });
  const [trial] = (await client.experimentTrials(id, { limit: 1 })).items;
  const why = trial?.state === "error" ? failureText(trial) : reason;
  const said =
    trial === undefined ? [] : (await client.trialLogs(trial.id, { tail: LINES_SHOWN })).items;
  const lines = said.map(({ text }) => `\n  ${inert(text)}`).join("");
  return new CliError(
    "conflict",
    `Notebook ${id} has ended: ${inert(why)}${lines === "" ? "" : `\nIt said:${lines}`}`,
    { hint: `All that it wrote: \`${cli.self} notebook logs ${id}\`` },
  );
}
