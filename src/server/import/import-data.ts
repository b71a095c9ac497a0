/**
 * The data of an imported experiment: which dataset versions here it reads. What is here already, by its content, is that
 * version. What came along and is not here is registered, so that its files stay, under a name of its own
 * (`digits.imported`): one version more of `digits` would from then on be what `digits@latest` means to everybody. The rest
 * is called what its origin called it, and is foreign here: not what has that name and number on this server.
 *
 * It is registered in the turn that shows the experiment: an import that is refused or cut off leaves no version behind.
 */
import type pg from "pg";
import { importedName } from "../../base/imported-name.ts";
import type { JsonObject } from "../../base/json.ts";
import type { ImportedData } from "../../protocol/api.ts";
import { type DatasetRow, findBySnapshot, findStored } from "../../store/dataset-store.ts";
import { setData } from "../../store/import-store.ts";
import { contentHash } from "../../store/snapshot.ts";
import { storableJson } from "../../store/storable.ts";
import { type Kept, keepFiles, writeVersion } from "../datasets/add.ts";
import { datasetItems } from "../datasets/items.ts";
import { resolvedDataset } from "../datasets/resolve.ts";
import type { RouteContext } from "../http/context.ts";
import type { OtherChange } from "../recorded.ts";
import { invalidBundle } from "./bundle-source.ts";
import type { IncludedTree, IncludedTrees } from "./check-trees.ts";

const NAME = /^([a-z0-9][a-z0-9._-]{0,127})@/;

/** One name in `data`. */
export interface DataItem {
  readonly as: string;
  /** What its origin called it. */
  readonly origin: string;
  /** The version that it is here already. */
  readonly known: DatasetRow | undefined;
  /** What came along and is not here. */
  readonly fresh: { readonly name: string; readonly kept: Kept } | undefined;
}

/** @param held what keeps the files of what came along @throws ContrailError invalid_bundle */
export async function dataHere(
  context: RouteContext,
  about: { readonly data: JsonObject; readonly trees: IncludedTrees },
  held: DisposableStack,
): Promise<DataItem[]> {
  const included = includedData(about);
  const items: DataItem[] = [];
  for (const item of datasetItems(about.data)) {
    const { as, dataset: origin } = item;
    const tree = included.get(as);
    const name = NAME.exec(origin)?.[1];
    const content = tree && contentHash(tree.entries);
    const known = content
      ? await findStored(context.readPool, { content, name })
      : (await findBySnapshot(context.readPool, item)).find((row) => row.removed_at === null);
    const own = importedName(name);
    const kept = known === undefined && tree && (await keepFiles(context, own, tree.entries));
    if (kept) held.use(kept.snapshot);
    items.push({ as, origin, known, fresh: kept ? { name: own, kept } : undefined });
  }
  return items;
}

/** As the record keeps those that are versions here, by name in `data`. */
export const resolvedData = (items: readonly DataItem[]): Map<string, JsonObject> =>
  new Map(items.flatMap(({ as, known }) => (known ? [[as, resolvedDataset(known)]] : [])));

/**
 * Registers what came along, and has the experiment read it.
 * @returns what each is here, and what the log of changes says of it
 */
export async function registerData(
  client: pg.ClientBase,
  items: readonly DataItem[],
  about: {
    readonly experiment: number;
    readonly at: Date;
    readonly by: { readonly userId: number; readonly name: string };
  },
): Promise<{ told: ImportedData[]; changes: OtherChange[] }> {
  const { experiment, at: now, by } = about;
  const told: ImportedData[] = [];
  const changes: OtherChange[] = [];
  const made: [string, JsonObject][] = [];
  for (const { as, origin, known, fresh } of items) {
    let row = known;
    let created = false;
    if (fresh !== undefined) {
      const own = { name: fresh.name, statistics: null, userId: by.userId, actor: by.name, now };
      const outcome = await writeVersion(client, fresh.kept, own);
      ({ row, created } = outcome.value);
      changes.push(...outcome.changes);
      made.push([as, resolvedDataset(row)]);
    }
    const dataset = row ? `${row.name}@${row.version}` : null;
    told.push({ as, origin, dataset, created });
  }
  if (made.length > 0) {
    const data = storableJson(Object.fromEntries(made)) as JsonObject;
    await setData(client, experiment, data);
  }
  return { told, changes };
}

/** What came along, by its name in `data`. */
function includedData({
  data,
  trees,
}: {
  readonly data: JsonObject;
  readonly trees: IncludedTrees;
}): Map<string, IncludedTree> {
  const snapshots = new Map(datasetItems(data).map(({ as, snapshot }) => [as, snapshot]));
  for (const { name, hash } of trees.data)
    if (snapshots.get(name) !== hash)
      throw invalidBundle(
        "manifest.json",
        `its data ${JSON.stringify(name)} is ${hash}, and that of experiment.json is ${snapshots.get(name) ?? "none"}`,
      );
  return new Map(trees.data.map((tree) => [tree.name, tree]));
}
