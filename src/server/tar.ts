/**
 * The files of a checkpoint as one uncompressed tar stream, for browsers, which can save a file but no folder. The format
 * is ustar with pax records (POSIX.1-2001) for long paths and large files: every tar since reads it, the length is
 * known before the first byte, and nothing of a file is ever held. A zip was refused because it needs the
 * checksum of each file before or a trailer that some readers stumble over; compression, because weights do not shrink.
 * Owner, time and modes are fixed, so the same checkpoint is the same archive.
 */
import assert from "node:assert/strict";
import type { TreeEntry } from "../protocol/runner-wire.ts";

const BLOCK = 512;
const OCTAL_SIZE_MAX = 8 ** 11 - 1;

type Opened = AsyncIterable<Uint8Array>;

/** The entries under one folder of this name, so that unpacking litters nobody's folder. */
interface Archive {
  readonly folder: string;
  readonly tree: readonly Pick<TreeEntry, "path" | "size" | "hash" | "executable">[];
}

export function tarBytes({ folder, tree }: Archive): number {
  const files = tree.reduce((sum, entry) => {
    const name = `${folder}/${entry.path}`;
    return sum + headersOf(name, entry).length + padded(entry.size);
  }, 0);
  return files + 2 * BLOCK;
}

/** @param open the content by its hash; it must have exactly the size that the tree says */
export async function* tarStream(
  { folder, tree }: Archive,
  open: (hash: string) => Promise<Opened>,
): AsyncGenerator<Uint8Array> {
  for (const entry of tree) {
    yield headersOf(`${folder}/${entry.path}`, entry);
    let sent = 0;
    for await (const chunk of await open(entry.hash)) {
      sent += chunk.length;
      yield chunk;
    }
    if (sent !== entry.size)
      throw new Error(`${entry.path} has ${sent} bytes in store and ${entry.size} in its tree`);
    const rest = padded(sent) - sent;
    if (rest > 0) yield Buffer.alloc(rest);
  }
  yield Buffer.alloc(2 * BLOCK);
}

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

function headersOf(name: string, { size, executable }: Archive["tree"][number]): Buffer {
  const isPlain = /^[\x20-\x7e]{1,100}$/.test(name);
  const records: string[] = [];
  if (!isPlain) records.push(record("path", name));
  if (size > OCTAL_SIZE_MAX) records.push(record("size", String(size)));
  const mode = executable ? 0o755 : 0o644;
  const own = header({
    name: isPlain ? name : name.replace(/[^\x20-\x7e]/g, "_").slice(-100),
    ...{ size: Math.min(size, OCTAL_SIZE_MAX), mode, type: "0" },
  });
  if (records.length === 0) return own;
  const body = Buffer.from(records.join(""));
  const fill = Buffer.alloc(padded(body.length) - body.length);
  const before = header({ name: "pax", size: body.length, mode: 0o644, type: "x" });
  return Buffer.concat([before, body, fill, own]);
}

/** "LENGTH KEY=VALUE\n", where the length counts itself. */
function record(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
  readonly type: "0" | "x";
}

function header({ name, size, mode, type }: Header): Buffer {
  const block = Buffer.alloc(BLOCK);
  assert.ok(Buffer.byteLength(name) <= 100);
  const octal = (value: number, at: number, digits: number): void => {
    block.write(`${value.toString(8).padStart(digits, "0")}\0`, at, "latin1");
  };
  block.write(name, 0, "latin1");
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(0, 136, 11);
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
