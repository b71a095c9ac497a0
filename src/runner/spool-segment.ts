/**
 * One file of a spool: a header, then records, each carrying its length and a CRC-32 over length and
 * payload. A record is found by reading from the front; what does not check ends the segment, so a
 * write that was cut off and a bit that fell over are both seen, and nothing behind them is believed.
 *
 * No fsync: the spool has to survive the death of the runner, which the page cache does. It does not
 * have to survive a power cut, because the training that it speaks for does not either.
 */
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { crc32 } from "node:zlib";

const MAGIC = 0x43545331; // "CTS1"
export const HEADER_BYTES = 28;
export const RECORD_HEADER_BYTES = 8;
/** No record is longer; a length beyond it is damage. */
export const RECORD_MAX_BYTES = 64 * 1024 * 1024;

export interface SegmentHeader {
  /** Number of the first record. */
  readonly first: number;
  /** Everything up to here was durable elsewhere when the segment was begun. */
  readonly acked: number;
}

export interface Segment extends SegmentHeader {
  readonly path: string;
  readonly fd: number;
  /** Records that check. */
  count: number;
  /** Offset behind the last of them. */
  bytes: number;
}

/** What a spool does to a file system; the simulator has another. */
export interface SpoolFiles {
  /** @param flags "w+" makes it anew, "r+" opens what is there */
  open(path: string, flags: "w+" | "r+"): number;
  read(fd: number, into: Buffer, offset: number, length: number, at: number): number;
  write(fd: number, bytes: Uint8Array, offset: number, length: number, at: number): number;
  truncate(fd: number, length: number): void;
  close(fd: number): void;
  /** Names, in any order. */
  list(folder: string): string[];
  remove(path: string): void;
}

export const nodeFiles: SpoolFiles = {
  open: (path, flags) => openSync(path, flags, 0o600),
  read: readSync,
  write: writeSync,
  truncate: ftruncateSync,
  close: closeSync,
  list: (folder) => readdirSync(folder),
  remove: (path) => rmSync(path, { force: true }),
};

/** @returns the framed record, ready to be appended */
export function frame(payload: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(RECORD_HEADER_BYTES + payload.length);
  record.writeUInt32LE(payload.length, 0);
  record.set(payload, RECORD_HEADER_BYTES);
  record.writeUInt32LE(checksum(record, 0, payload.length), 4);
  return record;
}

/**
 * The record that starts at `offset` of `bytes`.
 * @returns its payload; null when it is cut off or does not check
 */
export function unframe(bytes: Buffer, offset: number): Buffer | null {
  if (offset + RECORD_HEADER_BYTES > bytes.length) return null;
  const length = bytes.readUInt32LE(offset);
  const start = offset + RECORD_HEADER_BYTES;
  if (length > RECORD_MAX_BYTES || start + length > bytes.length) return null;
  if (bytes.readUInt32LE(offset + 4) !== checksum(bytes, offset, length)) return null;
  return bytes.subarray(start, start + length);
}

function checksum(bytes: Buffer, offset: number, length: number): number {
  const start = offset + RECORD_HEADER_BYTES;
  return crc32(bytes.subarray(start, start + length), crc32(bytes.subarray(offset, offset + 4)));
}

/** Makes a new, empty segment. @throws the file system's error, with nothing left behind */
export function createSegment(files: SpoolFiles, path: string, header: SegmentHeader): Segment {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeBigUInt64LE(BigInt(header.first), 4);
  bytes.writeBigUInt64LE(BigInt(header.acked), 12);
  bytes.writeUInt32LE(0, 20);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 24)), 24);
  const fd = files.open(path, "w+");
  try {
    if (files.write(fd, bytes, 0, HEADER_BYTES, 0) !== HEADER_BYTES)
      throw new Error(`${path}: the header could not be written whole`);
  } catch (error) {
    files.close(fd);
    throw error;
  }
  return { ...header, path, fd, count: 0, bytes: HEADER_BYTES };
}

const READ_FIRST_BYTES = 16 * 1024;
const READ_MAX_BYTES = 1024 * 1024;

export interface OpenedSegment {
  /** Null when the header does not check. */
  readonly segment: Segment | null;
  /** Payload of the last record that checks. */
  readonly last: Buffer | null;
  /** Bytes behind the last record that checks; they are gone. */
  readonly droppedBytes: number;
}

/** Opens a segment, counts its records and cuts off what does not check. */
export function openSegment(files: SpoolFiles, path: string): OpenedSegment {
  const fd = files.open(path, "r+");
  const bytes = readAll(files, fd);
  const whole = bytes.length >= HEADER_BYTES && bytes.readUInt32LE(0) === MAGIC;
  if (!whole || bytes.readUInt32LE(24) !== crc32(bytes.subarray(0, 24))) {
    files.close(fd);
    return { segment: null, last: null, droppedBytes: bytes.length };
  }
  let offset = HEADER_BYTES;
  let count = 0;
  let last: Buffer | null = null;
  for (;;) {
    const payload = unframe(bytes, offset);
    if (payload === null) break;
    offset += RECORD_HEADER_BYTES + payload.length;
    count += 1;
    last = payload;
  }
  if (offset < bytes.length) files.truncate(fd, offset);
  const first = Number(bytes.readBigUInt64LE(4));
  const acked = Number(bytes.readBigUInt64LE(12));
  return {
    segment: { path, fd, first, acked, count, bytes: offset },
    last,
    droppedBytes: bytes.length - offset,
  };
}

function readAll(files: SpoolFiles, fd: number): Buffer {
  const chunks: Buffer[] = [];
  let position = 0;
  for (let size = READ_FIRST_BYTES; ; size = Math.min(2 * size, READ_MAX_BYTES)) {
    const chunk = Buffer.allocUnsafe(size);
    const got = files.read(fd, chunk, 0, chunk.length, position);
    if (got === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, got));
    position += got;
  }
}
