/**
 * The few shapes of FlatBuffers that messages of Arrow are made of, written from the front: a table first, then what it
 * refers to, whose place is filled in once it is known. (The usual builders begin at the end because their offsets
 * are forced to point forward; writing parents first gives that, too, and needs no builder of builders.)
 */

/** A field of a table, in the order of the schema's field numbers; undefined = left out, its default holds. */
export type FlatField =
  | { readonly kind: "u8" | "i16" | "i32"; readonly value: number }
  | { readonly kind: "i64"; readonly value: number }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "table"; readonly value: FlatTable }
  | { readonly kind: "tables"; readonly value: readonly FlatTable[] }
  /** A vector of structs of two 64-bit numbers each. */
  | { readonly kind: "pairs"; readonly value: readonly (readonly [number, number])[] };
export type FlatTable = readonly (FlatField | undefined)[];

const SIZES = { u8: 1, i16: 2, i32: 4, i64: 8, text: 4, table: 4, tables: 4, pairs: 4 } as const;

/** @returns the buffer, whose length is a multiple of 8 */
export function flatBuffer(root: FlatTable): Uint8Array {
  const out = new Growing();
  const rootAt = out.reserve(4, 4);
  out.refer(rootAt, writeTable(out, root));
  out.align(8);
  return out.bytes();
}

function writeTable(out: Growing, table: FlatTable): number {
  // Largest first, so that nothing is wasted on alignment.
  const placed = table
    .flatMap((field, id) => (field === undefined ? [] : [{ field, id, size: SIZES[field.kind] }]))
    .sort((a, b) => b.size - a.size);
  let size = 4;
  const offsets = new Map<number, number>();
  for (const { id, size: width } of placed) {
    size = Math.ceil(size / width) * width;
    offsets.set(id, size);
    size += width;
  }
  const vtableBytes = 4 + 2 * table.length;
  const vtableAt = out.reserve(vtableBytes, 2);
  const tableAt = out.reserve(size, 8);
  out.i16(vtableAt, vtableBytes);
  out.i16(vtableAt + 2, size);
  for (const [id] of table.entries()) out.i16(vtableAt + 4 + 2 * id, offsets.get(id) ?? 0);
  out.i32(tableAt, tableAt - vtableAt);
  for (const { field, id } of placed) writeField(out, tableAt + (offsets.get(id) ?? 0), field);
  return tableAt;
}

function writeField(out: Growing, at: number, field: FlatField): void {
  switch (field.kind) {
    case "u8":
      return out.u8(at, field.value);
    case "i16":
      return out.i16(at, field.value);
    case "i32":
      return out.i32(at, field.value);
    case "i64":
      return out.i64(at, field.value);
    case "text":
      return out.refer(at, writeText(out, field.value));
    case "table":
      return out.refer(at, writeTable(out, field.value));
    case "tables": {
      const vector = out.reserve(4 + 4 * field.value.length, 4);
      out.i32(vector, field.value.length);
      out.refer(at, vector);
      for (const [i, table] of field.value.entries())
        out.refer(vector + 4 + 4 * i, writeTable(out, table));
      return;
    }
    case "pairs": {
      // The length stands right before the elements, which are aligned as what they hold.
      const elements = out.reserve(16 * field.value.length, 8, 4);
      out.i32(elements - 4, field.value.length);
      out.refer(at, elements - 4);
      for (const [i, [first, second]] of field.value.entries()) {
        out.i64(elements + 16 * i, first);
        out.i64(elements + 16 * i + 8, second);
      }
      return;
    }
  }
}

function writeText(out: Growing, text: string): number {
  const bytes = Buffer.from(text);
  const at = out.reserve(4 + bytes.length + 1, 4);
  out.i32(at, bytes.length);
  out.copy(at + 4, bytes);
  return at;
}

class Growing {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  align(to: number): void {
    this.reserve(0, to);
  }
  /** @param before bytes in front of what is aligned @returns where the zeroed bytes begin */
  reserve(size: number, alignment: number, before = 0): number {
    const at = Math.ceil((this.#length + before) / alignment) * alignment;
    this.#length = at + size;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
  refer(at: number, to: number): void {
    this.#view.setUint32(at, to - at, true);
  }
  u8(at: number, value: number): void {
    this.#view.setUint8(at, value);
  }
  i16(at: number, value: number): void {
    this.#view.setInt16(at, value, true);
  }
  i32(at: number, value: number): void {
    this.#view.setInt32(at, value, true);
  }
  i64(at: number, value: number): void {
    this.#view.setBigInt64(at, BigInt(value), true);
  }
  copy(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, at);
  }
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}
