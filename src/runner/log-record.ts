/**
 * What a rank prints, as records: one for each line, its bytes as they came and without the newline.
 * Nothing is decoded, dropped or repaired here; escape codes, lone carriage returns and broken UTF-8
 * are the reader's to show. A line longer than 64 KiB goes on in further records, and so does one
 * that stands unfinished for a while (a progress bar, a prompt), so that it can be seen.
 *
 * `complete` says that a newline followed. Output that ends without one therefore ends in a record
 * that is not complete, and the bytes can be put together again exactly.
 */
import type { LogLine } from "../protocol/runner-wire.ts";

export const LINE_PIECE_MAX_BYTES = 64 * 1024;
const HEADER_BYTES = 11;
const NEWLINE = 0x0a;
const STDERR = 1;
const COMPLETE = 2;

export interface LogRecord {
  readonly atMs: number;
  readonly rank: number;
  readonly stream: "stdout" | "stderr";
  readonly complete: boolean;
  readonly bytes: Buffer;
}

/** For the spool: 8 bytes of time, 2 of rank, 1 of flags, then the line. */
export function encodeLogRecord(record: LogRecord): Buffer {
  const out = Buffer.allocUnsafe(HEADER_BYTES + record.bytes.length);
  out.writeDoubleLE(record.atMs, 0);
  out.writeUInt16LE(record.rank, 8);
  out[10] = (record.stream === "stderr" ? STDERR : 0) | (record.complete ? COMPLETE : 0);
  record.bytes.copy(out, HEADER_BYTES);
  return out;
}

/** From the spool to the wire. */
export function logLineOf(seq: number, encoded: Buffer): LogLine {
  const flags = encoded[10]!;
  return {
    seq,
    atMs: encoded.readDoubleLE(0),
    rank: encoded.readUInt16LE(8),
    stream: flags & STDERR ? "stderr" : "stdout",
    bytes: encoded.toString("base64", HEADER_BYTES),
    complete: (flags & COMPLETE) !== 0,
  };
}

/** What is said in place of a line that the server will never take. */
export function refusedLine(encoded: Buffer, why: string): Buffer {
  const text = `[the server refused this line: ${why.replaceAll(/\s+/g, " ")}]`;
  return Buffer.concat([encoded.subarray(0, HEADER_BYTES), Buffer.from(text)]);
}

/** Cuts one stream of bytes into lines. */
export class LineSplitter {
  readonly #emit: (piece: Buffer, complete: boolean) => void;
  #held: Buffer[] = [];
  #heldBytes = 0;

  /** @param emit called in order; the piece may share memory with what was pushed */
  constructor(emit: (piece: Buffer, complete: boolean) => void) {
    this.#emit = emit;
  }

  /** Whether bytes wait for the rest of their line. */
  get holds(): boolean {
    return this.#heldBytes > 0;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      const end = newline === -1 ? chunk.length : newline;
      while (this.#heldBytes + (end - start) > LINE_PIECE_MAX_BYTES) {
        const room = LINE_PIECE_MAX_BYTES - this.#heldBytes;
        this.#release(chunk.subarray(start, start + room), false);
        start += room;
      }
      if (newline === -1) break;
      this.#release(chunk.subarray(start, newline), true);
      start = newline + 1;
    }
    if (start < chunk.length) {
      this.#held.push(chunk.subarray(start));
      this.#heldBytes += chunk.length - start;
    }
  }

  /** Lets go of an unfinished line: after a while, and at the end of the stream. */
  flush(): void {
    if (this.holds) this.#release(Buffer.alloc(0), false);
  }

  #release(piece: Buffer, complete: boolean): void {
    const whole = this.#heldBytes === 0 ? piece : Buffer.concat([...this.#held, piece]);
    this.#held = [];
    this.#heldBytes = 0;
    this.#emit(whole, complete);
  }
}
