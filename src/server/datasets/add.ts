/** Registers a version: of files whose content was uploaded, or of files that stay where they are. */

import type pg from "pg";
import type { z } from "zod";
import type { createDatasetRequest } from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { DataReference, TreeEntry } from "../../protocol/runner-wire.ts";
import {
  canonicalReference,
  checkReference,
  referenceContent,
} from "../../store/data-reference.ts";
import { addDataset, type DatasetRow, type NewDataset } from "../../store/dataset-store.ts";
import { checkTree, contentHash, type SnapshotIssue } from "../../store/snapshot.ts";
import { storableJson } from "../../store/storable.ts";
import { requireSnapshot } from "../create-experiment.ts";
import type { RouteContext } from "../http/context.ts";
import { type Outcome, recordIn } from "../recorded.ts";
import { type KeptSnapshot, keepBytes } from "../retention/uploads.ts";

/** What a version will be of, held until it is one. */
export interface Kept {
  readonly kind: DatasetRow["kind"];
  readonly place: string | null;
  readonly content: string;
  readonly files: readonly { readonly size: number }[];
  readonly snapshot: KeptSnapshot;
}

/** @throws ContrailError */
export async function registerDataset(
  context: RouteContext,
  request: z.infer<typeof createDatasetRequest>,
  { userId, name: actor }: { readonly userId: number; readonly name: string },
): Promise<{ row: DatasetRow; created: boolean }> {
  const { name, tree, reference } = request;
  const kept =
    reference === undefined
      ? await keepFiles(context, name, tree ?? [])
      : await keepReference(context, reference);
  using _snapshot = kept.snapshot;
  const statistics = storableJson(request.statistics ?? null);
  return await recordIn(context.loop)("add a dataset", (client, now) =>
    writeVersion(client, kept, { name, statistics, userId, actor, now }),
  );
}

/** The version, and its entry in the log of changes; nothing of either where it is here already. */
export async function writeVersion(
  client: pg.ClientBase,
  { kind, place, content, files, snapshot: { hash } }: Kept,
  about: Pick<NewDataset, "name" | "statistics" | "userId" | "now"> & { readonly actor: string },
): Promise<Outcome<{ row: DatasetRow; created: boolean }>> {
  const { actor, ...given } = about;
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const entry = { ...given, kind, place, content, bytes, snapshot: hash, files: files.length };
  const value = await addDataset(client, entry);
  const subject = `dataset ${entry.name}@${value.row.version}`;
  const where = place === null ? "" : `, by reference to ${place}`;
  const cause = `${files.length} files, ${bytes} bytes, snapshot ${hash}${where}`;
  return { value, changes: value.created ? [{ actor, subject, what: "created", cause }] : [] };
}

/** @throws ContrailError */
export async function keepFiles(
  context: RouteContext,
  name: string,
  tree: readonly TreeEntry[],
): Promise<Kept> {
  refuse(checkTree(tree));
  if (tree.length === 0)
    throw new ContrailError("invalid_request", `the dataset ${name} has no files`);
  const snapshot = await requireSnapshot(context, tree, "dataset");
  return { kind: "stored", place: null, content: contentHash(tree), files: tree, snapshot };
}

async function keepReference(context: RouteContext, reference: DataReference): Promise<Kept> {
  refuse(checkReference(reference));
  const { kind, place, files } = reference;
  const snapshot = await keepBytes(context, canonicalReference(reference), []);
  return { kind, place, content: referenceContent(reference), files, snapshot };
}

function refuse(issues: readonly SnapshotIssue[]): void {
  const first = issues[0];
  if (first) throw new ContrailError("invalid_request", `${first.path}: ${first.message}`);
}
