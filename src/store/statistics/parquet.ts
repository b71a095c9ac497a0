/**
 * A Parquet file, column by column and row group by row group: in memory is one column of one group. hyparquet reads it;
 * what is compressed otherwise than Node can undo (LZ4, LZO) is said in a note.
 */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead, parquetSchema } from "hyparquet";
import {
  COLUMNS_MAX,
  type ColumnStatistics,
  type TableStatistics,
} from "../../protocol/api/dataset-statistics.ts";
import { ColumnSummary, shortText } from "./column.ts";

const compressors = {
  GZIP: (input: Uint8Array) => gunzipSync(input),
  BROTLI: (input: Uint8Array) => brotliDecompressSync(input),
  ZSTD: (input: Uint8Array) => zstdDecompressSync(input),
};
const NOTE_CHARS_MAX = 500;

/** @returns undefined where it is no Parquet file */
export async function parquetTable(
  path: string,
  source: string,
): Promise<TableStatistics | undefined> {
  const file = await asyncBufferFromFile(source);
  const metadata = await parquetMetadataAsync(file).catch(() => undefined);
  if (metadata === undefined) return undefined;
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const groups = metadata.row_groups.map(({ num_rows }) => Number(num_rows));
  const columns: ColumnStatistics[] = [];
  const notes: string[] = [];
  for (const name of names.slice(0, COLUMNS_MAX)) {
    const summary = new ColumnSummary();
    let rowStart = 0;
    try {
      for (const rows of groups) {
        const range = { rowStart, rowEnd: rowStart + rows };
        await parquetRead({
          ...{ file, metadata, compressors, columns: [name], ...range },
          onChunk: ({ columnData }) => {
            for (const value of columnData) summary.addValue(value);
          },
        });
        rowStart += rows;
      }
    } catch (error) {
      notes.push(`column ${shortText(name)} cannot be read: ${(error as Error).message}`);
    }
    columns.push(summary.result(name));
  }
  if (names.length > COLUMNS_MAX)
    notes.push(
      `${names.length - COLUMNS_MAX} columns beyond the first ${COLUMNS_MAX} were left out`,
    );
  const note = notes.length === 0 ? null : notes.join("; ").toWellFormed().slice(0, NOTE_CHARS_MAX);
  return { path, format: "parquet", rows: Number(metadata.num_rows), columns, note };
}
