/** The formats in which points leave the house: the door of this room. */
import { arrowPoints } from "./arrow-points.ts";
import { csvPoints } from "./csv-points.ts";
import type { PointBatch, PointEncoder } from "./point-batch.ts";

interface PointFormat {
  readonly mediaType: string;
  readonly encoder: () => PointEncoder | Promise<PointEncoder>;
}

export const POINT_FORMATS = {
  parquet: {
    mediaType: "application/vnd.apache.parquet",
    // Its library costs every start of a server 30 ms, and few ever export.
    encoder: async () => (await import("./parquet-points.ts")).parquetPoints(),
  },
  csv: { mediaType: "text/csv; charset=utf-8", encoder: csvPoints },
  arrow: { mediaType: "application/vnd.apache.arrow.stream", encoder: arrowPoints },
} as const satisfies Record<string, PointFormat>;

export type PointFormatName = keyof typeof POINT_FORMATS;

/** The bytes of the file, a part a batch, made as they are taken. */
export async function* pointFile(
  format: PointFormatName,
  batches: AsyncIterable<PointBatch>,
): AsyncGenerator<Uint8Array> {
  const encoder: PointEncoder = await POINT_FORMATS[format].encoder();
  yield encoder.begin();
  for await (const points of batches) yield encoder.batch(points);
  const end = encoder.end();
  if (end.length > 0) yield end;
}
