/** Whether two runs left the same behind in the database. */

/** Rows as JSON, by table. */
export type Left = Readonly<Record<string, readonly string[]>>;

/** When retention finds the time to give something up is no part of what was decided. */
const RETENTION = /^deleted_(?:at|why)$/;

/**
 * Times, what the log of changes says of the server itself, and how far retention has come differ from run to run.
 * @param without further fields
 */
export function comparable(rows: Left, without: readonly string[] = []): Left {
  const left = Object.entries(rows).map(([table, lines]): [string, string[]] => [
    table,
    lines.flatMap((line) => {
      const row = JSON.parse(line, (key, value) =>
        without.includes(key) ||
        RETENTION.test(key) ||
        /(?:^(?:at|hash|ms)|_at|_ms|At|Ms)$/.test(key)
          ? undefined
          : value,
      ) as Record<string, unknown>;
      if (table !== "changes") return [JSON.stringify(row)];
      const { seq: _seq, ...change } = row;
      const own = change.experiment_id === null || change.actor === "retention";
      return own ? [] : [JSON.stringify(change)];
    }),
  ]);
  return Object.fromEntries(left);
}

export function firstDifference(a: Left, b: Left): string | undefined {
  for (const table of Object.keys(a)) {
    const [rows = [], others = []] = [a[table], b[table]];
    for (let i = 0; i < Math.max(rows.length, others.length); i++)
      if (rows[i] !== others[i])
        return `${table} row ${i + 1}: ${apart(others[i] ?? "nothing", rows[i] ?? "nothing")}`;
  }
  return undefined;
}

/** From where they differ. */
function apart(found: string, wanted: string): string {
  let same = 0;
  while (same < found.length && found[same] === wanted[same]) same += 1;
  const from = Math.max(0, same - 30);
  return `…${found.slice(from, from + 100)} in place of …${wanted.slice(from, from + 100)}`;
}
