/** Whether two runs left the same behind in the database. */

/** Rows as JSON, by table. */
export type Left = Readonly<Record<string, readonly string[]>>;

export interface Compared {
  /** Further fields to leave out. */
  readonly without?: readonly string[];
  /** Retention has come to its end, so what is gone is a result. Until then it is a matter of time. */
  readonly settled?: boolean;
}

const TIME = /(?:^(?:at|ms)|_at|_ms|At|Ms)$/;
const TIME_IN_TEXT = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;

/** Times, what the log of changes says of the server itself, and how far retention has come differ from run to run. */
export function comparable(rows: Left, { without = [], settled = false }: Compared = {}): Left {
  const shown = (key: string, value: unknown): unknown => {
    if (without.includes(key) || key === "deleted_why") return undefined;
    if (/^(?:deleted|purged|emptied)_at$/.test(key)) return settled ? value !== null : undefined;
    // Of a change: it stands for the row before as well, and so for everything that differs.
    if (TIME.test(key) || (key === "hash" && String(value).startsWith("\\x"))) return undefined;
    return typeof value === "string" ? value.replaceAll(TIME_IN_TEXT, "…") : value;
  };
  const left = Object.entries(rows).map(([table, lines]): [string, string[]] => [
    table,
    lines.flatMap((line) => {
      const row = JSON.parse(line, shown) as Record<string, unknown>;
      if (table !== "changes") return [JSON.stringify(row)];
      const { seq: _seq, ...change } = row;
      if (change.experiment_id === null || change.actor === "retention") return [];
      // A deletion that was cut off counts what was left for the second half.
      if (change.what === "emptied") change.cause = "";
      return [JSON.stringify(change)];
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
