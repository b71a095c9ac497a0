/**
 * Points as a stream of Arrow record batches (the IPC streaming format): a schema, a batch for every batch of points,
 * an end mark. Written here because the columns are fixed and the format is little more than headers before arrays that
 * are in memory already; the one library that can write batch after batch brings eight others, and theirs.
 *
 * The file format, with its index at the end, was refused: a stream is what HTTP carries, and a reader of it sees the
 * first batch before the last is there.
 */
import { type FlatTable, flatBuffer } from "./flat-buffer.ts";
import type { PointBatch, PointEncoder } from "./point-batch.ts";

/** Numbers of Arrow's own schema (Message.fbs, Schema.fbs). */
const VERSION_5 = 4;
const HEADER = { schema: 1, recordBatch: 3 } as const;
const TYPE = { int: 2, float: 3, utf8: 5, bool: 6, timestamp: 10 } as const;
const DOUBLE = 2;
const MILLISECONDS = 1;

interface ArrowColumn {
  readonly name: string;
  readonly type: number;
  /** What tells one type of that kind from another. */
  readonly details: FlatTable;
  /** Its buffers after the one that marks what is absent: nothing is. */
  readonly buffers: (points: PointBatch) => readonly Uint8Array[];
}

type Numbers = Int32Array | BigInt64Array | Float64Array;

const numbers = (pick: (points: PointBatch) => Numbers) => (points: PointBatch) => {
  const array = pick(points);
  return [new Uint8Array(array.buffer, array.byteOffset, points.length * array.BYTES_PER_ELEMENT)];
};

const int = (bits: number): FlatTable => [
  { kind: "i32", value: bits },
  { kind: "u8", value: 1 },
];

const COLUMNS: readonly ArrowColumn[] = [
  {
    name: "experiment",
    type: TYPE.int,
    details: int(32),
    buffers: numbers(({ experiment }) => experiment),
  },
  { name: "trial", type: TYPE.int, details: int(32), buffers: numbers(({ trial }) => trial) },
  { name: "run", type: TYPE.int, details: int(32), buffers: numbers(({ run }) => run) },
  { name: "seq", type: TYPE.int, details: int(64), buffers: numbers(({ seq }) => seq) },
  { name: "step", type: TYPE.int, details: int(64), buffers: numbers(({ step }) => step) },
  {
    name: "time",
    type: TYPE.timestamp,
    details: [
      { kind: "i16", value: MILLISECONDS },
      { kind: "text", value: "UTC" },
    ],
    buffers: numbers(({ timeMs }) => timeMs),
  },
  { name: "name", type: TYPE.utf8, details: [], buffers: texts },
  {
    name: "value",
    type: TYPE.float,
    details: [{ kind: "i16", value: DOUBLE }],
    buffers: numbers(({ value }) => value),
  },
  { name: "superseded", type: TYPE.bool, details: [], buffers: bits },
];

export function arrowPoints(): PointEncoder {
  return {
    begin: () => message(HEADER.schema, schema(), []),
    batch(points) {
      const buffers = COLUMNS.flatMap((column) => [new Uint8Array(), ...column.buffers(points)]);
      return message(HEADER.recordBatch, recordBatch(points.length, buffers), buffers);
    },
    // A message of no length.
    end: () => new Uint8Array(new Uint32Array([0xffffffff, 0]).buffer),
  };
}

const schema = (): FlatTable => [
  undefined,
  {
    kind: "tables",
    value: COLUMNS.map(({ name, type, details }) => [
      { kind: "text", value: name },
      { kind: "u8", value: 0 },
      { kind: "u8", value: type },
      { kind: "table", value: details },
      undefined,
      // Children: readers want them to be there, although there are none.
      { kind: "tables", value: [] },
    ]),
  },
];

function recordBatch(length: number, buffers: readonly Uint8Array[]): FlatTable {
  let at = 0;
  const places = buffers.map((buffer) => {
    const place = [at, buffer.length] as const;
    at += padded(buffer.length);
    return place;
  });
  return [
    { kind: "i64", value: length },
    { kind: "pairs", value: COLUMNS.map(() => [length, 0] as const) },
    { kind: "pairs", value: places },
  ];
}

/** A mark, the length of the header, the header, then the buffers, each at a multiple of 8. */
function message(type: number, header: FlatTable, buffers: readonly Uint8Array[]): Uint8Array {
  const bodyBytes = buffers.reduce((sum, buffer) => sum + padded(buffer.length), 0);
  const head = flatBuffer([
    { kind: "i16", value: VERSION_5 },
    { kind: "u8", value: type },
    { kind: "table", value: header },
    { kind: "i64", value: bodyBytes },
  ]);
  const out = new Uint8Array(8 + head.length + bodyBytes);
  new DataView(out.buffer).setUint32(0, 0xffffffff, true);
  new DataView(out.buffer).setUint32(4, head.length, true);
  out.set(head, 8);
  let at = 8 + head.length;
  for (const buffer of buffers) {
    out.set(buffer, at);
    at += padded(buffer.length);
  }
  return out;
}

const padded = (size: number): number => Math.ceil(size / 8) * 8;

/** Where each begins, and all of them. */
function texts({ name, length }: PointBatch): readonly Uint8Array[] {
  const bytesOf = new Map<string, Uint8Array>();
  const parts: Uint8Array[] = [];
  const offsets = new Int32Array(length + 1);
  let end = 0;
  for (let i = 0; i < length; i++) {
    const text = name[i] as string;
    let bytes = bytesOf.get(text);
    if (bytes === undefined) {
      bytes = Buffer.from(text);
      bytesOf.set(text, bytes);
    }
    parts.push(bytes);
    end += bytes.length;
    offsets[i + 1] = end;
  }
  return [new Uint8Array(offsets.buffer), Buffer.concat(parts, end)];
}

function bits({ superseded, length }: PointBatch): readonly Uint8Array[] {
  const out = new Uint8Array(Math.ceil(length / 8));
  for (let i = 0; i < length; i++)
    if (superseded[i] === 1) out[i >> 3] = (out[i >> 3] as number) | (1 << (i & 7));
  return [out];
}
