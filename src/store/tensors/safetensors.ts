/**
 * Safetensors: eight bytes of length, a JSON header with a name, type, shape and range for each tensor, then the bytes.
 * The ranges must cover the data without gap and overlap, as the format says; so a small file cannot claim much.
 */
import type { Json } from "../../base/json.ts";
import { type ByteSource, readRange } from "./byte-source.ts";
import { bareBits, elementType } from "./dtype.ts";
import {
  elementsOf,
  type ModelFile,
  type PlainValue,
  rowStrides,
  type Tensor,
} from "./model-items.ts";
import { Unreadable } from "./unreadable.ts";

/** As the format's own library has it. */
const HEADER_BYTES_MAX = 100_000_000;

const NAMES: ReadonlyMap<string, string> = new Map([
  ["BOOL", "bool"],
  ["U8", "uint8"],
  ["I8", "int8"],
  ["U16", "uint16"],
  ["I16", "int16"],
  ["U32", "uint32"],
  ["I32", "int32"],
  ["U64", "uint64"],
  ["I64", "int64"],
  ["F8_E4M3", "float8_e4m3fn"],
  ["F8_E5M2", "float8_e5m2"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["F32", "float32"],
  ["F64", "float64"],
  ["C64", "complex64"],
]);

/** @param head the first bytes of the file, 9 at least where it has them */
export function looksLikeSafetensors(head: Uint8Array, fileBytes: number): boolean {
  if (head.length < 9 || head[8] !== 0x7b) return false;
  const length = headerBytes(head);
  return length >= 2 && length <= HEADER_BYTES_MAX && 8 + length <= fileBytes;
}

/** @throws Unreadable */
export async function readSafetensors(source: ByteSource): Promise<ModelFile> {
  const start = await readRange(source, { start: 0, end: 8, bytesMax: 8 });
  const dataAt = 8 + headerBytes(start);
  const header = await readRange(source, { start: 8, end: dataAt, bytesMax: HEADER_BYTES_MAX });
  const entries = Object.entries(objectIn(header.toString("utf8")));
  const values: PlainValue[] = [];
  const tensors: Tensor[] = [];
  for (const [name, entry] of entries) {
    if (name === "__metadata__") values.push(...metadata(entry));
    else tensors.push(tensorOf(name, entry, { source, dataAt }));
  }
  // The order in which they were written; JSON parsers put names that are whole numbers first.
  tensors.sort((a, b) => a.startByte - b.startByte || a.endByte - b.endByte);
  refuseGaps(tensors, dataAt, source.size);
  return { format: "safetensors", items: [...tensors, ...values] };
}

function headerBytes(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return Number(view.getBigUint64(0, true));
}

function objectIn(text: string): { readonly [name: string]: Json } {
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Unreadable("its header is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Unreadable("its header is not a JSON object");
  return value as { readonly [name: string]: Json };
}

function metadata(entry: Json): PlainValue[] {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry))
    throw new Unreadable("its __metadata__ is not a JSON object");
  return (
    Object.entries(entry)
      .map(([name, value]): PlainValue => {
        if (typeof value !== "string")
          throw new Unreadable("its __metadata__ holds other things than texts");
        return { kind: "value", name: `__metadata__.${name}`, text: JSON.stringify(value) };
      })
      // The library writes them in an order of chance.
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  );
}

function tensorOf(
  name: string,
  entry: Json,
  { source, dataAt }: { readonly source: ByteSource; readonly dataAt: number },
): Tensor {
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = { ...(entry as object) } as {
    readonly [key: string]: unknown;
  };
  if (typeof dtype !== "string" || !isCounts(shape) || !isCounts(offsets) || offsets.length !== 2)
    throw new Unreadable(`the tensor ${name} is described in no known way`);
  const [from, to] = offsets as [number, number];
  const elements = elementsOf(shape);
  if (elements === undefined || to < from || dataAt + to > source.size)
    throw new Unreadable(`the tensor ${name} does not fit into the file`);
  const type = elementType(NAMES.get(dtype) ?? "");
  if (type !== undefined && elements * type.bytes !== to - from)
    throw new Unreadable(`the tensor ${name} has ${to - from} bytes, not what its shape says`);
  const range = { source, startByte: dataAt + from, endByte: dataAt + to };
  if (type !== undefined)
    return { kind: "tensor", name, type, shape, strides: rowStrides(shape), elements, ...range };
  // Packed below a byte, or newer than this: its bytes are compared.
  const bits = bareBits(`${dtype} [${shape.join(", ")}] as bytes`, 1);
  const bytes = to - from;
  return {
    ...{ kind: "tensor", name, type: bits, shape: [bytes], strides: [1] },
    ...{ elements: bytes, ...range },
  };
}

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((side) => Number.isSafeInteger(side) && side >= 0);

function refuseGaps(tensors: readonly Tensor[], dataAt: number, size: number): void {
  let at = dataAt;
  for (const { name, startByte, endByte } of tensors) {
    if (startByte !== at)
      throw new Unreadable(`the tensor ${name} does not begin where the one before it ends`);
    at = endByte;
  }
  if (at !== size) throw new Unreadable(`${size - at} bytes at its end belong to no tensor`);
}
