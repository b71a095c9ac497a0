/** Files of points, read back by readers that share no code with what wrote them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { tableFromIPC } from "@uwdata/flechette";
import { parquetReadObjects } from "hyparquet";
import { readPoints } from "../sdk/points.ts";
import { POINT_COLUMNS, PointBatch, putWhole } from "./point-batch.ts";
import { type PointFormatName, pointFile } from "./point-files.ts";

const NAMES = ["loss", 'odd "name", quoted', "zwei\nZeilen", "µ-accuracy", "", "a,b"];
const VALUES = [0, -0, 1.5, -1 / 3, 1e308, 5e-324, Number.NaN, Infinity, -Infinity, 2 ** 53];

function batch(length: number, from = 0, capacity = length): PointBatch {
  const points = new PointBatch(capacity);
  for (let i = 0; i < length; i++) {
    const n = from + i;
    points.experiment[i] = 3;
    points.trial[i] = 12 + (n % 3);
    points.run[i] = 1 + (n % 2);
    points.seq[i] = BigInt(n) + 2n ** 40n;
    points.step[i] = n === 0 ? 2n ** 53n - 1n : BigInt(n);
    points.timeMs[i] = 1_790_000_000_123n + BigInt(n);
    points.name[i] = NAMES[n % NAMES.length] as string;
    points.value[i] = VALUES[n % VALUES.length] as number;
    points.superseded[i] = n % 7 === 0 ? 1 : 0;
  }
  points.length = length;
  return points;
}

/** What a reader should find, in one shape for all formats. */
const expected = (batches: readonly PointBatch[]) =>
  batches.flatMap((points) =>
    Array.from({ length: points.length }, (_, i) => ({
      experiment: points.experiment[i],
      trial: points.trial[i],
      run: points.run[i],
      seq: Number(points.seq[i]),
      step: Number(points.step[i]),
      time: new Date(Number(points.timeMs[i])).toISOString(),
      name: points.name[i],
      value: points.value[i],
      superseded: points.superseded[i] === 1,
    })),
  );

async function fileOf(format: PointFormatName, batches: readonly PointBatch[]): Promise<Buffer> {
  const source = (async function* () {
    yield* batches;
  })();
  const parts: Uint8Array[] = [];
  for await (const bytes of pointFile(format, source)) parts.push(bytes);
  return Buffer.concat(parts);
}

type Read = (file: Buffer) => Promise<object[]>;

const plain = (row: Record<string, unknown>) =>
  Object.fromEntries(
    POINT_COLUMNS.map((name) => {
      const value = row[name];
      if (name === "time") return [name, new Date(value as number).toISOString()];
      return [name, typeof value === "bigint" ? Number(value) : value];
    }),
  );

const READERS: Readonly<Record<PointFormatName, Read>> = {
  parquet: async (file) => {
    const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.length) as ArrayBuffer;
    return (await parquetReadObjects({ file: bytes })).map(plain);
  },
  arrow: async (file) =>
    tableFromIPC(new Uint8Array(file))
      .toArray()
      .map((row) => plain(row as Record<string, unknown>)),
  csv: async (file) => {
    const rows: object[] = [];
    // In small pieces, so that lines and characters are cut.
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < file.length; at += 37) controller.enqueue(file.subarray(at, at + 37));
        controller.close();
      },
    });
    for await (const points of readPoints(stream)) rows.push(...points);
    return rows;
  },
};

for (const format of ["parquet", "arrow", "csv"] as const)
  describe(format, () => {
    for (const [what, batches] of [
      ["no points", []],
      ["one point", [batch(1)]],
      ["several batches, not all of them full", [batch(100), batch(100, 100), batch(7, 200, 100)]],
      ["as many as a page of Parquet holds, and more", [batch(9000)]],
    ] as const)
      test(`${what} are read as they were`, async () => {
        const rows = await READERS[format](await fileOf(format, batches));
        const wanted = expected(batches);
        assert.equal(rows.length, wanted.length);
        // One by one: a difference of thousands of lines helps nobody.
        for (const [i, row] of rows.entries()) assert.deepEqual(row, wanted[i]);
      });

    test("the same points are the same bytes", async () => {
      const [once, again] = [await fileOf(format, [batch(50)]), await fileOf(format, [batch(50)])];
      assert.deepEqual(once, again);
    });
  });

test("CSV writes numbers and times as JavaScript does, but for minus zero", async () => {
  const values = [1e21, 1.5e-7, 123456789.125, -0.1, 2 ** 53, 1e300 / 3, -Infinity, 0.1 + 0.2];
  const wholes = [0, 9, 10, 99, 100, 999_999_999, 1e9, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
  const times = [0, -1, 1, 86_399_999, 86_400_000, 951_827_696_789, 253_402_300_800_000, -62e12];
  const points = new PointBatch(wholes.length * times.length);
  const wanted: string[] = [];
  for (const whole of wholes)
    for (const [k, ms] of times.entries()) {
      const i = points.length++;
      points.experiment[i] = whole;
      points.seq[i] = BigInt(whole);
      putWhole(points.stepHalves, i, whole);
      putWhole(points.timeHalves, i, ms);
      points.value[i] = values[k] as number;
      // Longer than the memory that lines are first written into.
      points.name[i] = i === 7 ? "é".repeat(3_000_000) : `n${k}`;
      assert.equal(points.timeMs[i], BigInt(ms));
      const at = new Date(ms).toISOString();
      wanted.push(
        `${points.experiment[i]},0,0,${whole},${whole},${at},${points.name[i]},${values[k]},false`,
      );
    }
  const [, ...lines] = (await fileOf("csv", [points])).toString().split("\n").slice(0, -1);
  assert.equal(lines.length, wanted.length);
  for (const [i, line] of lines.entries()) assert.ok(line === wanted[i], line.slice(0, 200));
});
