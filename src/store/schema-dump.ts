/**
 * The schema as text: what the migrations add up to, read back from PostgreSQL's own catalogue, so that a
 * review sees the result and a test can hold the code to it. The npm package has no pg_dump, and pg_dump's
 * output changes with its version; this one has a fixed order and only what we use. Anything in the
 * schema that it has no section for (a materialized view, a rule …) is listed under "others", never hidden.
 */
import type pg from "pg";

/** Where the committed dump lies, beside this file. */
export const dumpFile = new URL("./schema.dump.txt", import.meta.url);

const relations = `
  select c.oid, c.relname as name, c.relkind as kind,
         case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid, true) end as definition,
         case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end as partition_key,
         case when c.relispartition then
           (select p.relname from pg_inherits i join pg_class p on p.oid = i.inhparent where i.inhrelid = c.oid)
           || ' ' || pg_get_expr(c.relpartbound, c.oid) end as partition_of,
         array_to_string(c.reloptions, ', ') as options,
         c.relpersistence = 'u' as unlogged,
         obj_description(c.oid, 'pg_class') as comment
  from pg_class c
  where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
  order by c.relname collate "C"`;

const columns = `
  select a.attrelid as oid, a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
         pg_get_expr(d.adbin, d.adrelid) as value, a.attgenerated as generated, a.attidentity as identity,
         case when a.attcollation <> t.typcollation then
           (select collname from pg_collation where oid = a.attcollation) end as collation,
         col_description(a.attrelid, a.attnum) as comment
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid
  join pg_type t on t.oid = a.atttypid
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped
  order by a.attrelid, a.attnum`;

// Since 18 a NOT NULL is a constraint too ('n'); the column says it already.
const constraints = `
  select conrelid as oid, conname as name, contype as kind, pg_get_constraintdef(oid, true) as definition
  from pg_constraint
  where connamespace = $1::regnamespace and conrelid <> 0 and contype in ('p', 'u', 'f', 'c', 'x')
  order by position(contype::text in 'pufcx'), conname collate "C"`;

const indexes = `
  select i.indrelid as oid, pg_get_indexdef(i.indexrelid) as definition
  from pg_index i
  join pg_class c on c.oid = i.indexrelid
  where c.relnamespace = $1::regnamespace
    and not exists (select 1 from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
  order by c.relname collate "C"`;

const triggers = `
  select tgrelid as oid, pg_get_triggerdef(t.oid, true) as definition
  from pg_trigger t
  join pg_class c on c.oid = t.tgrelid
  where c.relnamespace = $1::regnamespace and not tgisinternal
  order by tgname collate "C"`;

const types = `
  select t.typname as name,
         case t.typtype
           when 'e' then 'enum (' || (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
                                      from pg_enum e where e.enumtypid = t.oid) || ')'
           when 'd' then 'domain ' || format_type(t.typbasetype, t.typtypmod) ||
             coalesce((select string_agg(' ' || pg_get_constraintdef(k.oid, true), '' order by k.conname collate "C")
                       from pg_constraint k where k.contypid = t.oid and k.contype = 'c'), '')
           else 'composite' end as definition
  from pg_type t
  where t.typnamespace = $1::regnamespace
    and (t.typtype in ('e', 'd') or (t.typtype = 'c' and (select relkind from pg_class where oid = t.typrelid) = 'c'))
  order by t.typname collate "C"`;

const functions = `
  select pg_get_functiondef(p.oid) as definition
  from pg_proc p
  where p.pronamespace = $1::regnamespace and p.prokind in ('f', 'p')
    and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')
  order by p.proname collate "C", pg_get_function_identity_arguments(p.oid) collate "C"`;

// Sequences of identity and serial columns show in their columns.
const others = `
  select name from (
  select 'sequence ' || c.relname as name
  from pg_class c
  where c.relnamespace = $1::regnamespace and c.relkind = 'S'
    and not exists (select 1 from pg_depend d where d.objid = c.oid and d.deptype in ('a', 'i'))
  union all
  select 'extension ' || extname from pg_extension where extname <> 'plpgsql'
  union all
  select 'rule ' || r.rulename || ' on ' || c.relname
  from pg_rewrite r join pg_class c on c.oid = r.ev_class
  where c.relnamespace = $1::regnamespace and r.rulename <> '_RETURN'
  union all
  select 'policy ' || p.polname || ' on ' || c.relname
  from pg_policy p join pg_class c on c.oid = p.polrelid
  where c.relnamespace = $1::regnamespace
  union all
  select 'schema ' || nspname from pg_namespace
  where nspname::text <> $1::text and nspname <> 'information_schema' and nspname !~ '^pg_'
  ) as other
  order by name collate "C"`;

type Row = Record<string, string | number | boolean | null>;
const kinds: Record<string, string> = {
  r: "table",
  p: "partitioned table",
  v: "view",
  m: "materialized view",
  f: "foreign table",
};

/** @returns the same text for the same schema, whatever the order in which it came to be (columns excepted) */
export async function dumpSchema(
  pool: pg.Pool | pg.ClientBase,
  schema = "public",
): Promise<string> {
  const read = async (sql: string): Promise<Row[]> => (await pool.query<Row>(sql, [schema])).rows;
  const [tables, allColumns, allConstraints, allIndexes, allTriggers] = [
    await read(relations),
    await read(columns),
    await read(constraints),
    await read(indexes),
    await read(triggers),
  ];
  const sections = tables.map((table) => {
    const own = (rows: readonly Row[]) => rows.filter((row) => row.oid === table.oid);
    return [
      relationLine(table),
      ...own(allColumns).map((column) => `  ${columnLine(column)}`),
      ...own(allConstraints).map((c) => `  constraint ${c.name} ${c.definition}`),
      ...own(allIndexes).map((index) => `  ${index.definition}`),
      ...own(allTriggers).map((trigger) => `  ${trigger.definition}`),
      ...(table.definition === null ? [] : [indent(String(table.definition))]),
    ].join("\n");
  });
  const typeLines = (await read(types)).map((type) => `type ${type.name} ${type.definition}`);
  const functionTexts = (await read(functions)).map((row) => String(row.definition).trimEnd());
  const otherLines = (await read(others)).map((row) => `others: ${row.name}`);
  const head =
    "The schema that the migrations add up to. Made by `npm run generate`; not to be edited by hand.";
  return `${[head, ...sections, ...typeLines, ...functionTexts, ...otherLines].join("\n\n")}\n`;
}

function relationLine(table: Row): string {
  return [
    table.unlogged === true ? "unlogged" : undefined,
    kinds[String(table.kind)],
    table.name,
    table.partition_key === null ? undefined : `partition by ${table.partition_key}`,
    table.partition_of === null ? undefined : `partition of ${table.partition_of}`,
    table.options === null ? undefined : `with (${table.options})`,
    table.comment === null ? undefined : `-- ${oneLine(table.comment)}`,
  ]
    .filter((part) => part !== undefined)
    .join(" ");
}

function columnLine(column: Row): string {
  const identity = { a: "generated always as identity", d: "generated by default as identity" }[
    String(column.identity)
  ];
  const value =
    column.value === null
      ? undefined
      : column.generated === "s"
        ? `generated always as (${column.value}) stored`
        : column.generated === "v"
          ? `generated always as (${column.value}) virtual`
          : `default ${column.value}`;
  return [
    column.name,
    column.type,
    column.collation === null ? undefined : `collate ${column.collation}`,
    column.required === true ? "not null" : undefined,
    identity,
    value,
    column.comment === null ? undefined : `-- ${oneLine(column.comment)}`,
  ]
    .filter((part) => part !== undefined)
    .join(" ");
}

const oneLine = (text: unknown): string => String(text).replaceAll(/\s+/g, " ");
const indent = (text: string): string => text.replaceAll(/^/gm, "  ");
