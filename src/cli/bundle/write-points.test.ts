import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parquetReadObjects } from "hyparquet";
import { type Point, readPoints } from "../../sdk/points.ts";
import { writePoints } from "./write-points.ts";

const point = (trial: number, run: number, value: number): Point => ({
  ...{ experiment: 3, trial, run, seq: 2 ** 40, step: 4, time: "2026-11-28T10:00:00.125Z" },
  ...{ name: 'odd, "name"', value, superseded: run === 1 },
});

test("points of runs that the lines do not speak of are in neither file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "contrail-points-"));
  try {
    const [first, second] = [point(1, 1, Number.NaN), point(1, 2, -0)];
    const late = [point(1, 3, 1), point(2, 1, 1)];
    const asked: unknown[] = [];
    const client = {
      async *points(query: unknown) {
        asked.push(query);
        yield [first, second];
        yield late;
      },
    };
    const about = { ids: "3", runs: new Set(["1.1", "1.2"]) };
    assert.equal(await writePoints(client, folder, about, { detail() {} }), 2);
    assert.deepEqual(asked, [{ ids: "3", superseded: true }]);
    const csv = readFileSync(join(folder, "metrics.csv"));
    const read: Point[] = [];
    for await (const some of readPoints(
      (async function* () {
        yield csv;
      })(),
    ))
      read.push(...some);
    assert.deepEqual(read, [first, second]);
    const { buffer, byteOffset, byteLength } = readFileSync(join(folder, "metrics.parquet"));
    const file = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    const rows = await parquetReadObjects({ file });
    assert.deepEqual(
      rows.map(({ trial, run, seq, value }) => [trial, run, seq, value]),
      [first, second].map(({ trial, run, seq, value }) => [trial, run, BigInt(seq), value]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
