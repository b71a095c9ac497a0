/**
 * The statistics of a dataset, taken while its files are read for their hashes. Columnar files cannot be read from front
 * to back: those are opened again afterwards, one row group and column at a time.
 */
import {
  type DatasetStatistics,
  TABLES_MAX,
  type TableStatistics,
} from "../../protocol/api/dataset-statistics.ts";
import { CsvTable } from "./csv.ts";
import { extensionOf, folderStatistics } from "./folder.ts";
import { parquetTable } from "./parquet.ts";

const TEXT_TABLES = new Set([".csv", ".tsv", ".tab"]);
const COLUMNAR = new Set([".parquet", ".pq"]);

export class StatisticsCollector {
  /** Null: there was no room for this one. */
  readonly #tables = new Map<string, CsvTable | null>();

  /** For whoever reads the files; a file that is read again begins anew. */
  open(path: string): ((bytes: Uint8Array) => void) | undefined {
    if (!TEXT_TABLES.has(extensionOf(path))) return undefined;
    const isRoom = this.#tables.has(path) || this.#tables.size < TABLES_MAX;
    const table = isRoom ? new CsvTable(path) : null;
    this.#tables.set(path, table);
    return table === null ? undefined : (bytes) => table.write(bytes);
  }

  /** @param sourceOf the file that holds an entry's content */
  async result(
    files: readonly { readonly path: string; readonly size: number }[],
    sourceOf: (path: string) => string,
  ): Promise<DatasetStatistics> {
    const tables: TableStatistics[] = [];
    let left = 0;
    for (const { path } of files) {
      const isColumnar = COLUMNAR.has(extensionOf(path));
      if (!isColumnar && !this.#tables.has(path)) continue;
      const table = this.#tables.get(path);
      if (table === null || tables.length >= TABLES_MAX) left += 1;
      else {
        const found = isColumnar ? await parquetTable(path, sourceOf(path)) : table?.end();
        if (found) tables.push(found);
      }
    }
    return { ...folderStatistics(files), tables, tables_left_out: left };
  }
}
