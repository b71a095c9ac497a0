/**
 * A text table (CSV, TSV) while its bytes pass by: delimiter and header found out, quotes as in RFC 4180, and of each
 * column what `column.ts` says. Memory is one cell and the columns' sketches, whatever the file's size.
 *
 * A library was refused: what there is hands out rows as objects, at several times the cost, and none takes
 * bytes that somebody else reads.
 */
import {
  COLUMNS_MAX,
  type ColumnStatistics,
  type TableStatistics,
} from "../../protocol/api/dataset-statistics.ts";
import { ColumnSummary } from "./column.ts";

const DELIMITERS = [",", "\t", ";", "|"] as const;
/** A longer cell is no cell but a quote that nobody closed; what is over is not looked at. */
const CELL_KEPT_CHARS_MAX = 64 * 1024;
/** To find the delimiter in. */
const FIRST_LINE_CHARS_MAX = 1024 * 1024;
const QUOTE = 0x22;
const RETURN = 0x0d;
const NEWLINE = 0x0a;

export class CsvTable {
  readonly #path: string;
  readonly #decoder = new TextDecoder("utf-8");
  #delimiter: number;
  /** What came before the delimiter was known. */
  #begin = "";
  #isText = true;
  /** Of the cell that is being read. */
  #cell = "";
  #isQuoted = false;
  /** A quote inside a quoted cell: its end, or the first of two. */
  #afterQuote = false;
  #wasReturn = false;
  #row: string[] = [];
  #first: string[] | null = null;
  #names: string[] | null = null;
  #columns: ColumnSummary[] = [];
  #rows = 0;
  #odd = 0;
  #left = 0;

  constructor(path: string) {
    this.#path = path;
    this.#delimiter = /\.(?:tsv|tab)$/i.test(path) ? 0x09 : 0;
  }

  write(bytes: Uint8Array): void {
    if (this.#isText) this.#take(this.#decoder.decode(bytes, { stream: true }));
  }

  /** @returns undefined where it is no text, or has no row */
  end(): TableStatistics | undefined {
    this.#take(this.#decoder.decode());
    if (this.#delimiter === 0) this.#begun();
    if (this.#cell !== "" || this.#row.length > 0) this.#endRow();
    if (!this.#isText || this.#first === null) return undefined;
    if (this.#names === null) this.#head(this.#first);
    const columns: ColumnStatistics[] = this.#columns.map((column, i) =>
      column.result(this.#names?.[i] ?? ""),
    );
    return { path: this.#path, format: "csv", rows: this.#rows, columns, note: this.#note() };
  }

  #note(): string | null {
    const notes = [
      this.#odd > 0 ? `${this.#odd} rows have more or fewer cells than there are columns` : "",
      this.#left > 0 ? `${this.#left} columns beyond the first ${COLUMNS_MAX} were left out` : "",
      this.#isQuoted ? "it ends within a quoted cell" : "",
    ].filter((note) => note !== "");
    return notes.length === 0 ? null : notes.join("; ");
  }

  #take(text: string): void {
    if (text.includes("\0")) this.#isText = false;
    if (!this.#isText || text === "") return;
    if (this.#delimiter !== 0) return this.#scan(text);
    this.#begin += text;
    if (this.#begin.includes("\n") || this.#begin.length > FIRST_LINE_CHARS_MAX) this.#begun();
  }

  #begun(): void {
    const begin = this.#begin;
    this.#begin = "";
    this.#delimiter = delimiterOf(begin).charCodeAt(0);
    this.#scan(begin);
  }

  #scan(text: string): void {
    const { length } = text;
    const delimiter = this.#delimiter;
    let from = 0;
    for (let at = 0; at < length; at++) {
      const code = text.charCodeAt(at);
      if (this.#isQuoted) {
        if (code !== QUOTE) continue;
        this.#keep(text.slice(from, at));
        this.#isQuoted = false;
        this.#afterQuote = true;
        from = at + 1;
      } else if (code === QUOTE && (this.#afterQuote || (from === at && this.#cell === ""))) {
        // The second of two is one quote of the cell.
        if (this.#afterQuote) this.#keep('"');
        this.#afterQuote = false;
        this.#isQuoted = true;
        from = at + 1;
      } else if (code === delimiter) {
        this.#keep(text.slice(from, at));
        this.#endCell();
        from = at + 1;
      } else if (code === NEWLINE || code === RETURN) {
        if (!(code === NEWLINE && this.#wasReturn && from === at)) {
          this.#keep(text.slice(from, at));
          this.#endRow();
        }
        from = at + 1;
      } else this.#afterQuote = false;
      this.#wasReturn = code === RETURN;
    }
    if (from < length) this.#keep(text.slice(from));
  }

  #keep(text: string): void {
    if (this.#cell === "") this.#cell = text.slice(0, CELL_KEPT_CHARS_MAX);
    else if (this.#cell.length < CELL_KEPT_CHARS_MAX) this.#cell += text;
  }

  #endCell(): void {
    this.#afterQuote = false;
    if (this.#row.length < COLUMNS_MAX) this.#row.push(this.#cell);
    else if (this.#rows === 0 && this.#first === null) this.#left += 1;
    this.#cell = "";
  }

  #endRow(): void {
    this.#endCell();
    const row = this.#row;
    this.#row = [];
    // An empty line is no row, except in a table of one column.
    if (row.length === 1 && row[0] === "" && this.#columns.length !== 1) return;
    if (this.#first === null) this.#first = row;
    else {
      if (this.#names === null) this.#head(this.#first);
      this.#add(row);
    }
  }

  /** Is the first row the names? Where it has a number or a name twice, it is not. */
  #head(first: string[]): void {
    const isData = first.some((cell) => cell === "" || /^[+-]?\.?\d/.test(cell));
    const isHead = !isData && new Set(first).size === first.length;
    this.#names = isHead ? first : first.map((_, i) => `column_${i + 1}`);
    this.#columns = this.#names.map(() => new ColumnSummary());
    if (!isHead) this.#add(first);
  }

  #add(row: readonly string[]): void {
    this.#rows += 1;
    if (row.length !== this.#columns.length) this.#odd += 1;
    for (const [i, column] of this.#columns.entries()) {
      const cell = row[i];
      if (cell === undefined) column.addMissing();
      else column.addText(cell);
    }
  }
}

/** The one that the first line has most of, outside quotes. */
function delimiterOf(text: string): string {
  const line = text.slice(0, text.search(/[\r\n]|$/)).replace(/"[^"]*"/g, "");
  const counts = DELIMITERS.map((delimiter) => line.split(delimiter).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ",";
}
