/** How a run, a command, a shell and a notebook begin: each is submitted, and then followed, opened, or left to itself. */
import type { Experiment } from "../../protocol/api.ts";
import type { TaskKind } from "../../protocol/config/task-kinds.ts";
import type { Client } from "../../sdk/client.ts";
import type { Cli } from "../cli.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { inert } from "../inert.ts";
import { type ProgramOptions, programConfig } from "../program-config.ts";
import { submit } from "./experiment-create.ts";

export interface StartOptions extends ProgramOptions {
  readonly dir?: string;
  /** commander's form of --no-code. */
  readonly code?: boolean;
  readonly detach?: boolean;
}

export async function submitProgram(
  cli: Cli,
  client: Client,
  program: { readonly entrypoint: readonly string[]; readonly kind?: TaskKind },
  options: StartOptions,
): Promise<Experiment> {
  const text = await programConfig(cli, program, options);
  const folder = options.code === false ? undefined : (options.dir ?? ".");
  const { experiment } = await cli.during("submitting", (progress) =>
    submit(cli, client, { text, folder }, progress),
  );
  if (experiment === null) throw new Error("a submission that is no dry run made no experiment");
  return experiment;
}

/** For --detach. @param next commands that lead on @returns the exit code */
export function leaveSubmitted(
  cli: Cli,
  noun: string,
  experiment: Experiment,
  ...next: readonly string[]
): number {
  cli.show(experiment, () => [`${noun} ${experiment.id} ${inert(experiment.name)} is submitted`]);
  cli.next(...next);
  return EXIT.ok;
}

/** @param list the command that shows those of the kind */
export const notOfKind = (
  cli: Cli,
  { id, task }: Pick<Experiment, "id" | "task">,
  kind: TaskKind,
  list: string,
): CliError =>
  new CliError(
    "conflict",
    `${id} is ${task === null ? "an experiment" : `a ${task.kind}`}, and no ${kind}.`,
    { hint: `See which are there: \`${cli.self} ${list}\`` },
  );
