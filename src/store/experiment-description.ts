/** The columns of an experiment that people change, written in a transaction of the decision loop. */
import type pg from "pg";

export interface DescriptionColumns {
  readonly name?: string;
  readonly description?: string | null;
  readonly notes?: string;
  readonly labels?: string[];
  readonly priority?: number;
}

type Column = keyof DescriptionColumns;

export interface DescriptionChange {
  readonly column: Column;
  readonly from: unknown;
  readonly to: unknown;
}

/**
 * Said twice, it changes nothing the second time.
 * @param relabel makes the labels out of those that there are
 * @returns what became different
 */
export async function changeDescription(
  client: pg.ClientBase,
  id: number,
  asked: DescriptionColumns,
  relabel?: (labels: readonly string[]) => string[],
): Promise<DescriptionChange[]> {
  const { rows } = await client.query<Required<DescriptionColumns>>(
    "select name, description, notes, labels, priority from experiments where id = $1 for update",
    [id],
  );
  const before = rows[0];
  if (!before) return [];
  const columns = relabel ? { ...asked, labels: relabel(before.labels) } : asked;
  const changes = (Object.keys(columns) as Column[])
    .map((column) => ({ column, from: before[column], to: columns[column] }))
    .filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to));
  if (changes.length === 0) return [];
  const after = { ...before, ...columns };
  await client.query(
    `update experiments set name = $2, description = $3, notes = $4, labels = $5, priority = $6 where id = $1`,
    [id, after.name, after.description, after.notes, after.labels, after.priority],
  );
  return changes;
}
