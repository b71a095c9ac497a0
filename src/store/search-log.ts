/**
 * What a search was told and what it answered, as it is stored, page by page; and the state that was saved.
 * Read as it stands: NaN and the infinities inside are still `{"$number": …}`.
 */
import type pg from "pg";
import { reviveExact } from "../base/json.ts";
import type { SearchState } from "../core/search/methods.ts";
import type { SearchSpec } from "../core/search/search.ts";
import { searchStateHash } from "./search-state-hash.ts";

export interface SearchLogHead {
  readonly spec: SearchSpec;
  /** Events in the log. */
  readonly events: number;
  /** The saved state stands after this many of them. */
  readonly savedAfter: number;
  readonly savedSha256: string;
  readonly ended: boolean;
}

/** One statement, so that state and log are of one moment. */
export async function readSearchLogHead(
  pool: pg.Pool,
  experiment: number,
): Promise<SearchLogHead | undefined> {
  const { rows } = await pool.query<{
    search_spec: SearchSpec;
    search_state: SearchState;
    search_events: number;
    last: number;
    ended: boolean;
  }>(
    `select search_spec, search_state, search_events, ended_at is not null as ended,
       coalesce((select max(seq) from search_events where experiment_id = e.id), 0) as last
     from experiments e where id = $1`,
    [experiment],
  );
  const row = rows[0];
  return (
    row && {
      spec: row.search_spec,
      events: row.last,
      savedAfter: row.search_events,
      savedSha256: searchStateHash(reviveExact(row.search_state)),
      ended: row.ended,
    }
  );
}

export interface SearchLogRow {
  readonly seq: number;
  readonly at_ms: number;
  readonly event: unknown;
  readonly actions: unknown[];
}

/** Oldest first. */
export async function listSearchLog(
  pool: pg.Pool,
  { experiment, after, limit }: { experiment: number; after: number; limit: number },
): Promise<SearchLogRow[]> {
  const { rows } = await pool.query<Omit<SearchLogRow, "at_ms"> & { at_ms: string | number }>(
    `select seq, at_ms, event, actions from search_events
     where experiment_id = $1 and seq > $2 order by seq limit $3`,
    [experiment, after, limit],
  );
  return rows.map((row) => ({ ...row, at_ms: Number(row.at_ms) }));
}
