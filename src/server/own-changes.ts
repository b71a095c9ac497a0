/**
 * What the server writes into the log about itself: that it started and on what, which migrations were applied,
 * that it was asked to stop and did. A start that does not follow a stop says so: then it had crashed.
 */
import type pg from "pg";
import { outlivesServer } from "./drain.ts";
import type { OtherChange } from "./recorded.ts";
import type { World } from "./world.ts";

export interface Start {
  readonly version: string;
  readonly slots: readonly string[];
  readonly postgres: "embedded" | "external";
  readonly runners: readonly { readonly id: string; readonly adopted: boolean }[];
}

/** In the order in which it happened. Runs on the connection of the first turn. */
export async function changesOfStart(client: pg.ClientBase, start: Start): Promise<OtherChange[]> {
  const changes: OtherChange[] = [];
  for (const { name, checksum, at } of await unwrittenMigrations(client))
    changes.push({
      actor: "contrail",
      subject: "database",
      what: `migrated ${name}`,
      cause: `needed by version ${start.version}; applied ${at.toISOString()}, SHA-256 of its text ${checksum}`,
    });
  const last = await lastOfServer(client);
  const before =
    last === undefined
      ? "the first start on this database"
      : last === "stopped"
        ? "the one before had stopped in good order"
        : "the one before ended without a word: it crashed or was killed";
  changes.push({
    actor: "contrail",
    subject: "server",
    what: "started",
    cause: `version ${start.version}, ${start.slots.length} slots (${start.slots.join(" ")}), PostgreSQL ${start.postgres}; ${before}`,
  });
  for (const { id, adopted } of start.runners)
    changes.push({
      actor: "contrail",
      subject: `runner ${id}`,
      what: adopted ? "adopted" : "started",
      cause: adopted ? "it ran already" : "there was none",
    });
  return changes;
}

/** Compared with the log rather than remembered: a crash between the migration and its entry loses nothing. */
async function unwrittenMigrations(
  client: pg.ClientBase,
): Promise<{ name: string; checksum: string; at: Date }[]> {
  const { rows } = await client.query<{ name: string; checksum: string; at: Date }>(
    `select m.name, m.checksum, m.applied_at as at from schema_migrations m
     where not exists (select 1 from changes c
       where c.experiment_id is null and c.subject = 'database' and c.what = 'migrated ' || m.name)
     order by m.number`,
  );
  return rows;
}

async function lastOfServer(client: pg.ClientBase): Promise<string | undefined> {
  const { rows } = await client.query<{ what: string }>(
    `select what from changes
     where experiment_id is null and subject = 'server' and what in ('started', 'stopped')
     order by seq desc limit 1`,
  );
  return rows[0]?.what;
}

export const stopAsked = (actor: string, trials: "stop" | "keep"): OtherChange => ({
  actor,
  subject: "server",
  what: "stop asked",
  cause: `over HTTP; trials: ${trials}`,
});

export function stopped(world: World, trials: "stop" | "keep", why: string): OtherChange {
  const left = [...world.holders.values()].filter(
    ({ experiment }) => trials === "keep" || outlivesServer(world, experiment),
  );
  const count = new Set(left.map((h) => `${h.experiment}.${h.trial}`)).size;
  const running =
    trials === "keep"
      ? `${count} trials go on under the runner`
      : `trials were told to save and go, and the runner was ended${count === 0 ? "" : `; ${count} in jobs of their engines go on`}`;
  return { actor: "contrail", subject: "server", what: "stopped", cause: `${why}; ${running}` };
}
