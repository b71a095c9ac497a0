/** `contrail checkpoint list|download|pin|unpin`. */
import { isBlobHash, parseId } from "../../base/ids.ts";
import type { Checkpoint } from "../../protocol/api.ts";
import { type Client, eachItem } from "../../sdk/client.ts";
import type { Cli } from "../cli.ts";
import { download, requireEmpty } from "../download.ts";
import { actOnEach } from "../each-id.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { checkpointRows, shortHash } from "../experiment-view.ts";
import { bytes, plural } from "../figures.ts";
import { gather, type ListOptions, limitOf } from "../listing.ts";
import { namedPath } from "../user-file.ts";
import { lookOf } from "./experiment.ts";

const NAMES =
  "Name one as TRIAL (its latest, such as 3.12), TRIAL@STEP, TRIAL@best, EXPERIMENT (its best trial's best), or by its 64-digit id.";

export async function list(cli: Cli, id: string, options: ListOptions): Promise<number> {
  const parsed = parseId(id);
  if (parsed === undefined)
    throw usageError(`"${id}" is not an id.`, "Name an experiment (3) or a trial (3.12).");
  const client = cli.client();
  const { experiment, trial } = parsed;
  const page = await gather(
    (query) =>
      trial === undefined
        ? client.experimentCheckpoints(experiment, query)
        : client.trialCheckpoints(`${experiment}.${trial}`, query),
    limitOf(options),
  );
  cli.show(page, () =>
    page.items.length === 0
      ? [`There are no checkpoints of ${id}.`]
      : [
          ...checkpointRows(page.items, lookOf(cli)),
          ...(page.next_cursor === null ? [] : ["… there are more: --limit N or --all"]),
        ],
  );
  const newest = page.items.find((item) => item.deleted === null);
  if (newest !== undefined) cli.next(`checkpoint download ${newest.trial}@${newest.step} --to DIR`);
  return EXIT.ok;
}

export async function get(cli: Cli, name: string, options: { to?: string }): Promise<number> {
  if (options.to === undefined)
    throw usageError("The folder to write to is missing.", "Add --to DIR; DIR is made.");
  const folder = namedPath(cli.host.cwd, options.to, "The name of --to");
  // Said before anything is fetched.
  requireEmpty(folder);
  const client = cli.client();
  const { id, note } = await findCheckpoint(client, name);
  if (note !== undefined && !cli.json) cli.err(`note: ${note}`);
  const checkpoint = await client.checkpoint(id);
  await cli.during(`downloading ${name}`, (progress) =>
    download(client, checkpoint, folder, progress),
  );
  const { tree, ...facts } = checkpoint;
  cli.show({ ...facts, folder }, () => [
    `checkpoint ${shortHash(checkpoint.id)} of trial ${checkpoint.trial} (step ${checkpoint.step}): ` +
      `${plural(tree.length, "file")}, ${bytes(checkpoint.bytes)} in ${folder}`,
  ]);
  cli.next(`trial show ${checkpoint.trial}`);

  return EXIT.ok;
}

/** Each by itself; what is so already is left so. */
export async function pin(
  cli: Cli,
  verb: "pin" | "unpin",
  names: readonly string[],
): Promise<number> {
  const client = cli.client();
  return actOnEach(cli, {
    noun: "checkpoint",
    ids: names,
    act: async (name) => {
      const { id, note } = await findCheckpoint(client, name);
      if (note !== undefined && !cli.json) cli.err(`note: ${note}`);
      const only = isBlobHash(name) ? undefined : parseId(name.split("@")[0] ?? "")?.experiment;
      return client.pinCheckpoint(id, verb === "pin", only);
    },
    lines: ({ id, experiments }) =>
      experiments.map(({ experiment, changed }) => {
        const already = changed ? "" : " already";
        return `checkpoint ${shortHash(id)} of experiment ${experiment} is${already} ${verb}ned`;
      }),
    next: ({ experiments: [first] }) =>
      first === undefined ? [] : [verb === "pin" ? `checkpoint list ${first.experiment}` : "gc"],
  });
}

interface Found {
  readonly id: string;
  /** Where it is not quite what was asked for. */
  readonly note?: string;
}

/** Finds the checkpoint that a person means. */
export async function findCheckpoint(client: Client, name: string): Promise<Found> {
  if (isBlobHash(name)) return { id: name };
  const [subject = "", at, extra] = name.split("@");
  const id = parseId(subject);
  if (id === undefined || id.run !== undefined || extra !== undefined)
    throw usageError(`"${name}" does not name a checkpoint.`, NAMES);
  if (id.trial === undefined) {
    const { best } = await client.experiment(id.experiment);
    if (best === null) throw none(`Experiment ${subject} has measured nothing yet`, subject);
    return await bestOf(client, best.trial);
  }
  if (at === "best") return await bestOf(client, subject);
  if (at === undefined) {
    const { checkpoint } = await client.trial(subject);
    if (checkpoint === null) throw none(`Trial ${subject} has no checkpoint`, subject);
    return { id: checkpoint.id };
  }
  if (!/^\d+$/.test(at)) throw usageError(`"${name}" does not name a checkpoint.`, NAMES);
  const found = await newest(client, subject, (c) => c.step === Number(at));
  if (found !== undefined) return { id: found.id };
  const near = await nearest(client, subject, Number(at));
  throw none(`Trial ${subject} has no checkpoint at step ${at}${near}`, subject);
}

/** In words, where there is one before that step or after it. */
async function nearest(client: Client, trial: string, step: number): Promise<string> {
  const isThere = ({ deleted }: Checkpoint) => deleted === null;
  const before = await newest(client, trial, (c) => isThere(c) && c.step < step, later);
  const after = await newest(client, trial, (c) => isThere(c) && c.step > step, earlier);
  const near = [before, after].flatMap((found) => found?.step ?? []);
  return near.length === 0
    ? ""
    : `; the nearest ${near.length === 1 ? "is" : "are"} at ${near.join(" and ")}`;
}

const later = (a: Checkpoint, b: Checkpoint): boolean => a.step >= b.step;
const earlier = (a: Checkpoint, b: Checkpoint): boolean => a.step <= b.step;

/** The checkpoint at the trial's best step; where none was kept there, the latest. */
async function bestOf(client: Client, trial: string): Promise<Found> {
  const { best, checkpoint } = await client.trial(trial);
  const found =
    best === null ? undefined : await newest(client, trial, (c) => c.step === best.step);
  if (found !== undefined) return { id: found.id };
  if (checkpoint === null) throw none(`Trial ${trial} has no checkpoint`, trial);
  const why =
    best === null ? "nothing was measured" : `none was kept at its best step ${best.step}`;
  return { id: checkpoint.id, note: `this is the latest one of trial ${trial}, for ${why}` };
}

async function newest(
  client: Client,
  trial: string,
  wanted: (checkpoint: Checkpoint) => boolean,
  isBetter = (a: Checkpoint, b: Checkpoint) => rank(a) >= rank(b),
): Promise<Checkpoint | undefined> {
  let found: Checkpoint | undefined;
  for await (const item of eachItem((query) => client.trialCheckpoints(trial, query)))
    if (wanted(item) && (found === undefined || isBetter(item, found))) found = item;
  return found;
}

/** One whose files are there before all others, then that of the later run. */
const rank = ({ deleted, run }: Checkpoint): number => (deleted === null ? 1e9 : 0) + run;

const none = (what: string, subject: string): CliError =>
  new CliError("not_found", `${what}.`, {
    hint: `See what there is: \`contrail checkpoint list ${subject}\``,
    exitCode: EXIT.notFound,
  });
