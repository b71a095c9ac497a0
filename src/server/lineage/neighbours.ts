/** What hangs at each thing of a lineage: what it came out of, and what came out of it. */
import type { LineageRelation } from "../../protocol/api.ts";
import type { Queryable } from "../../store/audit-reads.ts";
import * as reads from "../../store/lineage-reads.ts";
import { datasetKey, isForeign, kindOf, nameOf, trialKey } from "./things.ts";

export interface Neighbour {
  readonly id: string;
  readonly relation: LineageRelation;
  /** Whether the neighbour came out of the thing, or the thing out of it. */
  readonly came: "out" | "before";
  readonly note: string | null;
}

/** What hangs at one thing. */
export interface Around {
  readonly near: readonly Neighbour[];
  /** How many there are besides. */
  readonly more: number;
}

const USERS_MAX = 50;
const CHECKPOINTS_MAX = 20;
const PATHS_SHOWN = 3;

/** @param isRoot asked for itself: then also what would be too much of all that is met on the way */
export async function neighboursOf(
  db: Queryable,
  ids: readonly string[],
  isRoot: boolean,
): Promise<Map<string, Around>> {
  const of = (kind: string): string[] => ids.filter((id) => kindOf(id) === kind).map(nameOf);
  const around = new Map<string, Around>();
  const [experiments, trials] = [of("experiment").map(Number), of("trial").map(trialKey)];
  const steps = await reads.lineageSteps(db, [
    ...new Set([...experiments, ...trials.map(([experiment]) => experiment)]),
  ]);
  for (const row of await reads.lineageExperiments(db, experiments))
    around.set(`experiment:${row.id}`, { near: ofExperiment(row, steps), more: 0 });
  const starts = await reads.startsOfTrials(db, trials);
  for (const trial of trials)
    around.set(`trial:${trial.join(".")}`, await ofTrial(db, trial, { steps, starts, isRoot }));
  const trees = of("checkpoint");
  const saved = await reads.lineageCheckpoints(db, trees);
  for (const tree of trees) around.set(`checkpoint:${tree}`, await ofCheckpoint(db, tree, saved));
  for (const tree of of("code"))
    around.set(`code:${tree}`, usersAs("code", await reads.usersOfCode(db, tree, USERS_MAX)));
  for (const reference of of("dataset"))
    around.set(`dataset:${reference}`, await ofDataset(db, reference));
  return around;
}

function ofExperiment(
  { id, code, start, datasets, best }: reads.LineageExperiment,
  steps: readonly reads.LineageStep[],
): Neighbour[] {
  const near: Neighbour[] = [];
  if (code !== null) near.push(neighbour(`code:${code}`, "code", "before"));
  for (const { as, dataset } of datasets)
    near.push(neighbour(`dataset:${dataset}`, "data", "before", `as ${as}`));
  if (start !== null) near.push(neighbour(`checkpoint:${start}`, "start", "before"));
  for (const step of steps) {
    const { experiment, kind, parent, trial } = step;
    if (experiment === id && parent !== null)
      near.push(neighbour(sourceOf(parent, trial), kind, "before", changes(step)));
    if (parent === id && trial !== null)
      near.push(neighbour(`trial:${id}.${trial}`, "trial", "out"));
    if (parent === id && trial === null)
      near.push(neighbour(`experiment:${experiment}`, kind, "out", changes(step)));
  }
  if (best !== null) near.push(neighbour(`trial:${id}.${best}`, "trial", "out", "the best"));
  return near;
}

const sourceOf = (experiment: number, trial: number | null): string =>
  trial === null ? `experiment:${experiment}` : `trial:${experiment}.${trial}`;

async function ofTrial(
  db: Queryable,
  [experiment, number]: readonly [number, number],
  known: {
    readonly steps: readonly reads.LineageStep[];
    readonly starts: readonly reads.LineageCheckpoint[];
    readonly isRoot: boolean;
  },
): Promise<Around> {
  const near = [neighbour(`experiment:${experiment}`, "trial", "before")];
  for (const step of known.steps)
    if (step.parent === experiment && step.trial === number)
      near.push(neighbour(`experiment:${step.experiment}`, step.kind, "out", changes(step)));
  const own = known.isRoot ? await reads.checkpointsOfTrial(db, experiment, number) : [];
  const trees = new Map(
    [
      ...known.starts.filter((one) => one.experiment === experiment && one.trial === number),
      ...own.slice(0, CHECKPOINTS_MAX),
    ].map(({ tree, step }) => [tree, step]),
  );
  for (const [tree, step] of trees)
    near.push(neighbour(`checkpoint:${tree}`, "checkpoint", "out", `at step ${step}`));
  return { near, more: Math.max(0, own.length - CHECKPOINTS_MAX) };
}

async function ofCheckpoint(
  db: Queryable,
  tree: string,
  saved: readonly reads.LineageCheckpoint[],
): Promise<Around> {
  const started = usersAs("start", await reads.startedFrom(db, tree, USERS_MAX));
  const savers = saved
    .filter((one) => one.tree === tree)
    .map(({ experiment, trial, step }) =>
      neighbour(`trial:${experiment}.${trial}`, "checkpoint", "before", `at step ${step}`),
    );
  return { near: [...savers, ...started.near], more: started.more };
}

async function ofDataset(db: Queryable, reference: string): Promise<Around> {
  if (isForeign(reference))
    return usersAs("data", await reads.usersOfSnapshot(db, reference, USERS_MAX));
  const [name, version] = datasetKey(reference);
  const versions = await reads.versionsOf(db, name);
  const at = versions.findIndex((one) => one.version === version);
  const { snapshot = "" } = versions[at] ?? {};
  const users = usersAs("data", await reads.usersOfDataset(db, { reference, snapshot }, USERS_MAX));
  const [before, after] = [versions[at - 1], versions[at + 1]];
  const beside = [
    ...(before ? [neighbour(`dataset:${name}@${before.version}`, "version", "before")] : []),
    ...(after ? [neighbour(`dataset:${name}@${after.version}`, "version", "out")] : []),
  ];
  return { near: [...beside, ...users.near], more: users.more };
}

const usersAs = (relation: "code" | "data" | "start", { ids, total }: reads.Used): Around => ({
  near: ids.map((id) => neighbour(`experiment:${id}`, relation, "out")),
  more: total - ids.length,
});

const neighbour = (
  id: string,
  relation: Neighbour["relation"],
  came: Neighbour["came"],
  note: string | null = null,
): Neighbour => ({ id, relation, came, note });

function changes({ overrides }: reads.LineageStep): string {
  if (overrides.length === 0) return "unchanged";
  const paths = overrides.slice(0, PATHS_SHOWN).map(({ path }) => path);
  const rest = overrides.length - paths.length;
  return `other ${paths.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
