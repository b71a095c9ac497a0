/**
 * Brings a bundle in: everything is checked, then the experiment is made, over and hidden, then its many rows are
 * written, its trials too, then it is shown. Each of the last three can be cut off: what was begun and not finished is dropped, at
 * once, before the same record is begun again, or at the next start. The same record a second time is the experiment
 * that it became the first time.
 *
 * Its number is new here; snapshots and checkpoints keep theirs, which are their content.
 */

import { createHash } from "node:crypto";
import type { JsonObject } from "../../base/json.ts";
import { MANIFEST_FILE } from "../../export/bundle-manifest.ts";
import type { ImportedData } from "../../protocol/api.ts";
import { KEPT_FILES, ORIGIN_FOLDER, RECORD_FILES } from "../../protocol/bundle.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import {
  answerTo,
  beginImport,
  findImport,
  finishImport,
  forgetImport,
  insertRows,
  keepAnswer,
  unfinishedImports,
} from "../../store/import-store.ts";
import { storable, storableJson } from "../../store/storable.ts";
import { requireSnapshot } from "../create-experiment.ts";
import { ancestryRow } from "../fork/origin.ts";
import type { RouteContext } from "../http/context.ts";
import type { DecisionLoop } from "../loops/decision-loop.ts";
import { otherChange } from "../recorded.ts";
import { dropImport, hideImport, showImport } from "../retention/commands.ts";
import type { Turn, World } from "../world.ts";
import { BundleSource } from "./bundle-source.ts";
import { type CheckedBundle, checkBundle } from "./check-bundle.ts";
import { checkOrigin } from "./check-origin.ts";
import { checkTrees, type IncludedTrees } from "./check-trees.ts";
import { type DataItem, dataHere, registerData, resolvedData } from "./import-data.ts";
import {
  experimentCore,
  experimentRow,
  lastRows,
  type Numbered,
  verdictRows,
} from "./import-rows.ts";
import { loadRows, type Places } from "./load-rows.ts";

export interface ImportRequest {
  /** The text of manifest.json; every other file that matters lies in the blob store. */
  readonly manifest: string;
  readonly by: { readonly userId: number; readonly name: string };
  /** The same again = the same request, sent anew because its answer takes long or was not heard. */
  readonly idempotencyKey?: string | undefined;
}

export interface Imported {
  readonly experiment: number;
  /** False where it was here already. */
  readonly created: boolean;
  /** Which versions its data is here; none where it was here already. */
  readonly data: readonly ImportedData[];
}

interface Underway {
  readonly request: ImportRequest;
  readonly end: Promise<Imported>;
}

/** Imports of one record go one after the other, so that the second finds what the first made. */
const underway = new WeakMap<DecisionLoop, Map<string, Underway>>();

/** @throws ContrailError invalid_bundle, missing_blobs, conflict */
export async function importExperiment(
  context: RouteContext,
  request: ImportRequest,
): Promise<Imported> {
  const source = new BundleSource(request.manifest, context.blobs);
  const { content } = source.manifest;
  const queues = underway.get(context.loop) ?? new Map<string, Underway>();
  underway.set(context.loop, queues);
  const last = queues.get(content);
  if (last && isSame(last.request, request)) return last.end;
  const before = last?.end.catch(() => undefined) ?? Promise.resolve();
  const mine = { request, end: before.then(() => bringIn(context, source, request)) };
  queues.set(content, mine);
  try {
    return await mine.end;
  } finally {
    if (queues.get(content) === mine) queues.delete(content);
  }
}

const isSame = (one: ImportRequest, other: ImportRequest): boolean =>
  one.idempotencyKey !== undefined &&
  one.idempotencyKey === other.idempotencyKey &&
  one.by.userId === other.by.userId &&
  one.manifest === other.manifest;

async function bringIn(
  context: RouteContext,
  source: BundleSource,
  request: ImportRequest,
): Promise<Imported> {
  using held = new DisposableStack();
  await holdRecord(context, source, held);
  const trees = await checkTrees(source);
  const earlier = await earlierImport(context, source.manifest.content);
  if (earlier !== undefined) return answered(context, request, earlier);
  const bundle = await checkBundle(source);
  const author = (await checkOrigin(source, trees.imported)) ?? bundle.experiment.owner;
  await keepTrees(context, trees, held);
  const record = await keepRecord(context, source, { ...request, trees, held });
  const { data } = bundle.experiment;
  const items = await dataHere(context, { data, trees }, held);
  const resolved = resolvedData(items);
  // Nobody brings it any more: imports of one record go one after the other, and this is the next.
  for (const id of await unfinishedImports(context.pool, source.manifest.content))
    await abandonImport(context.loop, id, "it was cut off, and its record is imported again");
  const places = await context.loop.submit({
    name: "begin an import",
    run: (world, turn) =>
      begin(world, turn, { source, bundle, author, trees, resolved, record, request }),
  });
  const { id } = places.experiment;
  try {
    await loadRows(context.pool, { source, bundle }, places);
    const about = { source, bundle, id, request, items };
    const data = await finish(context, about);
    return { experiment: id, created: true, data };
  } catch (error) {
    // What failed may well be the database. What cannot be dropped now is hidden, and goes with the next attempt.
    await abandonImport(context.loop, id, (error as Error).message).catch(() => {});
    throw error;
  }
}

/** What is here already: by this very request, or by another one. */
async function answered(
  { pool }: Pick<RouteContext, "pool">,
  request: ImportRequest,
  experiment: number,
): Promise<Imported> {
  const sent = sentAs(request);
  const answer = sent && (await answerTo(pool, sent));
  if (answer?.experiment === experiment) return { ...answer, created: true };
  return { experiment, created: false, data: [] };
}

function sentAs({ by, idempotencyKey: key, manifest }: ImportRequest) {
  const hash = createHash("sha256").update(`import ${manifest}`).digest();
  return key === undefined ? undefined : { userId: by.userId, key, hash };
}

async function earlierImport(
  { pool, loop }: Pick<RouteContext, "pool" | "loop">,
  content: string,
): Promise<number | undefined> {
  const found = await findImport(pool, content);
  if (found === undefined) return undefined;
  const id = found.experiment_id;
  const marks = await loop.read((world) => world.retention.marks(id));
  if (marks.deleted_at === null) return id;
  throw new ContrailError("conflict", `this bundle is experiment ${id} already, which is deleted`, {
    hint: `Restore it: contrail experiment restore ${id}. Once it cannot be restored any more, the bundle can be imported again.`,
  });
}

/** @throws ContrailError missing_blobs */
async function holdRecord(
  { gate, blobs }: Pick<RouteContext, "gate" | "blobs">,
  source: BundleSource,
  held: DisposableStack,
): Promise<void> {
  const files = RECORD_FILES.map((path) => source.file(path));
  const lists = source.manifest.files.filter(({ path }) => /^(?:trees|origin)\//.test(path));
  const hashes = [...files, ...lists].map(({ sha256 }) => sha256);
  held.use(await gate.hold(hashes));
  const missing = new Set(await blobs.missing(hashes));
  if (missing.size === 0) return;
  throw new ContrailError(
    "missing_blobs",
    `${missing.size} files of the bundle were not uploaded`,
    {
      issues: [...files, ...lists]
        .filter(({ sha256 }) => missing.has(sha256))
        .slice(0, 100)
        .map(({ path, sha256 }) => ({ code: "missing", path, message: sha256 })),
    },
  );
}

async function keepTrees(
  context: RouteContext,
  { code, data, checkpoints }: IncludedTrees,
  held: DisposableStack,
): Promise<void> {
  for (const [what, trees] of [
    ["code", code === null ? [] : [code]],
    ["data", data],
    ["checkpoint", checkpoints],
  ] as const)
    for (const { entries } of trees) held.use(await requireSnapshot(context, entries, what));
}

async function keepRecord(
  context: RouteContext,
  source: BundleSource,
  {
    manifest,
    trees,
    held,
  }: Pick<ImportRequest, "manifest"> & { trees: IncludedTrees; held: DisposableStack },
): Promise<string> {
  const text = Buffer.from(manifest);
  const stored = await context.blobs.put(text);
  const entries: TreeEntry[] = [
    { path: MANIFEST_FILE, size: stored.size, hash: stored.hash, executable: false },
    ...KEPT_FILES.map((path) => {
      const { size, sha256: hash } = source.file(path);
      return { path, size, hash, executable: false };
    }),
    ...(trees.imported?.entries ?? []).map((entry) => ({
      ...entry,
      path: `${ORIGIN_FOLDER}/${entry.path}`,
    })),
  ];
  return held.use(await requireSnapshot(context, entries, "record")).hash;
}

interface Beginning {
  readonly source: BundleSource;
  readonly bundle: CheckedBundle;
  /** Who submitted it where it was trained. */
  readonly author: string;
  readonly trees: IncludedTrees;
  /** Of data that is a version here, by its name in the experiment. */
  readonly resolved: ReadonlyMap<string, JsonObject>;
  readonly record: string;
  readonly request: ImportRequest;
}

/** The experiment, over and in no list, and the numbers of its trials and their allocations: there may be a million. */
function begin(world: World, turn: Turn, about: Beginning): Places {
  const { source, bundle, author, trees, resolved, record, request } = about;
  const { manifest } = source;
  const at = new Date(turn.nowMs);
  const madeAt = new Date(manifest.made_at);
  const id = world.nextExperiment++;
  const core = experimentCore(bundle, madeAt.getTime());
  const code = trees.code?.hash ?? null;
  const made = { id, ownerId: request.by.userId, core, code, resolved };
  const row = experimentRow(bundle, { ...made, slots: world.room(world.firstPool).total });
  turn.batch.put("experiments", row, "nothing");
  const numbered: Numbered = {
    experiment: { id, core },
    ...{ firstTrial: world.nextTrial, firstAllocation: world.nextAllocation, madeAt },
  };
  world.nextTrial += bundle.trials.length;
  world.nextAllocation += bundle.runs.length;
  const last = lastRows(bundle, numbered);
  for (const trial of last.trials) turn.batch.put("trials", trial);
  for (const allocation of last.allocations) turn.batch.put("allocations", allocation);
  const names = new Map(
    bundle.names.map((name) => [name, world.metricName(turn, storable(name))] as const),
  );
  hideImport(world, turn, id);
  const origin = { kind: "import", experiment: null, trial: null, base: null } as const;
  const ancestry = ancestryRow(id, { ...origin, label: labelOf(source) }, { overrides: [], at });
  turn.batch.put("ancestry", ancestry, "nothing");
  turn.batch.work(async (client) => {
    const { content, origin, made_at, made_by, contrail } = manifest;
    await beginImport(client, {
      ...{ experiment_id: id, content, record, by: request.by.name, at },
      origin: storableJson({ ...origin, made_at, made_by, contrail, author }),
    });
    return [];
  });
  turn.batch.change({
    ...{ at, actor: storable(request.by.name), experimentId: id, subject: `experiment ${id}` },
    what: "importing",
    cause: `asked by ${storable(request.by.name)}: ${labelOf(source)}, content ${manifest.content}`,
  });
  const saved = new Set(trees.checkpoints.map(({ hash }) => hash));
  return { ...numbered, names, saved, at };
}

/** What it is called where it comes from. */
export function labelOf({ manifest: { origin } }: Pick<BundleSource, "manifest">): string {
  const { server, experiment, trials } = origin;
  const what =
    trials.length === 1 ? `trial ${experiment}.${trials[0]}` : `experiment ${experiment}`;
  return storable(`${what} of ${server}`).slice(0, 400);
}

async function finish(
  { loop, verdicts }: Pick<RouteContext, "loop" | "verdicts">,
  about: Pick<Beginning, "source" | "bundle"> & {
    readonly id: number;
    readonly request: ImportRequest;
    readonly items: readonly DataItem[];
  },
): Promise<ImportedData[]> {
  const { source, bundle, id, request, items } = about;
  const { by } = request;
  const { counts, content } = source.manifest;
  const rows = verdictRows(id, bundle);
  let told: ImportedData[] = [];
  await loop.submit({
    name: "finish an import",
    run: (world, turn) => {
      const at = new Date(turn.nowMs);
      showImport(world, turn, id);
      turn.batch.put("retained", { experiment_id: id, at });
      turn.batch.work(async (client) => {
        await insertRows(
          client,
          "verdicts",
          rows.map((row) => ({ ...row })),
        );
        await finishImport(client, id, at);
        const data = await registerData(client, items, { experiment: id, at, by });
        told = data.told;
        const sent = sentAs(request);
        if (sent) await keepAnswer(client, sent, { experiment: id, data: told, at });
        return data.changes.map((change) => otherChange(change, at));
      });
      turn.batch.change({
        ...{ at, actor: storable(by.name), experimentId: id, subject: `experiment ${id}` },
        what: "imported",
        cause: `${labelOf(source)} with ${counts.trial} trials and ${counts.points} points, content ${content}; its own log of changes came along`,
      });
    },
  });
  for (const row of rows) verdicts.note(row);
  return told;
}

/** What was begun and is not whole goes as a deleted experiment does; its number stays used. */
export async function abandonImport(loop: DecisionLoop, id: number, why: string): Promise<void> {
  await loop.submit({
    name: "abandon an import",
    run: (world, turn) => {
      if (!dropImport(world, turn, id)) return;
      turn.batch.work(async (client) => {
        await forgetImport(client, id);
        return [];
      });
      turn.batch.change({
        ...{ at: new Date(turn.nowMs), actor: "contrail", experimentId: id },
        subject: `experiment ${id}`,
        what: "import failed",
        cause: storable(why).slice(0, 500),
      });
    },
  });
}
