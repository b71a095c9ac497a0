/** Rows of the fault matrix as tests, in their quick form. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startTestPostgres, type TestPostgres } from "../../src/store/test-postgres.ts";
import type { Faults, Row } from "./row.ts";
import { tryRow } from "./try-row.ts";

/** A limit of time is a figure of `npm run faults`; as a test it only tells what is late from what never comes. */
const BUSY = 6;

export function testRows(...rows: readonly Row[]): void {
  let own: Promise<TestPostgres> | undefined;
  after(async () => (await own)?.stop());
  const faults: Faults = {
    quick: true,
    long: false,
    say: () => undefined,
    async database() {
      const given = process.env.CONTRAIL_TEST_DATABASE_URL;
      if (given !== undefined && given !== "") return given;
      own ??= startTestPostgres();
      return (await own).url;
    },
  };
  for (const row of rows)
    test(`${row.name}: ${row.fault}`, async (context) => {
      const outcome = await tryRow(row, faults);
      if (outcome.skipped !== null) return context.skip(outcome.skipped);
      for (const { what, figure, passes: limit } of outcome.findings)
        context.diagnostic(`${what}: ${figure} (passes: ${limit})`);
      const failed = outcome.findings.filter(
        ({ ok, ofLimit }) => ok === false && !(ofLimit !== undefined && ofLimit <= BUSY),
      );
      assert.equal(outcome.error, null);
      assert.deepEqual(failed, []);
      assert.ok(outcome.findings.length > 0);
    });
}
