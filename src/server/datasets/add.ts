/** Registers a version: of files whose content was uploaded, or of files that stay where they are. */

import type { z } from "zod";
import type { createDatasetRequest } from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { DataReference, TreeEntry } from "../../protocol/runner-wire.ts";
import {
  canonicalReference,
  checkReference,
  referenceContent,
} from "../../store/data-reference.ts";
import { addDataset, type DatasetRow } from "../../store/dataset-store.ts";
import { checkTree, contentHash, type SnapshotIssue } from "../../store/snapshot.ts";
import { storableJson } from "../../store/storable.ts";
import { requireSnapshot } from "../create-experiment.ts";
import type { RouteContext } from "../http/context.ts";
import { recordIn } from "../recorded.ts";
import { type KeptSnapshot, keepBytes } from "../retention/uploads.ts";

interface Kept {
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
  using snapshot = kept.snapshot;
  const { kind, place, content, files } = kept;
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const statistics = storableJson(request.statistics ?? null);
  return await recordIn(context.loop)("add a dataset", async (client, now) => {
    const entry = { name, kind, place, content, bytes, statistics, userId, now };
    const hash = snapshot.hash;
    const value = await addDataset(client, { ...entry, snapshot: hash, files: files.length });
    const subject = `dataset ${name}@${value.row.version}`;
    const where = place === null ? "" : `, by reference to ${place}`;
    const cause = `${files.length} files, ${bytes} bytes, snapshot ${hash}${where}`;
    return { value, changes: value.created ? [{ actor, subject, what: "created", cause }] : [] };
  });
}

async function keepFiles(
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
