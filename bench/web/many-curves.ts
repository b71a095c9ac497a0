/**
 * An experiment with as many trials and points as one likes: copies of one trial that really ran and is over, told apart
 * by SQL. Its curves fan out by the trial's number without crossing, so that whoever points at one knows which it is.
 */
import type pg from "pg";

export interface ManyCurves {
  /** Has ended, with one trial, which reported the metric at least once. */
  readonly experiment: number;
  readonly trials: number;
  readonly points: number;
  readonly metric: string;
}

/** What trial `number` reported at `step`, from 1: it falls, the higher numbers stay higher. */
export const lossOf = (number: number, step: number): number =>
  number / 100 + 10 / (1 + step / 50) + Math.sin(step / 7) / 500;

export async function manyCurves(client: pg.ClientBase, wanted: ManyCurves): Promise<void> {
  const { experiment, trials, points, metric } = wanted;
  const { rows } = await client.query<{ column_name: string }>(
    `select column_name from information_schema.columns
     where table_schema = current_schema() and table_name = 'trials' order by ordinal_position`,
  );
  // The server counts from where it stands; far above it no number is given twice.
  const id = `${1_000_000_000 + experiment * 100_000} + n`;
  const own: Readonly<Record<string, string>> = {
    id,
    number: "t.number + n",
    hyperparameters: `t.hyperparameters || jsonb_build_object('rate', n / ${trials}.0)`,
  };
  const columns = rows.map(({ column_name: name }) => name);
  await client.query(
    `insert into trials (${columns.join(", ")})
     select ${columns.map((name) => own[name] ?? `t.${name}`).join(", ")}
     from trials t, generate_series(1, ${trials - 1}) n where t.experiment_id = ${experiment}`,
  );
  // Each has one run: without it none of its points counts.
  await client.query(
    `insert into allocations (id, experiment_id, trial_number, run, runner, slots, state, start_step, kill,
       orders_reason, orders_version, acked, end_kind, exit_code, reason, created_at, started_at, ended_at)
     select ${id}, experiment_id, trial_number + n, run, runner, slots, state, start_step,
       kill, orders_reason, orders_version, acked, end_kind, exit_code, reason, created_at, started_at, ended_at
     from allocations, generate_series(1, ${trials - 1}) n where experiment_id = ${experiment} and run = 1`,
  );
  const value = "t.number / 100.0 + 10 / (1 + s / 50.0) + sin(s / 7.0) / 500";
  await client.query(
    `delete from metrics where trial_id in (select id from trials where experiment_id = $1)`,
    [experiment],
  );
  await client.query(
    `insert into metrics (trial_id, name_id, step, run, seq, value)
     select t.id, n.id, s, 1, s, ${value}
     from trials t, metric_names n, generate_series(1, $2::int) s
     where t.experiment_id = $1 and n.name = $3`,
    [experiment, points, metric],
  );
  const best = `number / 100.0 + 10 / (1 + ${points} / 50.0) + sin(${points} / 7.0) / 500`;
  await client.query(
    `update trials set step = $2, objective = ${best}, best_step = $2, best_objective = ${best}
     where experiment_id = $1`,
    [experiment, points],
  );
  await client.query(
    `update experiments e set best_trial = 1, best_step = $2, steps = $2::bigint * $3,
       best_objective = (select best_objective from trials t where t.experiment_id = e.id and t.number = 1)
     where e.id = $1`,
    [experiment, points, trials],
  );
  // What autovacuum does by itself within a minute or two.
  await client.query("vacuum analyze metrics");
  await client.query("analyze trials");
  await client.query("analyze allocations");
}
