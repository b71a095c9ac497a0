/**
 * What an allocation has to tell the server and has not been heard yet: an append-only stream of
 * numbered records on disk, from which the front is forgotten as the server acknowledges it.
 *
 * Records lie in segments (files of a few MiB); a segment that is wholly acknowledged is deleted,
 * except the last one, so that the number of the next record and the last record itself are always
 * known after a restart. Records are read back from the file when they are to be sent: the page
 * cache holds them anyway, and 200 allocations of an offline hour would not fit in memory.
 * Appending is synchronous: a write into the page cache costs microseconds, keeps the order without
 * a queue, and a report is safe from the runner's death the moment it has been heard.
 *
 * When the disk takes nothing more, records wait in memory, `stalled` says so (the caller stops
 * reading its sources), and they can be sent and acknowledged from there.
 */
import { join } from "node:path";
import { assert } from "../base/assert.ts";
import {
  createSegment,
  frame,
  HEADER_BYTES,
  nodeFiles,
  openSegment,
  RECORD_HEADER_BYTES,
  RECORD_MAX_BYTES,
  type Segment,
  type SpoolFiles,
  unframe,
} from "./spool-segment.ts";

export interface SpoolOptions {
  readonly segmentMaxBytes?: number;
  /** Replaced where a test needs a full disk. */
  readonly write?: SpoolFiles["write"];
  readonly files?: SpoolFiles;
}

export interface SpoolBatch {
  /** Number of the first payload; the others follow without gaps. */
  readonly first: number;
  readonly payloads: readonly Buffer[];
}

/** What is used of a spool once it is open. */
export type SpoolStream = Pick<
  Spool,
  | "lastSeq"
  | "ackedSeq"
  | "pendingBytes"
  | "droppedBytes"
  | "lastAtOpen"
  | "stalled"
  | "append"
  | "appendAll"
  | "retry"
  | "peek"
  | "ack"
  | "close"
>;

/** A segment that is wholly acknowledged is replaced at the next append once it is this long. */
const SPENT_SEGMENT_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;

export class Spool {
  readonly #folder: string;
  readonly #name: string;
  readonly #segmentMaxBytes: number;
  readonly #files: SpoolFiles;
  readonly #write: SpoolFiles["write"];
  #segments: Segment[] = [];
  /** Framed records that the disk did not take, behind everything in the segments. */
  #unwritten: Buffer[] = [];
  #fault: Error | null = null;
  #lastSeq = 0;
  #ackedSeq = 0;
  /** Offset in the first segment of the first record that is not acknowledged. */
  #headBytes = HEADER_BYTES;
  #pendingBytes = 0;
  #last: Buffer | null = null;
  #droppedBytes = 0;

  private constructor(folder: string, name: string, options: SpoolOptions) {
    this.#folder = folder;
    this.#name = name;
    this.#segmentMaxBytes = options.segmentMaxBytes ?? 4 * 1024 * 1024;
    this.#files = options.files ?? nodeFiles;
    this.#write = options.write ?? this.#files.write;
  }

  /** Opens stream `name` in `folder`, which exists; takes up what an earlier process left there. */
  static open(folder: string, name: string, options: SpoolOptions = {}): Spool {
    const spool = new Spool(folder, name, options);
    spool.#recover();
    return spool;
  }

  /** Number of the last record; 0 when there was none. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  get ackedSeq(): number {
    return this.#ackedSeq;
  }

  /** Bytes that are not acknowledged, framing included. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Found damaged when the stream was opened, and left out. */
  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  /** Payload of the last record found when the stream was opened. */
  get lastAtOpen(): Buffer | null {
    return this.#last;
  }

  /** Why records wait in memory; null while the disk takes them. */
  get stalled(): Error | null {
    return this.#fault;
  }

  /** @returns the number of the record */
  append(payload: Uint8Array): number {
    return this.appendAll([payload]);
  }

  /** Appends several with one write. @returns the number of the last record */
  appendAll(payloads: readonly Uint8Array[]): number {
    if (payloads.length === 0) return this.#lastSeq;
    const framed = payloads.map((payload) => {
      assert(
        payload.length <= RECORD_MAX_BYTES,
        `${this.#name}: a record of ${payload.length} bytes`,
      );
      return frame(payload);
    });
    for (const record of framed) this.#pendingBytes += record.length;
    this.#lastSeq += framed.length;
    this.#unwritten.push(...framed);
    if (this.#fault === null) this.retry();
    return this.#lastSeq;
  }

  /** Writes what waits in memory. @returns true when nothing waits any more */
  retry(): boolean {
    if (this.#unwritten.length === 0) return true;
    try {
      const segment = this.#writableSegment();
      const bytes =
        this.#unwritten.length === 1 ? this.#unwritten[0]! : Buffer.concat(this.#unwritten);
      this.#writeWhole(segment, bytes);
      segment.bytes += bytes.length;
      segment.count += this.#unwritten.length;
      this.#unwritten = [];
      this.#fault = null;
      return true;
    } catch (error) {
      this.#fault = error as Error;
      return false;
    }
  }

  /**
   * The records behind the acknowledged ones, in order.
   * @returns at most `maxCount` records and about `maxBytes` bytes, but one record at least if there is one
   */
  peek(maxBytes: number, maxCount: number): SpoolBatch {
    const payloads: Buffer[] = [];
    let size = 0;
    const take = (payload: Buffer): boolean => {
      if (payloads.length >= maxCount) return false;
      if (payloads.length > 0 && size + payload.length > maxBytes) return false;
      size += payload.length;
      payloads.push(payload);
      return true;
    };
    let offset = this.#headBytes;
    for (const segment of this.#segments) {
      if (!this.#read(segment, offset, Math.min(maxBytes, READ_BYTES), take)) break;
      offset = HEADER_BYTES;
    }
    const onDisk = this.#diskSeq() - this.#ackedSeq;
    if (payloads.length === onDisk) {
      for (const record of this.#unwritten) if (!take(record.subarray(RECORD_HEADER_BYTES))) break;
    }
    return { first: this.#ackedSeq + 1, payloads };
  }

  /**
   * Everything up to `seq` is durable elsewhere and may be forgotten. A number beyond the last
   * record says that the disk lost what the server has: counting goes on behind it.
   */
  ack(seq: number): void {
    if (seq <= this.#ackedSeq) return;
    if (seq >= this.#lastSeq) {
      this.#headBytes = this.#segments.at(-1)?.bytes ?? HEADER_BYTES;
      this.#dropSegments(this.#segments.length - 1);
      this.#unwritten = [];
      this.#fault = null;
      this.#pendingBytes = 0;
      this.#ackedSeq = seq;
      this.#lastSeq = seq;
      return;
    }
    this.#advance(seq - this.#ackedSeq);
    this.#ackedSeq = seq;
  }

  close(): void {
    for (const segment of this.#segments) this.#files.close(segment.fd);
    this.#segments = [];
  }

  /** Closes the stream and deletes its files. */
  remove(): void {
    const paths = this.#segments.map((segment) => segment.path);
    this.close();
    for (const path of paths) this.#files.remove(path);
  }

  /** Number of the last record in the segments. */
  #diskSeq(): number {
    return this.#lastSeq - this.#unwritten.length;
  }

  #recover(): void {
    const prefix = `${this.#name}-`;
    const names = this.#files.list(this.#folder).filter((name) => name.startsWith(prefix));
    const number = (name: string) => Number(name.slice(prefix.length));
    names.sort((a, b) => number(a) - number(b));
    for (const name of names) {
      const path = join(this.#folder, name);
      const { segment, last, droppedBytes } = openSegment(this.#files, path);
      this.#droppedBytes += droppedBytes;
      if (segment === null || !this.#follows(segment)) {
        if (segment !== null) {
          this.#droppedBytes += segment.bytes;
          this.#files.close(segment.fd);
        }
        this.#files.remove(path);
        continue;
      }
      this.#segments.push(segment);
      this.#lastSeq = segment.first + segment.count - 1;
      if (last !== null) this.#last = Buffer.from(last);
      this.#pendingBytes += segment.bytes - HEADER_BYTES;
    }
    this.#ackedSeq = (this.#segments[0]?.first ?? 1) - 1;
    const known = Math.min(this.#segments.at(-1)?.acked ?? 0, this.#lastSeq);
    if (known > this.#ackedSeq) this.ack(known);
  }

  /** Whether a segment goes on where the ones before it end; a gap is right only behind an acknowledgement. */
  #follows(segment: Segment): boolean {
    if (this.#segments.length === 0) return true;
    if (segment.first === this.#lastSeq + 1) return true;
    if (segment.first <= this.#lastSeq || segment.acked < segment.first - 1) return false;
    this.#dropSegments(this.#segments.length);
    this.#pendingBytes = 0;
    return true;
  }

  #writableSegment(): Segment {
    const active = this.#segments.at(-1);
    const next = this.#diskSeq() + 1;
    if (active !== undefined && active.first + active.count === next) {
      const spent = this.#ackedSeq === next - 1 && active.bytes > SPENT_SEGMENT_BYTES;
      if (active.bytes < this.#segmentMaxBytes && !spent) return active;
    }
    const path = join(this.#folder, `${this.#name}-${next}`);
    const segment = createSegment(this.#files, path, { first: next, acked: this.#ackedSeq });
    const wasSpent = this.#ackedSeq === next - 1;
    this.#segments.push(segment);
    if (wasSpent) {
      this.#dropSegments(this.#segments.length - 1);
      this.#headBytes = HEADER_BYTES;
    }
    return segment;
  }

  #writeWhole(segment: Segment, bytes: Buffer): void {
    let done = 0;
    try {
      while (done < bytes.length) {
        const wrote = this.#write(
          segment.fd,
          bytes,
          done,
          bytes.length - done,
          segment.bytes + done,
        );
        if (wrote === 0) throw new Error(`${segment.path}: the disk took nothing`);
        done += wrote;
      }
    } catch (error) {
      // A half-written record would be dropped at the next start; cutting it off keeps the file clean now.
      if (done > 0) this.#files.truncate(segment.fd, segment.bytes);
      throw error;
    }
  }

  /** Hands the records of a segment to `take` until it says no. @returns false when it did */
  #read(
    segment: Segment,
    from: number,
    chunkBytes: number,
    take: (payload: Buffer) => boolean,
  ): boolean {
    let offset = from;
    let want = Math.max(chunkBytes, 4096);
    while (offset < segment.bytes) {
      const chunk = Buffer.allocUnsafe(Math.min(want, segment.bytes - offset));
      const got = this.#files.read(segment.fd, chunk, 0, chunk.length, offset);
      const bytes = chunk.subarray(0, got);
      let at = 0;
      for (;;) {
        const payload = unframe(bytes, at);
        if (payload === null) break;
        if (!take(payload)) return false;
        at += RECORD_HEADER_BYTES + payload.length;
      }
      if (at === 0) {
        // The record is longer than the chunk: its header says how long.
        const length = got >= RECORD_HEADER_BYTES ? bytes.readUInt32LE(0) : 0;
        const needed = RECORD_HEADER_BYTES + length;
        assert(
          needed > got && offset + needed <= segment.bytes,
          `${segment.path}: the record at byte ${offset} changed on disk after it was written`,
        );
        want = needed;
        continue;
      }
      offset += at;
    }
    return true;
  }

  /** Moves the head `count` records on; they all exist. */
  #advance(count: number): void {
    let left = count;
    while (left > 0 && this.#segments.length > 0) {
      const segment = this.#segments[0]!;
      let offset = this.#headBytes;
      this.#read(segment, offset, READ_BYTES, (payload) => {
        if (left === 0) return false;
        left -= 1;
        offset += RECORD_HEADER_BYTES + payload.length;
        return true;
      });
      this.#pendingBytes -= offset - this.#headBytes;
      this.#headBytes = offset;
      if (offset < segment.bytes || this.#segments.length === 1) break;
      this.#dropSegments(1);
      this.#headBytes = HEADER_BYTES;
    }
    for (; left > 0; left--) {
      const record = this.#unwritten.shift();
      assert(record !== undefined, `${this.#name}: acknowledged more records than there are`);
      this.#pendingBytes -= record.length;
    }
  }

  #dropSegments(count: number): void {
    for (const segment of this.#segments.splice(0, Math.max(0, count))) {
      this.#files.close(segment.fd);
      this.#files.remove(segment.path);
    }
  }
}
