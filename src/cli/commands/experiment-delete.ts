/** `contrail experiment delete|restore|archive|unarchive`: acts on experiments that have ended, each by itself. */
import type { ExperimentAct, ExperimentsActReply } from "../../protocol/api.ts";
import { RemoteError } from "../../sdk/remote-error.ts";
import type { Cli } from "../cli.ts";
import { refusedLine } from "../each-id.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { moment, plural } from "../figures.ts";
import { inert } from "../inert.ts";
import { experimentOf } from "../values.ts";

export async function remove(
  cli: Cli,
  ids: readonly string[],
  options: { yes?: boolean },
): Promise<number> {
  if (options.yes !== true) await confirm(cli, ids.map(experimentOf));
  return act(cli, "delete", ids);
}

/** A number is typed wrong more easily than a name. */
async function confirm(cli: Cli, ids: readonly number[]): Promise<void> {
  const client = cli.client();
  for (const id of ids) {
    const { name, trials } = await client.experiment(id);
    const question = `Delete experiment ${id} with ${plural(trials.total, "trial")}? Type its name (${inert(name)}): `;
    const answer = cli.json ? undefined : await cli.host.ask?.(question);
    if (answer === undefined)
      throw usageError(
        `Experiment ${id} is deleted only after its name was typed, and nobody can type here.`,
        "Add --yes. For 7 days it can be restored: contrail experiment restore.",
      );
    if (answer.trim() !== name)
      throw new CliError("not_confirmed", `"${answer}" is not the name of experiment ${id}.`, {
        hint: "Nothing was deleted. Run the command again, or add --yes.",
      });
  }
}

const DONE = {
  delete: "is deleted",
  restore: "is there again",
  archive: "is archived",
  unarchive: "is in the usual lists again",
} as const satisfies Record<ExperimentAct, string>;

export async function act(cli: Cli, what: ExperimentAct, ids: readonly string[]): Promise<number> {
  const reply = await cli.client().actOnExperiments(what, ids.map(experimentOf));
  const failed = reply.items.filter(({ problem }) => problem !== null);
  // The refusal of the only one is told as any other command's; a script reads the same document for one as for many.
  const [only] = reply.items;
  if (!cli.json && reply.items.length === 1 && only?.problem) throw new RemoteError(only.problem);
  cli.show(reply, () => reply.items.map((item) => lineOf(cli, item, what)));
  const changed = reply.items.find(({ problem }) => problem === null);
  if (changed) cli.next(nextOf(what, changed.id));
  if (failed.length === 0) return EXIT.ok;
  return failed.every(({ problem }) => problem?.status === 404) ? EXIT.notFound : EXIT.failed;
}

function lineOf(cli: Cli, item: ExperimentsActReply["items"][number], what: ExperimentAct): string {
  const { id, problem, changed, experiment } = item;
  if (problem !== null) return refusedLine(cli, "experiment", { id, problem });
  const until = experiment?.deleted?.restorable_until;
  const more = what === "delete" && until ? `; it can be restored until ${moment(until)}` : "";
  return `experiment ${id} ${DONE[what]}${changed ? "" : " already"}${more}`;
}

function nextOf(what: ExperimentAct, id: number): string {
  if (what === "delete") return `experiment restore ${id}`;
  return what === "archive" ? `experiment unarchive ${id}` : `experiment show ${id}`;
}
