/** Templates and defaults of workspaces: versions counted from 1, of which the latest that was not removed holds. */
import type { Queryable } from "./audit-reads.ts";

export type KeptKind = "template" | "workspace";

export interface LayerRow {
  kind: KeptKind;
  name: string;
  version: number;
  config_text: string;
  created_by: string;
  created_at: Date;
  removed_at: Date | null;
  removed_by: string | null;
}

const SELECT = `select l.kind, l.name, l.version, l.config_text, u.name as created_by, l.created_at,
    l.removed_at, l.removed_by
  from layers l join users u on u.id = l.created_by`;

export interface LayerReference {
  readonly kind: KeptKind;
  readonly name: string;
  /** Left out: the one that holds. */
  readonly version?: number | undefined;
}

/** Also a removed one, where its number is given. */
export async function findLayer(
  db: Queryable,
  { kind, name, version }: LayerReference,
): Promise<LayerRow | undefined> {
  const { rows } = await db.query<LayerRow>(
    `${SELECT} where l.kind = $1 and l.name = $2
       and case when $3::int is null then l.removed_at is null else l.version = $3 end
     order by l.version desc limit 1`,
    [kind, name, version ?? null],
  );
  return rows[0];
}

/** Names of which something holds. */
export async function layerNames(db: Queryable, kind: KeptKind): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    "select distinct name from layers where kind = $1 and removed_at is null order by name",
    [kind],
  );
  return rows.map(({ name }) => name);
}

/** The only writer of the chain calls this, one at a time. */
export async function addLayer(
  db: Queryable,
  entry: Pick<LayerRow, "kind" | "name" | "config_text" | "created_at"> & { userId: number },
): Promise<LayerRow> {
  const { rows } = await db.query<{ version: number }>(
    `insert into layers (kind, name, version, config_text, created_by, created_at)
     select $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5
     from layers where kind = $1 and name = $2 returning version`,
    [entry.kind, entry.name, entry.config_text, entry.userId, entry.created_at],
  );
  const { kind, name } = entry;
  const row = await findLayer(db, { kind, name, version: rows[0]?.version });
  if (row === undefined) throw new Error(`${kind} ${name} was written and is not there`);
  return row;
}

/** Takes all versions of a name away; they can still be shown. @returns their numbers, none where nothing held */
export async function removeLayers(
  db: Queryable,
  { kind, name }: LayerReference,
  { by, at }: { readonly by: string; readonly at: Date },
): Promise<number[]> {
  const { rows } = await db.query<{ version: number }>(
    `update layers set removed_at = $3, removed_by = $4
     where kind = $1 and name = $2 and removed_at is null returning version`,
    [kind, name, at, by],
  );
  return rows.map(({ version }) => version).toSorted((a, b) => a - b);
}

/** What holds, by name; of one name every version, the newest first. */
export async function listLayers(
  db: Queryable,
  page: {
    readonly kind: KeptKind;
    readonly name?: string | undefined;
    readonly after?: { readonly name: string; readonly version: number } | undefined;
    readonly limit: number;
  },
): Promise<LayerRow[]> {
  const { rows } = await db.query<LayerRow>(
    `${SELECT} where l.kind = $1
       and case when $2::text is not null then l.name = $2
         else l.removed_at is null and not exists (select from layers newer
           where newer.kind = l.kind and newer.name = l.name and newer.version > l.version) end
       and ($3::text is null or l.name > $3 or (l.name = $3 and l.version < $4::int))
     order by l.name, l.version desc limit $5`,
    [
      page.kind,
      page.name ?? null,
      page.after?.name ?? null,
      page.after?.version ?? null,
      page.limit,
    ],
  );
  return rows;
}
