/** A dataset version that a person or a program names. */
import { ContrailError } from "../../protocol/errors.ts";
import type { Queryable } from "../../store/audit-reads.ts";
import { type DatasetRow, findDataset } from "../../store/dataset-store.ts";

interface Named {
  readonly name: string;
  readonly version: number | "latest";
}

/** Also one that was removed, where its number is given. @throws ContrailError not_found */
export async function anyDataset(db: Queryable, named: Named): Promise<DatasetRow> {
  const { rows, known } = await findDataset(db, named);
  if (rows[0]) return rows[0];
  throw new ContrailError("not_found", unknownDataset(named, known), {
    hint: "See what there is: contrail data list.",
  });
}

/** @throws ContrailError not_found; deleted */
export async function currentDataset(db: Queryable, named: Named): Promise<DatasetRow> {
  const row = await anyDataset(db, named);
  if (row.removed_at !== null) throw new ContrailError("deleted", removedDataset(row));
  return row;
}

export const unknownDataset = ({ name, version }: Named, known: readonly number[]): string =>
  `there is no dataset ${name}@${version}${known.length > 0 ? `; of this name there are versions ${known.join(", ")}` : ""}`;

export const removedDataset = (row: DatasetRow): string =>
  `dataset ${row.name}@${row.version} was removed by ${row.removed_by} at ${row.removed_at?.toISOString()}`;
