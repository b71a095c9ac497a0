import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { DatabaseError, float8, json, openDatabase } from "./database.ts";
import { silentLog } from "./log.ts";
import { withTestDatabase } from "./test-database.ts";
import { isUniqueViolation } from "./transaction.ts";

interface Tables {
  account: { id: number; balance: number };
}

const empty = () => withTestDatabase<Tables>({ migrations: null });

test("numbers come back as they went in: NaN, infinities, minus zero, the smallest, one by one and in arrays", async () => {
  await using database = await empty();
  const values = [
    Number.NaN,
    Infinity,
    -Infinity,
    -0,
    0,
    5e-324,
    0.1 + 0.2,
    1.7976931348623157e308,
    -1e-7,
  ];
  await database.pool.query("create table measured (at int, value float8)");
  await database.pool.query("insert into measured select * from unnest($1::int[], $2::float8[])", [
    values.map((_, index) => index),
    values.map(float8),
  ]);
  const { rows } = await database.pool.query<{ value: number }>(
    "select value from measured order by at",
  );
  assert.deepEqual(
    rows.map((row) => row.value),
    values,
  );
  for (const value of values) {
    const single = await database.pool.query<{ value: number }>("select $1::float8 as value", [
      float8(value),
    ]);
    assert.equal(Object.is(single.rows[0]?.value, value), true, `${value}`);
  }
});

test("int8 is a number when that is exact, and an error when it is not; numeric stays text", async () => {
  await using database = await empty();
  const { rows } = await database.pool.query(
    "select 9007199254740991::int8 as large, array[1, null, -2]::int8[] as list, null::int8 as nothing, 1.10::numeric as exact",
  );
  assert.deepEqual(rows, [
    { large: 9007199254740991, list: [1, null, -2], nothing: null, exact: "1.10" },
  ]);
  await assert.rejects(
    database.pool.query("select 9007199254740993::int8 as v"),
    /9007199254740993.*select it as text/,
  );
  assert.deepEqual((await database.pool.query("select 1 as still")).rows, [{ still: 1 }]);
});

test("json() carries every JSON value through jsonb, arrays and strings too", async () => {
  await using database = await empty();
  for (const value of [{ a: [1, "ü\n"] }, [1, 2], "text", 3, null, true, []]) {
    const { rows } = await database.pool.query("select $1::jsonb as value", [json(value)]);
    assert.deepEqual(rows, [{ value }]);
  }
  assert.throws(() => json(undefined), TypeError);
});

test("readers cannot write, and are cut off when they take too long", async () => {
  await using database = await empty();
  await database.pool.query("create table account (id int primary key, balance int not null)");
  await assert.rejects(database.readPool.query("insert into account values (1, 1)"), {
    code: "25006",
  });
  const impatient = await openDatabase({ url: database.url, log: silentLog, readTimeoutMs: 50 });
  await assert.rejects(impatient.readPool.query("select pg_sleep(30)"), { code: "57014" });
  await impatient.close();
});

test("a transaction is all or nothing, for kysely and for SQL by hand", async () => {
  await using database = await empty();
  await database.pool.query("create table account (id int primary key, balance int not null)");
  await assert.rejects(
    database.transact(async ({ client, db }) => {
      await client.query("insert into account values (1, 10)");
      await db.insertInto("account").values({ id: 2, balance: 20 }).execute();
      throw new Error("changed my mind");
    }),
    /changed my mind/,
  );
  assert.deepEqual(await database.db.selectFrom("account").selectAll().execute(), []);
  const sum = await database.transact(async ({ client, db }) => {
    await client.query("insert into account values (1, 10)");
    await db.insertInto("account").values({ id: 2, balance: 20 }).execute();
    return (await sql<{ sum: number }>`select sum(balance)::int8 as sum from account`.execute(db))
      .rows[0]?.sum;
  });
  assert.equal(sum, 30);
  assert.equal((await database.readDb.selectFrom("account").selectAll().execute()).length, 2);
});

test("transactions that collide run again until each has counted", async () => {
  await using database = await empty();
  await database.pool.query("create table account (id int primary key, balance int not null)");
  await database.pool.query("insert into account values (1, 0), (2, 0)");
  const transactions = 4;
  let runs = 0;
  // The first run of each waits until all of them have read: then only one of them can be committed.
  const allHaveRead = Promise.withResolvers<void>();
  const increment = (first: number, second: number) =>
    database.transact(
      async ({ client }) => {
        const run = ++runs;
        for (const id of [first, second]) {
          const { rows } = await client.query<{ balance: number }>(
            "select balance from account where id = $1",
            [id],
          );
          if (run === transactions) allHaveRead.resolve();
          await allHaveRead.promise;
          await client.query("update account set balance = $2 where id = $1", [
            id,
            rows[0]!.balance + 1,
          ]);
        }
      },
      { isolation: "serializable", attemptsMax: 50 },
    );
  await Promise.all(
    Array.from({ length: transactions }, (_, at) =>
      at % 2 === 0 ? increment(1, 2) : increment(2, 1),
    ),
  );
  const { rows } = await database.pool.query("select id, balance from account order by id");
  assert.deepEqual(rows, [
    { id: 1, balance: 4 },
    { id: 2, balance: 4 },
  ]);
  assert.equal(runs > transactions, true, "at least one of them had to run again");
});

test("a swallowed failure is not reported as a commit", async () => {
  await using database = await empty();
  await database.pool.query("create table account (id int primary key, balance int not null)");
  await assert.rejects(
    database.transact(async ({ client }) => {
      await client.query("insert into account values (1, 1)");
      await client.query("insert into account values (1, 1)").catch((error: unknown) => {
        assert.equal(isUniqueViolation(error, "account_pkey"), true);
        assert.equal(isUniqueViolation(error, "another"), false);
      });
    }),
    /was not committed/,
  );
});

test("a lost connection fails its transaction and leaves the pools usable", async () => {
  await using database = await empty();
  await assert.rejects(
    database.transact(async ({ client }) => {
      const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
      await database.pool.query("select pg_terminate_backend($1)", [rows[0]!.pid]);
      await client.query("select 1");
    }),
  );
  assert.deepEqual((await database.pool.query("select 1 as one")).rows, [{ one: 1 }]);
});

test("an unusable DATABASE_URL is explained without showing its password", async () => {
  for (const [url, code] of [
    ["mysql://root:secret@localhost/x", "invalid_url"],
    ["postgresql://me:secret@127.0.0.1:1/none", "unreachable"],
  ] as const) {
    await assert.rejects(openDatabase({ url, log: silentLog }), (error: unknown) => {
      assert(error instanceof DatabaseError);
      assert.equal(error.code, code);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
  await using database = await empty();
  const other = new URL(database.url);
  other.pathname = "/does_not_exist";
  await assert.rejects(
    openDatabase({ url: other.href, log: silentLog }),
    /Create the database first/,
  );
});
