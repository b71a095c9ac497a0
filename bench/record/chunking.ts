/**
 * Where to cut a large file: parts of one size against parts cut by content, by what an edit stores again and by what
 * looking for cuts costs. The figures that docs/data.md shows; run by hand: `node bench/record/chunking.ts`.
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { chunkBuffers, readInChunks } from "../../src/store/chunks.ts";

const MIB = 1024 * 1024;
const FILE_BYTES = 512 * MIB;
const FIXED_BYTES = 4 * MIB;
const ROUNDS = 5;

const buffers = chunkBuffers();
const fileOf = (content: Buffer): Pick<FileHandle, "read"> => ({
  read: (async (buffer: Buffer, offset: number, length: number, position: number) => ({
    ...{ buffer, bytesRead: content.copy(buffer, offset, position, position + length) },
  })) as unknown as FileHandle["read"],
});

interface Part {
  readonly hash: string;
  readonly size: number;
}
type Cutter = (content: Buffer) => Promise<readonly Part[]>;

const fixed: Cutter = async (content) => {
  const parts: Promise<Part>[] = [];
  const whole = createHash("sha256");
  for (let at = 0; at < content.length; at += FIXED_BYTES) {
    const part = new Uint8Array(content.subarray(at, at + FIXED_BYTES));
    parts.push(
      crypto.subtle.digest("SHA-256", part).then((digest) => ({
        ...{ hash: Buffer.from(digest).toString("hex"), size: part.length },
      })),
    );
    whole.update(part);
    if (parts.length >= 4) await parts[parts.length - 4];
  }
  whole.digest();
  return await Promise.all(parts);
};
const byContent: Cutter = async (content) => (await readInChunks(fileOf(content), buffers)).chunks;

function newBytes(from: readonly Part[], to: readonly Part[]): number {
  const known = new Set(from.map(({ hash }) => hash));
  return to.filter(({ hash }) => !known.has(hash)).reduce((sum, { size }) => sum + size, 0);
}

const content = Buffer.alloc(FILE_BYTES);
let x = 7;
for (let at = 0; at < content.length; at += 4) {
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  content.writeInt32LE(x | 0, at);
}
const changed = Buffer.from(content);
changed[200 * MIB] = (changed[200 * MIB] as number) ^ 1;
const inserted = Buffer.concat([content.subarray(0, 100), Buffer.from("x"), content.subarray(100)]);

async function rate(work: () => unknown): Promise<string> {
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    await work();
    rates.push(FILE_BYTES / 1e6 / ((performance.now() - began) / 1000));
  }
  return `${Math.round(rates.sort((a, b) => a - b)[2] as number)} MB/s`;
}

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
console.log(
  `one SHA-256 alone: ${await rate(() => createHash("sha256").update(content).digest())}`,
);
for (const [name, cut] of [
  ["fixed, 4 MiB", fixed],
  ["by content", byContent],
] as const) {
  const parts = await cut(content);
  console.log(
    `${name}: ${parts.length} parts; a byte changed stores ${mb(newBytes(parts, await cut(changed)))}, ` +
      `a byte put in at the front ${mb(newBytes(parts, await cut(inserted)))}; ${await rate(() => cut(content))}`,
  );
}
