/** A database with as many experiments as a team makes in years: copies of one that is really there, told apart by SQL. */
import type pg from "pg";

export const MANY = 100_000;

/** @param from an experiment that has ended; its copies get the numbers after it */
export async function manyExperiments(pool: pg.Pool, from: number, count = MANY): Promise<void> {
  const { rows } = await pool.query<{ column_name: string }>(
    `select column_name from information_schema.columns
     where table_schema = current_schema() and table_name = 'experiments' order by ordinal_position`,
  );
  const own: Readonly<Record<string, string>> = {
    id: "e.id + n",
    name: `(array['resnet', 'vgg', 'transformer', 'forest'])[1 + n % 4] || ' ' || n`,
    labels: `array[(array['vision', 'text', 'speech'])[1 + n % 3], 'batch-' || n / 1000]`,
    state: "(array['completed', 'canceled', 'error'])[1 + n % 3]",
    best_objective: "case when n % 10 = 0 then null else abs(sin(n)) end",
    progress: "(n % 101) / 100.0",
    steps: "n",
    priority: "1 + n % 99",
    created_at: "e.created_at - (100000 - n) * interval '1 minute'",
    started_at: "e.started_at - (100000 - n) * interval '1 minute'",
    ended_at: "e.ended_at - (100000 - n) * interval '1 minute'",
  };
  const columns = rows.map(({ column_name: name }) => name);
  await pool.query(
    `insert into experiments (${columns.join(", ")})
     select ${columns.map((name) => own[name] ?? `e.${name}`).join(", ")}
     from experiments e, generate_series(1, ${count}) n where e.id = ${from}`,
  );
  await pool.query("analyze experiments");
}
