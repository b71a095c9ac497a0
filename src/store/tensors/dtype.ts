/**
 * Types of elements under one set of names, whatever the file format calls them, and how far two elements are apart.
 * All bytes are little-endian; a file that says otherwise is not read.
 */
export interface ElementType {
  readonly name: string;
  readonly bytes: number;
  /** The number at a byte; undefined where the type has none (packed or unknown bits). */
  readonly valueAt?: (view: DataView, at: number) => number;
  /** Instead of `|a − b|` of the values: for whole numbers that a double cannot hold, and for complex ones. */
  readonly distanceAt?: (a: DataView, b: DataView, at: number) => number;
}

const whole64 =
  (signed: boolean) =>
  (a: DataView, b: DataView, at: number): number => {
    const read = (view: DataView) =>
      signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true);
    const apart = read(a) - read(b);
    return Number(apart < 0n ? -apart : apart);
  };

/** @param mantissaBits how many of the low bits are the fraction */
const smallFloat =
  (exponentBits: number, mantissaBits: number, finiteOnly: boolean) =>
  (bits: number): number => {
    const exponentMax = 2 ** exponentBits - 1;
    const bias = 2 ** (exponentBits - 1) - 1;
    const sign = (bits >>> (exponentBits + mantissaBits)) & 1 ? -1 : 1;
    const exponent = (bits >>> mantissaBits) & exponentMax;
    const fraction = bits & (2 ** mantissaBits - 1);
    if (exponent === exponentMax) {
      if (!finiteOnly) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
      if (fraction === 2 ** mantissaBits - 1) return Number.NaN;
    }
    const scale = 2 ** -mantissaBits;
    return exponent === 0
      ? sign * fraction * scale * 2 ** (1 - bias)
      : sign * (1 + fraction * scale) * 2 ** (exponent - bias);
  };

const half = smallFloat(5, 10, false);
const e5m2 = smallFloat(5, 2, false);
const e4m3 = smallFloat(4, 3, true);

const bfloatBits = new DataView(new ArrayBuffer(4));
function bfloat(bits: number): number {
  bfloatBits.setUint32(0, bits << 16);
  return bfloatBits.getFloat32(0);
}

const complex =
  (read: (view: DataView, at: number) => number, width: number) =>
  (a: DataView, b: DataView, at: number): number =>
    Math.hypot(read(a, at) - read(b, at), read(a, at + width) - read(b, at + width));

const f32 = (view: DataView, at: number): number => view.getFloat32(at, true);
const f64 = (view: DataView, at: number): number => view.getFloat64(at, true);
const f16 = (view: DataView, at: number): number => half(view.getUint16(at, true));

const types: readonly ElementType[] = [
  { name: "bool", bytes: 1, valueAt: (view, at) => view.getUint8(at) },
  { name: "uint8", bytes: 1, valueAt: (view, at) => view.getUint8(at) },
  { name: "int8", bytes: 1, valueAt: (view, at) => view.getInt8(at) },
  { name: "uint16", bytes: 2, valueAt: (view, at) => view.getUint16(at, true) },
  { name: "int16", bytes: 2, valueAt: (view, at) => view.getInt16(at, true) },
  { name: "uint32", bytes: 4, valueAt: (view, at) => view.getUint32(at, true) },
  { name: "int32", bytes: 4, valueAt: (view, at) => view.getInt32(at, true) },
  { name: "uint64", bytes: 8, distanceAt: whole64(false) },
  { name: "int64", bytes: 8, distanceAt: whole64(true) },
  { name: "float8_e4m3fn", bytes: 1, valueAt: (view, at) => e4m3(view.getUint8(at)) },
  { name: "float8_e5m2", bytes: 1, valueAt: (view, at) => e5m2(view.getUint8(at)) },
  { name: "float16", bytes: 2, valueAt: f16 },
  { name: "bfloat16", bytes: 2, valueAt: (view, at) => bfloat(view.getUint16(at, true)) },
  { name: "float32", bytes: 4, valueAt: f32 },
  { name: "float64", bytes: 8, valueAt: f64 },
  { name: "complex32", bytes: 4, distanceAt: complex(f16, 2) },
  { name: "complex64", bytes: 8, distanceAt: complex(f32, 4) },
  { name: "complex128", bytes: 16, distanceAt: complex(f64, 8) },
];
const byName = new Map(types.map((type) => [type.name, type]));

/** @returns undefined for a name that is not among them */
export const elementType = (name: string): ElementType | undefined => byName.get(name);

/** Elements of a known width whose bits mean nothing to us. */
export const bareBits = (name: string, bytes: number): ElementType => ({ name, bytes });

/** How far apart the elements at a byte are, NaN where either is no number, undefined where the type has no distance. */
export function distance(
  type: ElementType,
  { a, b, at }: { readonly a: DataView; readonly b: DataView; readonly at: number },
): number | undefined {
  if (type.distanceAt !== undefined) return type.distanceAt(a, b, at);
  if (type.valueAt === undefined) return undefined;
  const [left, right] = [type.valueAt(a, at), type.valueAt(b, at)];
  // Two NaNs of different bits, or infinities of one sign (which are the same bits and never come here).
  return Math.abs(left - right);
}
