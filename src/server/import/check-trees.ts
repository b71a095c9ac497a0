/** The snapshots whose files came along: each list is what its name says, and the files are what the list says. */
import type { BundleManifest } from "../../protocol/bundle.ts";
import { dataTree, type TreeEntry } from "../../protocol/runner-wire.ts";
import { canonicalTree, checkTree } from "../../store/snapshot.ts";
import { type BundleSource, invalidBundle } from "./bundle-source.ts";

export interface IncludedTree {
  readonly hash: string;
  readonly entries: readonly TreeEntry[];
}

export interface IncludedTrees {
  readonly code: IncludedTree | null;
  readonly data: readonly (IncludedTree & {
    /** In the experiment's `data`. */
    readonly name: string;
    readonly dataset: string | null;
  })[];
  readonly checkpoints: readonly IncludedTree[];
  /** Of one that was imported before: what came along then. */
  readonly imported: IncludedTree | null;
}

/** @throws ContrailError invalid_bundle */
export async function checkTrees(source: BundleSource): Promise<IncludedTrees> {
  const { code, data, checkpoints, imported } = source.manifest;
  const read = (about: NonNullable<BundleManifest["code"]>) => includedTree(source, about);
  const included: Awaited<ReturnType<typeof read>>[] = [];
  for (const about of checkpoints) included.push(await read(about));
  const sets: IncludedTrees["data"][number][] = [];
  for (const about of data) {
    const found = await read(about);
    if (found) sets.push({ ...found, name: about.name, dataset: about.dataset });
  }
  return {
    code: code && ((await read(code)) ?? null),
    data: sets,
    checkpoints: included.filter((found) => found !== undefined),
    imported: (imported && (await read(imported))) ?? null,
  };
}

async function includedTree(
  source: BundleSource,
  { hash, folder }: NonNullable<BundleManifest["code"]>,
): Promise<IncludedTree | undefined> {
  if (folder === null) return undefined;
  const path = `trees/${hash}.json`;
  const entries = (await source.object(path, dataTree)) as TreeEntry[];
  const [unsafe] = checkTree(entries);
  if (unsafe) throw invalidBundle(path, `${JSON.stringify(unsafe.path)} ${unsafe.message}`);
  if (canonicalTree(entries).hash !== hash)
    throw invalidBundle(path, "is not the list of files that it is called by");
  const files = source.below(folder);
  for (const { path: name, size, hash: content } of entries) {
    const file = files.get(name);
    if (file?.sha256 !== content || file.size !== size)
      throw invalidBundle(`${folder}/${name}`, `is not as the snapshot ${hash} says`);
    files.delete(name);
  }
  const [stranger] = files.keys();
  if (stranger !== undefined)
    throw invalidBundle(`${folder}/${stranger}`, `does not belong to the snapshot ${hash}`);
  return { hash, entries };
}
