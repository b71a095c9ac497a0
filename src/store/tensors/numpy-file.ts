/**
 * Arrays as numpy writes them: `.npy`, a line of Python that says type and shape before the raw elements, and `.npz`, a
 * zip of those. The line is matched, not evaluated. Arrays of objects are pickles and are not read.
 */
import { type ByteSource, readRange } from "./byte-source.ts";
import { bareBits, type ElementType, elementType } from "./dtype.ts";
import { elementsOf, type ModelFile, rowStrides, type Tensor } from "./model-items.ts";
import { Unreadable } from "./unreadable.ts";
import { entrySource, type ZipEntry } from "./zip.ts";

const HEADER_BYTES_MAX = 1024 * 1024;
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

export const looksLikeNpy = (head: Uint8Array): boolean =>
  MAGIC.every((byte, index) => head[index] === byte);

export const isNpz = (entries: ReadonlyMap<string, ZipEntry>): boolean =>
  entries.size > 0 && [...entries.keys()].every((name) => name.endsWith(".npy"));

/** @throws Unreadable */
export async function readNpy(source: ByteSource): Promise<ModelFile> {
  return { format: "npy", items: [await readArray(source, "array")] };
}

/** @throws Unreadable */
export async function readNpz(
  source: ByteSource,
  entries: ReadonlyMap<string, ZipEntry>,
): Promise<ModelFile> {
  const items: Tensor[] = [];
  for (const [name, entry] of entries)
    items.push(await readArray(await entrySource(source, entry), name.replace(/\.npy$/, "")));
  return { format: "npz", items };
}

async function readArray(source: ByteSource, name: string): Promise<Tensor> {
  const start = await readRange(source, { start: 0, end: Math.min(12, source.size), bytesMax: 12 });
  if (start.length < 12 || !looksLikeNpy(start)) throw new Unreadable(`${name} is no numpy array`);
  const major = start[6]!;
  if (major < 1 || major > 3) throw new Unreadable(`${name} is a numpy array of version ${major}`);
  const headerAt = major === 1 ? 10 : 12;
  const length = major === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  const dataAt = headerAt + length;
  const header = await readRange(source, {
    start: headerAt,
    end: dataAt,
    bytesMax: HEADER_BYTES_MAX,
  });
  const { type, shape, columnsFirst } = described(header.toString("latin1"), name);
  const elements = elementsOf(shape);
  if (elements === undefined || elements * type.bytes !== source.size - dataAt)
    throw new Unreadable(`${name} does not have the bytes that its shape says`);
  const strides = columnsFirst ? rowStrides(shape.toReversed()).reverse() : rowStrides(shape);
  const range = { source, startByte: dataAt, endByte: source.size };
  return { kind: "tensor", name, type, shape, strides, elements, ...range };
}

function described(
  header: string,
  name: string,
): { type: ElementType; shape: number[]; columnsFirst: boolean } {
  const descr = /'descr':\s*'([^']{1,20})'/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const sides = /'shape':\s*\(([0-9, ]{0,1000})\)/.exec(header)?.[1];
  const type = descr === undefined ? undefined : typeOf(descr);
  if (type === undefined || order === undefined || sides === undefined)
    throw new Unreadable(`${name} holds other things than plain numbers`);
  const shape = sides
    .split(",")
    .map((side) => side.trim())
    .filter(Boolean)
    .map(Number);
  if (!shape.every(Number.isSafeInteger)) throw new Unreadable(`${name} has no such shape`);
  return { type, shape, columnsFirst: order === "True" };
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ["b", "bool"],
  ["i", "int"],
  ["u", "uint"],
  ["f", "float"],
  ["c", "complex"],
]);

/** `<f4` and the like. Texts and times are compared as bits, what is big-endian or made of parts not at all. */
function typeOf(descr: string): ElementType | undefined {
  const [, order, kind, digits] = /^([<|=>])([biufcSUmM])(\d{1,6})(?:\[\w+\])?$/.exec(descr) ?? [];
  if (kind === undefined || (order === ">" && digits !== "1")) return undefined;
  const bytes = Number(digits) * (kind === "U" ? 4 : 1);
  if (bytes === 0) return undefined;
  const word = KINDS.get(kind);
  const known = word === "bool" ? elementType("bool") : elementType(`${word}${8 * bytes}`);
  return known ?? bareBits(descr, bytes);
}
