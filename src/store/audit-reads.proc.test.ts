/** Whatever is changed in a stored log, verification names the place (row of the same name in docs/audit.md). */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import { listAudit, type Queryable, readAudit, verifyChanges } from "./audit-reads.ts";
import type { Database } from "./schema.ts";
import { withTestDatabase } from "./test-database.ts";
import type { TestDatabase } from "./test-scratch-database.ts";
import { CHAIN_START, type ChainTip, WriteBatch } from "./write-batch.ts";

const ROWS = 30;
let database: TestDatabase<Database>;
let client: pg.Client;
let tip: ChainTip = CHAIN_START;

/** Runs statements in a transaction that is taken back, and verifies inside. */
async function tampered(...statements: readonly (string | readonly [string, unknown[]])[]) {
  await client.query("begin");
  try {
    for (const statement of statements)
      if (typeof statement === "string") await client.query(statement);
      else await client.query(statement[0], statement[1]);
    return await verifyChanges(client, { start: CHAIN_START });
  } finally {
    await client.query("rollback");
  }
}

/** One byte of one column of one row, and the row with the value that it has then. */
const FLIPS: Readonly<Record<string, { readonly bytes: string; readonly back: string }>> = {
  seq: { bytes: "int8send(seq)", back: "('x' || encode($2::bytea, 'hex'))::bit(64)::int8" },
  at: {
    bytes: "int8send((extract(epoch from at) * 1000000)::int8)",
    back: "'1970-01-01 00:00:00Z'::timestamptz + ('x' || encode($2::bytea, 'hex'))::bit(64)::int8 * interval '1 microsecond'",
  },
  actor: { bytes: "convert_to(actor, 'UTF8')", back: "convert_from($2::bytea, 'UTF8')" },
  experiment_id: {
    bytes: "int4send(experiment_id)",
    back: "('x' || encode($2::bytea, 'hex'))::bit(32)::int4",
  },
  subject: { bytes: "convert_to(subject, 'UTF8')", back: "convert_from($2::bytea, 'UTF8')" },
  what: { bytes: "convert_to(what, 'UTF8')", back: "convert_from($2::bytea, 'UTF8')" },
  cause: { bytes: "convert_to(cause, 'UTF8')", back: "convert_from($2::bytea, 'UTF8')" },
  hash: { bytes: "hash", back: "$2::bytea" },
};

/** What the database itself refuses: no text, no time, a number that is taken. */
const REFUSED = /^(22021|22P05|22008|22003|23505)$/;

/** In a full run every bit, otherwise one bit of every byte. */
const BITS = process.env.INPUTS === "full" ? [0, 1, 2, 3, 4, 5, 6, 7] : undefined;
const taken = { bytes: 0, flips: 0, refused: 0 };

async function bytesOf(column: string, row: number): Promise<Buffer> {
  const { rows } = await client.query<{ value: Buffer | null }>(
    `select ${FLIPS[column]?.bytes} as value from changes where seq = $1`,
    [row],
  );
  return rows[0]?.value ?? Buffer.alloc(0);
}

/** @returns the verdict, or undefined where the database does not take the value */
async function withValue(column: string, row: number, value: Buffer) {
  try {
    return await tampered([
      `update changes set ${column} = ${FLIPS[column]?.back} where seq = $1`,
      [row, value],
    ]);
  } catch (error) {
    assert.match(String((error as { code?: string }).code), REFUSED, String(error));
    return undefined;
  }
}

// One group, so that the database is dropped before its server is stopped.
describe("audit", () => {
  before(async () => {
    database = await withTestDatabase<Database>();
    client = new pg.Client(database.url);
    await client.connect();
    // Several batches: the chain goes across them.
    for (let first = 1; first <= ROWS; first += 7) {
      const batch = new WriteBatch();
      for (let i = first; i < Math.min(first + 7, ROWS + 1); i++)
        batch.change({
          at: new Date(Date.UTC(2026, 0, 1, 0, 0, i, (i * 37) % 1000)),
          actor: ["ada", "search", "scheduler", "zoë 🛩"][i % 4] as string,
          experimentId: i % 5 === 0 ? null : 1 + (i % 3),
          subject: `trial ${1 + (i % 3)}.${i}`,
          what: i % 2 === 0 ? "granted cpu:0" : "paused",
          cause: `cause "${i}" with \u2028 and \\ and ${"x".repeat(i)}`,
        });
      await client.query("begin");
      tip = await batch.flush(client, tip);
      await client.query("commit");
    }
  });
  after(async () => {
    await client?.end();
    await database?.drop();
  });

  describe("the log of changes", () => {
    test("as it was written it fits, from any place and in pieces of any size", async () => {
      const all = await verifyChanges(database.readPool, { start: CHAIN_START });
      assert.deepEqual(all, { checked: ROWS, last: tip, complete: true, misfit: null });
      for (const limit of [1, 4, ROWS, ROWS + 1]) {
        let at = { last: CHAIN_START, complete: false, checked: 0 };
        let total = 0;
        while (!at.complete) {
          at = await verifyChanges(database.readPool, { start: at.last, limit });
          total += at.checked;
        }
        assert.deepEqual({ total, last: at.last }, { total: ROWS, last: tip });
      }
    });

    for (const column of Object.keys(FLIPS))
      test(`every byte of ${column} of every row, flipped, is named`, async () => {
        let found = 0;
        for (let row = 1; row <= ROWS; row++) {
          const original = await bytesOf(column, row);
          assert.ok(original.length > 0 || (column === "experiment_id" && row % 5 === 0));
          taken.bytes += original.length;
          for (let at = 0; at < original.length; at++)
            for (const bit of BITS ?? [(at + row) % 8]) {
              const value = Buffer.from(original);
              value[at] = (value[at] as number) ^ (1 << bit);
              const verdict = await withValue(column, row, value);
              taken.flips += 1;
              if (verdict === undefined) {
                taken.refused += 1;
                continue;
              }
              const where = `${column} of row ${row}, byte ${at}, bit ${bit}`;
              assert.ok(verdict.misfit, where);
              // A number that was changed leaves a gap at its place, or stands where another should.
              if (column === "seq")
                assert.ok(verdict.misfit.seq === row || verdict.misfit.seq === 1, where);
              else
                assert.deepEqual([verdict.misfit.seq, verdict.misfit.kind], [row, "hash"], where);
              assert.equal(verdict.checked, verdict.misfit.seq - 1, where);
              found += 1;
            }
        }
        assert.ok(found >= 2 * ROWS, `${found} flips were taken by the database`);
      });

    test("so that no byte of the whole log is left out", async (t) => {
      const { rows } = await client.query<{ column_name: string }>(
        "select column_name from information_schema.columns where table_name = 'changes' and table_schema = current_schema()",
      );
      assert.deepEqual(rows.map((row) => row.column_name).sort(), Object.keys(FLIPS).sort());
      t.diagnostic(
        `log: ${ROWS} rows, ${taken.bytes} bytes, ${taken.flips} flipped: ${taken.flips - taken.refused} named at their row, ${taken.refused} refused by the database as no such value, 0 missed`,
      );
    });

    test("a value that was taken away, or put where there was none", async () => {
      const none = await tampered("update changes set experiment_id = null where seq = 8");
      assert.deepEqual([none.misfit?.seq, none.misfit?.kind], [8, "hash"]);
      const some = await tampered("update changes set experiment_id = 1 where seq = 10");
      assert.deepEqual([some.misfit?.seq, some.misfit?.kind], [10, "hash"]);
      for (const at of ["infinity", "-infinity", "2026-01-01 00:00:08.296 BC", "294000-01-01"]) {
        const verdict = await tampered([
          "update changes set at = $1::timestamptz where seq = 8",
          [at],
        ]);
        assert.deepEqual([verdict.misfit?.seq, verdict.misfit?.kind], [8, "hash"], at);
      }
      const micro = await tampered(
        "update changes set at = at + interval '1 microsecond' where seq = 8",
      );
      assert.equal(micro.misfit?.seq, 8);
    });

    test("a row that was deleted: the next one is named where it should be", async () => {
      for (let row = 1; row < ROWS; row++) {
        const { misfit } = await tampered(`delete from changes where seq = ${row}`);
        assert.deepEqual(
          [misfit?.kind, misfit?.seq, misfit?.found],
          ["sequence", row, `event ${row + 1}`],
        );
      }
      const closed = await tampered(
        "delete from changes where seq = 11",
        "update changes set seq = seq - 1 where seq = 12",
        "delete from changes where seq > 12",
      );
      assert.deepEqual([closed.misfit?.kind, closed.misfit?.seq], ["hash", 11]);
    });

    test("any two rows that were exchanged", async (t) => {
      let pairs = 0;
      for (let a = 1; a < ROWS; a++)
        for (let b = a + 1; b <= ROWS; b++) {
          const { misfit } = await tampered(
            `update changes set seq = -1 where seq = ${a}`,
            `update changes set seq = ${a} where seq = ${b}`,
            `update changes set seq = ${b} where seq = -1`,
          );
          assert.deepEqual([misfit?.kind, misfit?.seq], ["hash", a]);
          pairs += 1;
        }
      t.diagnostic(`log: ${pairs} exchanges of two rows, each named at the first of them`);
    });

    test("a row that was put in, anywhere: before the first, in between, at the end", async (t) => {
      const put = (seq: number) =>
        `insert into changes select ${seq}, at, actor, experiment_id, subject, what, cause, hash
       from changes where seq = 12`;
      for (const seq of [0, -7]) {
        const { misfit } = await tampered(put(seq));
        assert.deepEqual([misfit?.kind, misfit?.seq], ["sequence", 1]);
      }
      for (let place = 1; place <= ROWS + 1; place++) {
        // The primary key is checked row by row, so the others make room by way of numbers below zero.
        const { misfit } = await tampered(
          `update changes set seq = -seq where seq >= ${place}`,
          `update changes set seq = 1 - seq where seq < 0`,
          `insert into changes select ${place}, at, actor, experiment_id, subject, what, cause, hash
           from changes where seq = ${place > 12 ? 12 : 13}`,
        );
        // Its own copy right behind row 12 does not fit either; in its own place it does, and row 13 is then twice there.
        const named = place === 12 ? 13 : place;
        assert.deepEqual([misfit?.kind, misfit?.seq], ["hash", named], `at ${place}`);
      }
      t.diagnostic(`log: a row put in at each of ${ROWS + 1} places, each named`);
    });

    test("an end that was cut off is known only to whoever noted it", async () => {
      const noted = { seq: ROWS, hash: tip.hash.toString("hex"), noted: "by the caller" } as const;
      const verify = (db: Queryable, anchor = noted) =>
        verifyChanges(db, { start: CHAIN_START, anchors: [anchor] });
      assert.equal((await verify(client)).misfit, null);
      for (let left = 0; left < ROWS; left++) {
        await client.query("begin");
        await client.query(`delete from changes where seq > ${left}`);
        assert.equal((await verifyChanges(client, { start: CHAIN_START })).misfit, null);
        const cut = (await verify(client)).misfit;
        assert.deepEqual([cut?.kind, cut?.seq], ["truncated", left + 1]);
        await client.query("rollback");
      }
    });

    test("a chain that was computed anew is known only to whoever noted its hash", async () => {
      const noted = { seq: 20, hash: "", noted: "by the caller" as const };
      noted.hash = (await readAudit(client, 20))?.hash as string;
      await client.query("begin");
      const rows = await listAudit(client, { order: "oldest", limit: ROWS });
      await client.query("delete from changes");
      const forged = new WriteBatch();
      for (const row of rows)
        forged.change({
          ...row,
          at: new Date(row.at),
          actor: row.seq === "9" ? "eve" : row.actor,
        });
      await forged.flush(client, CHAIN_START);
      assert.equal((await verifyChanges(client, { start: CHAIN_START })).misfit, null);
      const { misfit } = await verifyChanges(client, { start: CHAIN_START, anchors: [noted] });
      assert.deepEqual([misfit?.kind, misfit?.seq], ["anchor", 20]);
      await client.query("rollback");
    });
  });

  describe("pages of the log", () => {
    const seqs = async (filter: Partial<Parameters<typeof listAudit>[1]>): Promise<number[]> =>
      (await listAudit(database.readPool, { order: "oldest", limit: 100, ...filter })).map((row) =>
        Number(row.seq),
      );

    test("filters narrow it, pages join without gap or overlap, in both directions", async () => {
      const all = Array.from({ length: ROWS }, (_, i) => i + 1);
      assert.deepEqual(await seqs({}), all);
      assert.deepEqual(await seqs({ order: "newest" }), all.toReversed());
      assert.deepEqual(await seqs({ order: "newest", after: 10, limit: 3 }), [9, 8, 7]);
      assert.deepEqual(await seqs({ after: 10, limit: 3 }), [11, 12, 13]);
      assert.deepEqual(
        await seqs({ experiment: 2 }),
        all.filter((i) => i % 5 !== 0 && i % 3 === 1),
      );
      assert.deepEqual(await seqs({ experiment: 2, trial: 7 }), [7]);
      assert.deepEqual(
        await seqs({ actor: "zoë 🛩" }),
        all.filter((i) => i % 4 === 3),
      );
      assert.deepEqual(
        await seqs({ what: "granted" }),
        all.filter((i) => i % 2 === 0),
      );
      const minute = (s: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, s));
      assert.deepEqual(await seqs({ since: minute(5), until: minute(8) }), [5, 6, 7]);
    });
  });
});
