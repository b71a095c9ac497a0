/**
 * `COPY … TO STDOUT` in binary, row by row, without an object for any of them: what ten million points need. The
 * driver hands each row's bytes to whatever query runs; this is such a query. No values can be bound to a COPY, so only
 * numbers may be written into its text.
 */
import pg from "pg";

/** "PGCOPY\n", marks by which a damaged transfer shows, flags, and the length of an extension that there is none of. */
const HEADER_BYTES = 19;
const HEADER_BEGINS = 0x50;
/** In place of the number of fields. */
const END = -1;

/**
 * @param text the statement, from `copy` to `(format binary)`
 * @param onRow gets the bytes of a row from its number of fields on; they are overwritten after it returns
 */
export function copyOut(
  client: pg.ClientBase,
  text: string,
  onRow: (row: Buffer) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyOut(text, onRow, (error) => (error ? reject(error) : resolve())));
  });
}

class CopyOut extends pg.Query {
  readonly #onRow: (row: Buffer) => void;
  #begun = false;
  #failure: Error | undefined;

  constructor(text: string, onRow: (row: Buffer) => void, done: (error?: Error) => void) {
    super(text, (error) => done(error ?? this.#failure));
    this.#onRow = onRow;
  }

  /** Called by the driver; one row a message, the first behind the header. */
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    if (this.#failure !== undefined) return;
    try {
      let row = chunk;
      if (!this.#begun && row[0] === HEADER_BEGINS) row = row.subarray(HEADER_BYTES);
      this.#begun = true;
      if (row.length > 0 && row.readInt16BE(0) !== END) this.#onRow(row);
    } catch (error) {
      // Thrown here it would end the process; the rest of the rows comes all the same.
      this.#failure = error as Error;
    }
  }
}
