/** What an experiment's `data` says of dataset versions, and whether those are any here. */
import type { JsonObject } from "../../base/json.ts";
import type { Queryable } from "../../store/audit-reads.ts";
import { foreignSnapshots } from "../../store/dataset-store.ts";

export interface DatasetItem {
  /** The name under which the experiment reads it. */
  readonly as: string;
  /** `name@version`, as it was called where the experiment was made; where it was not, as the experiment calls it. */
  readonly dataset: string;
  readonly snapshot: string;
  readonly kind: string;
}

/** @param data of an imported experiment, too: then it may hold anything, and what lacks a snapshot is given an empty one */
export function datasetItems(data: JsonObject): DatasetItem[] {
  return Object.entries(data).flatMap(([as, value]) => {
    const { dataset, snapshot, kind } = (value ?? {}) as JsonObject;
    const isNamed = typeof dataset === "string";
    if (!isNamed && typeof snapshot !== "string") return [];
    return {
      ...{ as, dataset: isNamed ? dataset : as },
      snapshot: typeof snapshot === "string" ? snapshot : "",
      kind: typeof kind === "string" ? kind : "stored",
    };
  });
}

/** The same, in which each version that was never one here says `foreign`. */
export async function markForeign(
  db: Queryable,
  all: readonly JsonObject[],
): Promise<JsonObject[]> {
  const snapshots = all.flatMap((data) => datasetItems(data).map(({ snapshot }) => snapshot));
  const foreign = snapshots.length === 0 ? new Set() : await foreignSnapshots(db, snapshots);
  if (foreign.size === 0) return [...all];
  return all.map((data) => {
    const strangers = new Set(
      datasetItems(data).flatMap(({ as, snapshot }) => (foreign.has(snapshot) ? [as] : [])),
    );
    return Object.fromEntries(
      Object.entries(data).map(([as, value]) => [
        as,
        strangers.has(as) ? { ...(value as JsonObject), foreign: true } : value,
      ]),
    );
  });
}
