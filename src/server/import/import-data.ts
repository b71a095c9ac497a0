/**
 * The data of an imported experiment: which dataset versions here it reads. What is here already, by its content, is that
 * version. What came along and is not here is registered, so that its files stay, under a name of its own
 * (`digits.imported`): one version more of `digits` would from then on be what `digits@latest` means to everybody. The rest
 * is called what its origin called it, and is foreign here: not what has that name and number on this server.
 */
import { importedName } from "../../base/imported-name.ts";
import type { JsonObject } from "../../base/json.ts";
import type { ImportedData } from "../../protocol/api.ts";
import { findBySnapshot, findStored } from "../../store/dataset-store.ts";
import { contentHash } from "../../store/snapshot.ts";
import { registerDataset } from "../datasets/add.ts";
import { datasetItems } from "../datasets/items.ts";
import { resolvedDataset } from "../datasets/resolve.ts";
import type { RouteContext } from "../http/context.ts";
import { invalidBundle } from "./bundle-source.ts";
import type { IncludedTree, IncludedTrees } from "./check-trees.ts";

const NAME = /^([a-z0-9][a-z0-9._-]{0,127})@/;

export interface DataHere {
  /** As the record keeps it, by name in `data`; those that are versions here. */
  readonly resolved: ReadonlyMap<string, JsonObject>;
  readonly told: readonly ImportedData[];
}

/** @throws ContrailError invalid_bundle */
export async function dataHere(
  context: RouteContext,
  about: {
    readonly data: JsonObject;
    readonly trees: IncludedTrees;
    readonly by: { readonly userId: number; readonly name: string };
  },
): Promise<DataHere> {
  const included = includedData(about);
  const resolved = new Map<string, JsonObject>();
  const told: ImportedData[] = [];
  for (const item of datasetItems(about.data)) {
    const { as, dataset: origin } = item;
    const tree = included.get(as);
    const name = NAME.exec(origin)?.[1];
    const content = tree && contentHash(tree.entries);
    const known = content
      ? await findStored(context.readPool, { content, name })
      : (await findBySnapshot(context.readPool, item)).find((row) => row.removed_at === null);
    const registration = { name: importedName(name), tree: [...(tree?.entries ?? [])] };
    const row = known ?? (tree && (await registerDataset(context, registration, about.by)).row);
    if (row !== undefined) resolved.set(as, resolvedDataset(row));
    const dataset = row ? `${row.name}@${row.version}` : null;
    told.push({ as, origin, dataset, created: row !== undefined && known === undefined });
  }
  return { resolved, told };
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
