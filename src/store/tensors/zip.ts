/**
 * The directory of a zip file, read from its end, and where each entry's bytes lie. Only entries that are stored as
 * they are: torch and numpy write no others unless asked, and one that is compressed cannot be read in ranges.
 *
 * Everything that the directory says is checked against the file's size before it is used; entries that lie on top of
 * each other are refused, since with them a small file could claim to hold any amount.
 */
import { type ByteSource, readRange } from "./byte-source.ts";
import { Unreadable } from "./unreadable.ts";

export interface ZipEntry {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Where its local header lies. */
  readonly headerAt: number;
}

const DIRECTORY_BYTES_MAX = 32 * 1024 * 1024;
const ENTRIES_MAX = 200_000;
const END_BYTES = 22;
const COMMENT_BYTES_MAX = 65_535;
const END = 0x06054b50;
const END_64_LOCATOR = 0x07064b50;
const END_64 = 0x06064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;

export const looksLikeZip = (head: Uint8Array): boolean =>
  head.length >= 4 && head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4;

/** @returns the entries by name, in the directory's order. @throws Unreadable */
export async function readZip(source: ByteSource): Promise<ReadonlyMap<string, ZipEntry>> {
  const { start, end, count } = await findDirectory(source);
  if (count > ENTRIES_MAX)
    throw new Unreadable(`${count} entries; ${ENTRIES_MAX} are read at most`);
  const bytes = await readRange(source, { start, end, bytesMax: DIRECTORY_BYTES_MAX });
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let index = 0; index < count; index++) {
    const { entry, next } = readEntry(bytes, at, start);
    if (entries.has(entry.name)) throw new Unreadable(`two entries with the name ${entry.name}`);
    entries.set(entry.name, entry);
    at = next;
  }
  refuseOverlap([...entries.values()], start);
  return entries;
}

/** Where the entry's bytes lie. @throws Unreadable */
export async function entryRange(
  source: ByteSource,
  entry: ZipEntry,
): Promise<{ start: number; end: number }> {
  const { headerAt, size, name } = entry;
  const header = await readRange(source, { start: headerAt, end: headerAt + 30, bytesMax: 30 });
  if (header.readUInt32LE(0) !== LOCAL) throw new Unreadable(`the entry ${name} has no header`);
  const start = headerAt + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (start + size > source.size) throw new Unreadable(`the entry ${name} ends behind the file`);
  return { start, end: start + size };
}

/** The entry as a source of its own. */
export async function entrySource(source: ByteSource, entry: ZipEntry): Promise<ByteSource> {
  const { start } = await entryRange(source, entry);
  return { size: entry.size, read: (from, to) => source.read(start + from, start + to) };
}

async function findDirectory(
  source: ByteSource,
): Promise<{ start: number; end: number; count: number }> {
  const tailAt = Math.max(0, source.size - END_BYTES - COMMENT_BYTES_MAX);
  const tail = await readRange(source, { start: tailAt, end: source.size, bytesMax: 1 << 17 });
  const at = lastEnd(tail);
  if (at === undefined) throw new Unreadable("a zip file without the directory at its end");
  const small = {
    count: tail.readUInt16LE(at + 10),
    bytes: tail.readUInt32LE(at + 12),
    start: tail.readUInt32LE(at + 16),
  };
  const isLarge = small.count === 0xffff || small.bytes >= 0xffffffff || small.start >= 0xffffffff;
  const { count, bytes, start } = isLarge ? await largeEnd(source, tail, at) : small;
  if (start + bytes > source.size) throw new Unreadable("its directory ends behind the file");
  return { start, end: start + bytes, count };
}

function lastEnd(tail: Buffer): number | undefined {
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END) continue;
    if (at + END_BYTES + tail.readUInt16LE(at + 20) === tail.length) return at;
  }
  return undefined;
}

/** Past 65,535 entries or 4 GiB. */
async function largeEnd(
  source: ByteSource,
  tail: Buffer,
  end: number,
): Promise<{ count: number; bytes: number; start: number }> {
  const locator = end - 20;
  if (locator < 0 || tail.readUInt32LE(locator) !== END_64_LOCATOR)
    throw new Unreadable("a large zip file whose directory cannot be found");
  const at = whole(tail, locator + 8);
  const record = await readRange(source, { start: at, end: at + 56, bytesMax: 56 });
  if (record.readUInt32LE(0) !== END_64)
    throw new Unreadable("a large zip file whose directory cannot be found");
  return { count: whole(record, 32), bytes: whole(record, 40), start: whole(record, 48) };
}

function readEntry(
  bytes: Buffer,
  at: number,
  directoryAt: number,
): { entry: ZipEntry; next: number } {
  if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== ENTRY)
    throw new Unreadable("its directory is cut short");
  const flags = bytes.readUInt16LE(at + 8);
  const method = bytes.readUInt16LE(at + 10);
  const nameAt = at + 46;
  const extraAt = nameAt + bytes.readUInt16LE(at + 28);
  const commentAt = extraAt + bytes.readUInt16LE(at + 30);
  const next = commentAt + bytes.readUInt16LE(at + 32);
  if (next > bytes.length) throw new Unreadable("its directory is cut short");
  const name = bytes.toString("utf8", nameAt, extraAt);
  if ((flags & 1) !== 0) throw new Unreadable(`the entry ${name} is encrypted`);
  if (method !== 0) throw new Unreadable(`the entry ${name} is compressed`);
  const sizes = entrySizes(bytes, { at, extraAt, commentAt });
  if (sizes.packed !== sizes.size) throw new Unreadable(`the entry ${name} has two sizes`);
  if (sizes.headerAt + 30 + sizes.size > directoryAt)
    throw new Unreadable(`the entry ${name} reaches into the directory`);
  return { entry: { name, size: sizes.size, headerAt: sizes.headerAt }, next };
}

/** What does not fit into 32 bits stands in an extra field, in this order and only where it does not fit. */
function entrySizes(
  bytes: Buffer,
  { at, extraAt, commentAt }: { at: number; extraAt: number; commentAt: number },
): { packed: number; size: number; headerAt: number } {
  const sizes = {
    size: bytes.readUInt32LE(at + 24),
    packed: bytes.readUInt32LE(at + 20),
    headerAt: bytes.readUInt32LE(at + 42),
  };
  let field = extraAt;
  while (field + 4 <= commentAt) {
    const id = bytes.readUInt16LE(field);
    const end = Math.min(commentAt, field + 4 + bytes.readUInt16LE(field + 2));
    if (id === 1) {
      let value = field + 4;
      for (const name of ["size", "packed", "headerAt"] as const) {
        if (sizes[name] !== 0xffffffff) continue;
        if (value + 8 > end) throw new Unreadable("its directory is cut short");
        sizes[name] = whole(bytes, value);
        value += 8;
      }
    }
    field = end;
  }
  return sizes;
}

function whole(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new Unreadable(`it speaks of ${value} bytes, which no file has`);
  return Number(value);
}

function refuseOverlap(entries: readonly ZipEntry[], directoryAt: number): void {
  const inOrder = entries.toSorted((a, b) => a.headerAt - b.headerAt);
  for (const [index, { name, headerAt, size }] of inOrder.entries()) {
    const nextAt = inOrder[index + 1]?.headerAt ?? directoryAt;
    if (headerAt + 30 + size > nextAt)
      throw new Unreadable(`the entry ${name} lies on top of the next one`);
  }
}
