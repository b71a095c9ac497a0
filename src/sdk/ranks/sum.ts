/**
 * The sum itself. Floating-point addition depends on its order, so there is one: rank 0, 1, 2 and on, each element by
 * itself, in double precision. Whoever arrives first has no part in it.
 */
export type Values = Float32Array | Float64Array;

/**
 * @param parts one a rank, in order of rank, all of one kind and length
 * @param into gets the sum; may be one of the parts
 */
export function addUp(parts: readonly Values[], into: Values): void {
  const [first, ...others] = parts;
  for (let i = 0; i < into.length; i++) {
    let sum = first?.[i] as number;
    for (const other of others) sum += other[i] as number;
    into[i] = sum;
  }
}

export const bytesOf = (values: Values): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** @param bytes begin an ArrayBuffer of their own */
export const valuesOf = (bytes: Uint8Array, width: number): Values =>
  width === Float32Array.BYTES_PER_ELEMENT
    ? new Float32Array(bytes.buffer as ArrayBuffer)
    : new Float64Array(bytes.buffer as ArrayBuffer);

/** "100 float32 numbers" */
export const kindWords = (width: number, bytes: number): string =>
  `${bytes / width} float${width * 8} numbers`;
