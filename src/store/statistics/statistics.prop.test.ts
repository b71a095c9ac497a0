/** Sketches against the exact answer, and tables against an independent reading of the same cells. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { CsvTable } from "./csv.ts";
import { DistinctCount, QuantileSketch } from "./sketch.ts";

const SEED = 20260302;

describe("sketches", () => {
  test("quantiles are the values at their ranks, or within one per cent of them", () => {
    const values = fc.array(
      fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }),
        fc.integer({ min: -5, max: 5 }),
      ),
      { minLength: 1, maxLength: 200 },
    );
    const ranks = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1];
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 30 }), (some, times) => {
        const all = Array.from({ length: times }, () => some).flat();
        const sketch = new QuantileSketch();
        for (const value of all) sketch.add(value);
        const sorted = all.toSorted((a, b) => a - b);
        for (const [i, estimate] of sketch.at(ranks).entries()) {
          const exact = sorted[Math.floor((ranks[i] as number) * (sorted.length - 1))] as number;
          const slack = all.length <= 2048 ? 0 : 0.0101 * Math.abs(exact);
          assert.ok(Math.abs(estimate - exact) <= slack, `${estimate} for ${exact}`);
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("different values are counted exactly up to 4,096 of them, and within four per cent beyond", (t) => {
    let worst = 0;
    for (const size of [0, 1, 4096, 4097, 10_000, 50_000, 200_000, 1_000_000]) {
      const count = new DistinctCount();
      for (let i = 0; i < size; i++) count.add(`value ${i}`);
      for (let i = 0; i < size; i += 7) count.add(`value ${i}`);
      const { value, exact } = count.result();
      assert.equal(exact, size <= 4096);
      const error = size === 0 ? value : Math.abs(value - size) / size;
      if (exact) assert.equal(value, size);
      worst = Math.max(worst, error);
    }
    assert.ok(worst < 0.04, String(worst));
    t.diagnostic(`worst error ${(100 * worst).toFixed(2)} %`);
  });
});

const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`;

describe("a text table", () => {
  test("has the cells that were written into it, however quoted and however its bytes arrive", () => {
    const cell = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom('say "no"', "a,b", "two\nlines", "two\r\nlines", "é漢", "", " x "),
    );
    const table = fc.record({
      rows: fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), {
        minLength: 1,
        maxLength: 20,
      }),
      newline: fc.constantFrom("\n", "\r\n"),
      atOnce: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(table, ({ rows, newline, atOnce }) => {
        const clean = rows.map((row) => row.map((text) => text.replaceAll("\0", "0")));
        const lines = [["one", "two", "three"], ...clean].map((row) => row.map(quoted).join(","));
        const bytes = Buffer.from(lines.join(newline));
        const csv = new CsvTable("t.csv");
        for (let at = 0; at < bytes.length; at += atOnce)
          csv.write(bytes.subarray(at, at + atOnce));
        const found = csv.end();
        assert.equal(found?.rows, clean.length);
        assert.equal(found?.note, null);
        for (const [i, column] of (found?.columns ?? []).entries()) {
          const cells = clean.map((row) => row[i] as string);
          const missing = /^(?:|NA|N\/A|NaN|nan|null|NULL|None)$/;
          const there = cells.filter((text) => !missing.test(text));
          assert.equal(column.count, there.length);
          assert.equal(column.missing, cells.length - there.length);
          assert.equal(column.distinct?.value, new Set(there).size);
        }
      }),
      { seed: SEED, numRuns: 400 },
    );
  });
});
