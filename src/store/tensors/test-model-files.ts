/** Model files written by hand, byte by byte, so that tests can also write wrong ones. For tests alone. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import type { ByteSource, OpenRange } from "./byte-source.ts";

export const memorySource = (bytes: Uint8Array, pieceBytes = 7): ByteSource => ({
  size: bytes.length,
  async *read(start, end) {
    for (let at = start; at < end; at += pieceBytes)
      yield bytes.subarray(at, Math.min(end, at + pieceBytes));
  },
});

/** A tree of these files, and what opens their content. */
export function treeOf(files: Readonly<Record<string, Uint8Array>>): {
  tree: TreeEntry[];
  blobs: Map<string, Uint8Array>;
} {
  const blobs = new Map<string, Uint8Array>();
  const tree = Object.entries(files).map(([path, bytes]): TreeEntry => {
    const hash = createHash("sha256").update(bytes).digest("hex");
    blobs.set(hash, bytes);
    return { path, size: bytes.length, hash, executable: false };
  });
  return { tree, blobs };
}

export const openAll =
  (...all: readonly ReadonlyMap<string, Uint8Array>[]): OpenRange =>
  async (hash, range) => {
    const bytes = all.map((blobs) => blobs.get(hash)).find((found) => found !== undefined);
    if (bytes === undefined) return undefined;
    const part = range === undefined ? bytes : bytes.subarray(range.start, range.end + 1);
    return { stream: Readable.from([Buffer.from(part)]), size: bytes.length };
  };

export interface WrittenTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export function safetensors(
  tensors: Readonly<Record<string, WrittenTensor>>,
  metadata?: Readonly<Record<string, string>>,
): Buffer {
  let at = 0;
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.length] };
    at += data.length;
  }
  return withHeader(
    JSON.stringify(header),
    Buffer.concat(Object.values(tensors).map(({ data }) => data)),
  );
}

export function withHeader(header: string, data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), data]);
}

export const floats = (...values: number[]): Buffer => Buffer.from(new Float32Array(values).buffer);

/** Stored, not compressed. */
export function zip(entries: Readonly<Record<string, Uint8Array>>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, data] of Object.entries(entries)) {
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt32LE(crc32(data), 14);
    local.writeUInt32LE(data.length, 18);
    local.writeUInt32LE(data.length, 22);
    local.writeUInt16LE(Buffer.byteLength(name), 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt32LE(crc32(data), 16);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt32LE(data.length, 24);
    entry.writeUInt16LE(Buffer.byteLength(name), 28);
    entry.writeUInt32LE(at, 42);
    parts.push(local, Buffer.from(name), Buffer.from(data));
    directory.push(entry, Buffer.from(name));
    at += 30 + Buffer.byteLength(name) + data.length;
  }
  const end = Buffer.alloc(22);
  const count = Object.keys(entries).length;
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

/** Pickles, in the opcodes of protocol 2. */
export const py = {
  file: (...body: Buffer[]): Buffer =>
    Buffer.concat([Buffer.from([0x80, 2]), ...body, Buffer.from(".")]),
  text: (text: string): Buffer => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return Buffer.concat([Buffer.from("X"), length, bytes]);
  },
  int: (value: number): Buffer => {
    const bytes = Buffer.alloc(5);
    bytes.write("J");
    bytes.writeInt32LE(value, 1);
    return bytes;
  },
  float: (value: number): Buffer => {
    const bytes = Buffer.alloc(9);
    bytes.write("G");
    bytes.writeDoubleBE(value, 1);
    return bytes;
  },
  true: Buffer.from([0x88]),
  false: Buffer.from([0x89]),
  none: Buffer.from("N"),
  tuple: (...items: Buffer[]): Buffer =>
    Buffer.concat([Buffer.from("("), ...items, Buffer.from("t")]),
  list: (...items: Buffer[]): Buffer =>
    Buffer.concat([Buffer.from("]("), ...items, Buffer.from("e")]),
  dict: (entries: Readonly<Record<string, Buffer>>): Buffer =>
    Buffer.concat([
      Buffer.from("}("),
      ...Object.entries(entries).flatMap(([name, value]) => [py.text(name), value]),
      Buffer.from("u"),
    ]),
  global: (module: string, name: string): Buffer => Buffer.from(`c${module}\n${name}\n`),
  call: (callee: Buffer, ...args: Buffer[]): Buffer =>
    Buffer.concat([callee, py.tuple(...args), Buffer.from("R")]),
  storage: (key: string, length: number, type = "FloatStorage"): Buffer =>
    Buffer.concat([
      py.tuple(
        ...[py.text("storage"), py.global("torch", type), py.text(key), py.text("cpu")],
        py.int(length),
      ),
      Buffer.from("Q"),
    ]),
  tensor: (options: {
    storage: Buffer;
    offset?: number;
    shape: number[];
    strides: number[];
  }): Buffer =>
    py.call(
      ...([py.global("torch._utils", "_rebuild_tensor_v2"), options.storage] as const),
      ...[py.int(options.offset ?? 0), py.tuple(...options.shape.map(py.int))],
      ...[py.tuple(...options.strides.map(py.int)), py.false],
      py.call(py.global("collections", "OrderedDict")),
    ),
};

/** A file of `torch.save`. */
export const torchFile = (
  pickle: Buffer,
  storages: Readonly<Record<string, Uint8Array>> = {},
): Buffer =>
  zip({
    "model/data.pkl": pickle,
    "model/byteorder": Buffer.from("little"),
    ...Object.fromEntries(
      Object.entries(storages).map(([key, bytes]) => [`model/data/${key}`, bytes]),
    ),
    "model/version": Buffer.from("3\n"),
  });
