import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { MigrationError, migrate, readMigrations } from "./migrate.ts";
import { dumpSchema } from "./schema-dump.ts";
import { withTestDatabase } from "./test-database.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-migrate-test-"));
after(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(root, `${folders++}-`));
  for (const [name, sql] of Object.entries(files)) writeFileSync(join(folder, name), sql);
  return folder;
}

const empty = () => withTestDatabase({ migrations: null });
const two = {
  "0001-things.sql":
    "create table thing (id int primary key, name text);\ninsert into thing values (1, 'a;b');",
  "0002-count.sql": `create function count_things() returns bigint language plpgsql as $$
begin
  return (select count(*) from thing);
end;
$$;
insert into thing values (2, 'second');`,
};

test("applies what is missing, in order, once", async () => {
  await using database = await empty();
  const first = folderWith({ "0001-things.sql": two["0001-things.sql"] });
  assert.deepEqual(await migrate(database.pool, { folder: first }), ["0001-things.sql"]);
  const both = folderWith(two);
  assert.deepEqual(await migrate(database.pool, { folder: both }), ["0002-count.sql"]);
  assert.deepEqual(await migrate(database.pool, { folder: both }), []);
  assert.deepEqual((await database.pool.query("select count_things() as n")).rows, [{ n: 2 }]);
});

test("several servers that start at once apply each step once", async () => {
  await using database = await empty();
  const folder = folderWith(two);
  const applied = await Promise.all([1, 2, 3, 4].map(() => migrate(database.pool, { folder })));
  assert.deepEqual(applied.flat().sort(), Object.keys(two));
  assert.deepEqual((await database.pool.query("select count(*)::int as n from thing")).rows, [
    { n: 2 },
  ]);
});

test("killed in the middle of a step: the next start does that step whole", async () => {
  await using database = await empty();
  const folder = folderWith({
    ...two,
    // It takes a row lock that this test holds, so the step is certainly unfinished when it is killed.
    "0003-slow.sql":
      "insert into thing values (3, 'third');\nselect * from thing where id = 1 for update;",
  });
  const before = folderWith(two);
  await migrate(database.pool, { folder: before });
  const blocker = await database.pool.connect();
  await blocker.query("begin");
  await blocker.query("select * from thing where id = 1 for update");
  const code = `import pg from "pg";
    import { migrate } from ${JSON.stringify(new URL("./migrate.ts", import.meta.url).href)};
    const pool = new pg.Pool({ connectionString: ${JSON.stringify(database.url)} });
    await migrate(pool, { folder: ${JSON.stringify(folder)} });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    cwd: import.meta.dirname,
    stdio: "inherit",
  });
  for (;;) {
    const { rows } = await database.pool.query(
      "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    if (rows.length > 0) break;
  }
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  await blocker.query("commit");
  blocker.release();
  assert.deepEqual(await migrate(database.pool, { folder }), ["0003-slow.sql"]);
  assert.deepEqual((await database.pool.query("select count(*)::int as n from thing")).rows, [
    { n: 3 },
  ]);
});

test("a step that fails leaves nothing behind and says where", async () => {
  await using database = await empty();
  const folder = folderWith({
    ...two,
    "0003-wrong.sql": "create table half (id int);\n\nselect nonsense;",
  });
  await assert.rejects(migrate(database.pool, { folder }), (error: unknown) => {
    assert(error instanceof MigrationError);
    assert.match(
      error.message,
      /^migration_failed: 0003-wrong\.sql at line 3: column "nonsense" does not exist/,
    );
    return true;
  });
  const { rows } = await database.pool.query(
    "select to_regclass('half') as half, count(*)::int as n from schema_migrations",
  );
  assert.deepEqual(rows, [{ half: null, n: 2 }]);
});

test("a newer database and a changed old file are refused before anything happens", async () => {
  await using database = await empty();
  await migrate(database.pool, { folder: folderWith(two) });
  const older = folderWith({ "0001-things.sql": two["0001-things.sql"] });
  await assert.rejects(migrate(database.pool, { folder: older }), { code: "newer_schema" });
  const changed = folderWith({
    "0001-things.sql": `${two["0001-things.sql"]} -- harmless?`,
    "0002-count.sql": two["0002-count.sql"],
    "0003-more.sql": "create table more (id int);",
  });
  await assert.rejects(migrate(database.pool, { folder: changed }), (error: MigrationError) => {
    assert.equal(error.code, "changed");
    assert.match(
      error.message,
      /made by another build of Contrail .*0001-things\.sql.* --data-dir/,
    );
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
  assert.deepEqual((await database.pool.query("select to_regclass('more') as more")).rows, [
    { more: null },
  ]);
  const otherLineEnds = folderWith(
    Object.fromEntries(
      Object.entries(two).map(([name, sql]) => [name, sql.replaceAll("\n", "\r\n")]),
    ),
  );
  assert.deepEqual(await migrate(database.pool, { folder: otherLineEnds }), []);
});

test("every fault of a folder is named at once", async () => {
  const folder = folderWith({ "0001-a.sql": "commit;", "0003-b.sql": "", "4-c.sql": "" });
  await assert.rejects(readMigrations(folder), (error: unknown) => {
    assert(error instanceof MigrationError);
    assert.match(error.message, /0001-a\.sql: must not begin or end transactions/);
    assert.match(error.message, /0003-b\.sql: expected number 2/);
    assert.match(error.message, /4-c\.sql: the name must look like/);
    return true;
  });
});

test("the dump shows everything that the schema holds, in one order", async () => {
  const statements = [
    "create type mood as enum ('good', 'bad');",
    `create table parent (
      id bigint generated always as identity primary key,
      name text collate "C" not null default 'x' check (length(name) < 10),
      mood mood, made timestamptz not null default now(), doubled int generated always as (3 * 2) stored, unique (name, mood)
    );`,
    "create table child (parent_id bigint not null references parent (id) on delete cascade, value float8[]);",
    "create index child_value on child (parent_id desc) include (value) where value is not null;",
    "create view names as select name from parent;",
    "comment on table parent is 'who\nhas children';",
  ];
  await using one = await empty();
  await migrate(one.pool, { folder: folderWith({ "0001-all.sql": statements.join("\n") }) });
  const dump = await dumpSchema(one.pool);
  for (const expected of [
    "table child",
    "  parent_id bigint not null",
    "  value double precision[]",
    "  constraint child_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES parent(id) ON DELETE CASCADE",
    "  CREATE INDEX child_value ON public.child USING btree (parent_id DESC) INCLUDE (value) WHERE (value IS NOT NULL)",
    "view names",
    "table parent -- who has children",
    "  id bigint not null generated always as identity",
    "  name text collate C not null default 'x'::text",
    "  doubled integer generated always as ((3 * 2)) stored",
    "  constraint parent_pkey PRIMARY KEY (id)",
    "  constraint parent_name_mood_key UNIQUE (name, mood)",
    "  constraint parent_name_check CHECK (length(name) < 10)",
    "type mood enum ('good', 'bad')",
  ]) {
    assert.equal(dump.split("\n").includes(expected), true, `${expected}\nis not in\n${dump}`);
  }
  await using other = await empty();
  const text = (...order: number[]) => order.map((at) => statements[at]).join("\n");
  const reordered = { "0001-first.sql": text(0, 1), "0002-rest.sql": text(5, 4, 2, 3) };
  await migrate(other.pool, { folder: folderWith(reordered) });
  assert.equal(await dumpSchema(other.pool), dump);
});
