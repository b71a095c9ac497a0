/**
 * Two tensors, element by element. Same bits, same element: so a NaN is equal to itself, and 0 is not −0. Blocks that
 * are equal as bytes are passed over at the speed of memory; only the others are looked into.
 */
import { assert } from "../../base/assert.ts";
import { blocks, readRange } from "./byte-source.ts";
import { distance, type ElementType } from "./dtype.ts";
import { rowStrides, type Tensor } from "./model-items.ts";
import { Unreadable } from "./unreadable.ts";

export interface ElementDifference {
  /** Elements that differ in a bit. */
  readonly differing: number;
  /** NaN, an infinity, or a number from 0 on; null where the type has no distance. */
  readonly maxAbs: number | null;
  /** Of the first of them, in the order in which they lie in `a`. */
  readonly index: readonly number[];
}

/** A whole number of elements of every known type. */
const BLOCK_BYTES = 1024 * 1024;
/** Tensors that do not lie in one piece are taken into memory. */
const GATHERED_BYTES_MAX = 128 * 1024 * 1024;

/**
 * @param a, b of one shape and one type
 * @returns undefined when every element has the same bits
 * @throws Unreadable for a tensor that is laid out in steps and too large for memory
 */
export async function compareElements(
  a: Tensor,
  b: Tensor,
): Promise<ElementDifference | undefined> {
  assert(a.type.name === b.type.name && a.elements === b.elements, "two tensors of one kind");
  if (a.elements === 0) return undefined;
  const tally = new Tally(a.type);
  const inOneOrder = isDense(a) && sameLayout(a, b);
  if (inOneOrder) await inStorageOrder(a, b, tally);
  else await gathered(a, b, tally);
  if (tally.differing === 0) return undefined;
  const strides = inOneOrder ? a.strides : rowStrides(a.shape);
  const index = indexAt(tally.first, a.shape, strides);
  return { differing: tally.differing, maxAbs: tally.maxAbs, index };
}

class Tally {
  readonly type: ElementType;
  differing = 0;
  first = -1;
  maxAbs: number | null = null;

  constructor(type: ElementType) {
    this.type = type;
  }

  /** The elements at a byte of two blocks differ; `place` is their number in the order of comparison. */
  add(pair: { readonly a: DataView; readonly b: DataView; readonly at: number }, place: number) {
    if (this.first < 0) this.first = place;
    this.differing += 1;
    const apart = distance(this.type, pair);
    if (apart === undefined || Number.isNaN(this.maxAbs)) return;
    if (Number.isNaN(apart) || apart > (this.maxAbs ?? -1)) this.maxAbs = apart;
  }
}

async function inStorageOrder(a: Tensor, b: Tensor, tally: Tally): Promise<void> {
  const { bytes } = a.type;
  const blockBytes = Math.max(bytes, BLOCK_BYTES - (BLOCK_BYTES % bytes));
  const others = blocks(b.source, { start: b.startByte, end: b.endByte, blockBytes });
  let place = 0;
  try {
    for await (const block of blocks(a.source, {
      start: a.startByte,
      end: a.endByte,
      blockBytes,
    })) {
      const other = (await others.next()).value;
      assert(other !== undefined && other.length === block.length, "blocks of one length");
      compareBlocks(block, other, { tally, place });
      place += block.length / bytes;
    }
  } finally {
    await others.return();
  }
}

function compareBlocks(
  block: Uint8Array,
  other: Uint8Array,
  { tally, place }: { readonly tally: Tally; readonly place: number },
): void {
  if (Buffer.compare(block, other) === 0) return;
  const [a, b] = [viewOf(block), viewOf(other)];
  const { bytes } = tally.type;
  for (let at = 0; at < block.length; at += bytes)
    if (!sameBits(block, at, other, at, bytes)) tally.add({ a, b, at }, place + at / bytes);
}

/** In the order of the index, whatever the order in the files. */
async function gathered(a: Tensor, b: Tensor, tally: Tally): Promise<void> {
  const [left, right] = [await packed(a), await packed(b)];
  compareBlocks(left, right, { tally, place: 0 });
}

async function packed(tensor: Tensor): Promise<Uint8Array> {
  const { name, source, startByte, endByte, shape, strides, elements, type } = tensor;
  const bytes = elements * type.bytes;
  if (bytes > GATHERED_BYTES_MAX || endByte - startByte > GATHERED_BYTES_MAX)
    throw new Unreadable(`the tensor ${name} is laid out in steps and has ${bytes} bytes`);
  const range = { start: startByte, end: endByte, bytesMax: GATHERED_BYTES_MAX };
  const span = await readRange(source, range);
  const result = Buffer.alloc(bytes);
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < bytes; to += type.bytes) {
    span.copy(result, to, from, from + type.bytes);
    // The next index, the last dimension running fastest.
    for (let d = shape.length - 1; d >= 0; d--) {
      from += strides[d]! * type.bytes;
      index[d]! += 1;
      if (index[d]! < shape[d]!) break;
      from -= shape[d]! * strides[d]! * type.bytes;
      index[d] = 0;
    }
  }
  return result;
}

/** Whether its elements are exactly the bytes from its first to its last, in whatever order. */
function isDense(tensor: Tensor): boolean {
  let step = 1;
  for (const { side, stride } of byStride(tensor.shape, tensor.strides).reverse()) {
    if (stride !== step) return false;
    step *= side;
  }
  return true;
}

/** The dimensions that have a second element, widest steps first. */
const byStride = (shape: readonly number[], strides: readonly number[]) =>
  shape
    .map((side, dimension) => ({ side, stride: strides[dimension]!, dimension }))
    .filter(({ side }) => side > 1)
    .sort((x, y) => y.stride - x.stride);

const sameLayout = (a: Tensor, b: Tensor): boolean =>
  a.shape.every((side, d) => side < 2 || a.strides[d] === b.strides[d]);

function indexAt(place: number, shape: readonly number[], strides: readonly number[]): number[] {
  const index = shape.map(() => 0);
  let left = place;
  for (const { stride, dimension } of byStride(shape, strides)) {
    index[dimension] = Math.floor(left / stride);
    left %= stride;
  }
  return index;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function sameBits(a: Uint8Array, atA: number, b: Uint8Array, atB: number, bytes: number): boolean {
  for (let i = 0; i < bytes; i++) if (a[atA + i] !== b[atB + i]) return false;
  return true;
}
