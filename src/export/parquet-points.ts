/** Points as Parquet: one row group a batch, written column by column and packed with Snappy, which every reader knows. */
import type { SchemaElement } from "hyparquet-writer";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import type { PointBatch, PointEncoder } from "./point-batch.ts";

const column = (name: string, type: SchemaElement["type"], more: Partial<SchemaElement> = {}) =>
  ({ name, type, repetition_type: "REQUIRED", ...more }) as const;

const SCHEMA: SchemaElement[] = [
  { name: "points", num_children: 9 },
  column("experiment", "INT32"),
  column("trial", "INT32"),
  column("run", "INT32"),
  column("seq", "INT64"),
  column("step", "INT64"),
  column("time", "INT64", {
    converted_type: "TIMESTAMP_MILLIS",
    logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MILLIS" },
  }),
  column("name", "BYTE_ARRAY", { converted_type: "UTF8", logical_type: { type: "STRING" } }),
  column("value", "DOUBLE"),
  column("superseded", "BOOLEAN"),
];

export function parquetPoints(): PointEncoder {
  const bytes = new ByteWriter(4 * 1024 * 1024);
  const writer = new ParquetWriter({
    ...{ writer: bytes, schema: SCHEMA, createdBy: "contrail" },
    // Of NaN among the values, minima and maxima would say less than the truth.
    statistics: false,
  });
  /** What was written since the last call; offsets in the file go on counting. */
  const take = (): Uint8Array => {
    const taken = bytes.getBytes().slice();
    bytes.index = 0;
    return taken;
  };
  return {
    begin: take,
    batch(points) {
      // Waits for nothing: its sink is memory.
      void writer.write({ columnData: columnsOf(points), rowGroupSize: points.length });
      return take();
    },
    end() {
      void writer.finish();
      return take();
    },
  };
}

function columnsOf(points: PointBatch) {
  const { length } = points;
  const of = <T>(name: string, data: { slice(from: number, to: number): T }) => ({
    name,
    data: data.slice(0, length),
  });
  return [
    of("experiment", points.experiment),
    of("trial", points.trial),
    of("run", points.run),
    of("seq", points.seq),
    of("step", points.step),
    of("time", points.timeMs),
    of("name", points.name),
    // As they are: a dictionary takes minus zero for zero.
    { ...of("value", points.value), encoding: "PLAIN" as const },
    { name: "superseded", data: Array.from(points.superseded.subarray(0, length), (x) => x === 1) },
  ];
}
