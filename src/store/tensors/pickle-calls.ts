/**
 * The names that a pickle of state may call, and what comes out: a few of torch's, none of which is ever run. A name
 * that is not here ends the reading.
 */
import {
  type PickleValue,
  PyBytes,
  PyDict,
  PyFloat,
  PyGlobal,
  PyList,
  PyStorage,
  PyTensor,
} from "./pickle-value.ts";
import { Unreadable } from "./unreadable.ts";

/** `torch.FloatStorage` and its kin; each stands for the type of its elements. */
const STORAGES: ReadonlyMap<string, string | undefined> = new Map([
  ["torch.DoubleStorage", "float64"],
  ["torch.FloatStorage", "float32"],
  ["torch.HalfStorage", "float16"],
  ["torch.BFloat16Storage", "bfloat16"],
  ["torch.LongStorage", "int64"],
  ["torch.IntStorage", "int32"],
  ["torch.ShortStorage", "int16"],
  ["torch.CharStorage", "int8"],
  ["torch.ByteStorage", "uint8"],
  ["torch.BoolStorage", "bool"],
  ["torch.ComplexDoubleStorage", "complex128"],
  ["torch.ComplexFloatStorage", "complex64"],
  ["torch.UntypedStorage", undefined],
  ["torch.storage.UntypedStorage", undefined],
]);

type Call = (args: readonly PickleValue[]) => PickleValue;

const CALLS: ReadonlyMap<string, Call> = new Map<string, Call>([
  ["collections.OrderedDict", (args) => (args.length === 0 ? new PyDict() : refuse())],
  ["torch._utils._rebuild_tensor_v2", rebuildTensor],
  ["torch._utils._rebuild_tensor_v3", rebuildTypedTensor],
  // A parameter is its tensor; that it asks for gradients is the model's affair.
  [
    "torch._utils._rebuild_parameter",
    ([tensor]) => (tensor instanceof PyTensor ? tensor : refuse()),
  ],
  ["torch.Size", ([sides]) => (sides instanceof PyList ? sides : refuse())],
  ["torch.device", (args) => `device ${args.map(scalarText).join(":")}`],
  ["_codecs.encode", encodedBytes],
]);

const KEY_PARTS_MAX = 16;
const DTYPE = /^torch\.(?:float|bfloat|int|uint|complex|bool|qint|quint)\w*$/;

/** @throws Unreadable for a name that is none of state's */
export function globalOf(module: string, name: string): PyGlobal {
  const full = `${module}.${name}`;
  if (!CALLS.has(full) && !STORAGES.has(full) && !DTYPE.test(full))
    throw new Unreadable(`it holds a ${full}, which is more than tensors, numbers and words`);
  return new PyGlobal(full);
}

/** @throws Unreadable */
export function callGlobal(callee: PickleValue, args: PickleValue): PickleValue {
  const call = callee instanceof PyGlobal ? CALLS.get(callee.name) : undefined;
  if (call === undefined || !(args instanceof PyList))
    throw new Unreadable("its pickle calls what cannot be called");
  return call(args.items);
}

/** A storage by its persistent id: ("storage", type, key, device, length). @throws Unreadable */
export function storageOf(id: PickleValue): PyStorage {
  const [word, type, key, , length] = id instanceof PyList ? id.items : [];
  if (word !== "storage" || !(type instanceof PyGlobal) || typeof key !== "string")
    throw new Unreadable("it refers to something outside that is no storage");
  if (!STORAGES.has(type.name) || !/^\w{1,40}$/.test(key))
    throw new Unreadable(`it refers to a storage of the kind ${type.name}, which is not known`);
  return new PyStorage(key, STORAGES.get(type.name), wholeNumber(length));
}

function rebuildTensor(args: readonly PickleValue[]): PyTensor {
  const [storage, offset, shape, strides, , , metadata] = args;
  if (!(storage instanceof PyStorage) || storage.dtype === undefined) return refuse();
  noMetadata(metadata);
  return tensorOf({ storage, dtype: storage.dtype, offset, shape, strides });
}

/** For types that have no storage of their own. */
function rebuildTypedTensor(args: readonly PickleValue[]): PyTensor {
  const [storage, offset, shape, strides, , , dtype, metadata] = args;
  if (!(storage instanceof PyStorage) || !(dtype instanceof PyGlobal)) return refuse();
  noMetadata(metadata);
  return tensorOf({ storage, dtype: dtype.name.replace("torch.", ""), offset, shape, strides });
}

function tensorOf(parts: {
  readonly storage: PyStorage;
  readonly dtype: string;
  readonly offset: PickleValue | undefined;
  readonly shape: PickleValue | undefined;
  readonly strides: PickleValue | undefined;
}): PyTensor {
  const { storage, dtype } = parts;
  const [shape, strides] = [wholeNumbers(parts.shape), wholeNumbers(parts.strides)];
  if (shape.length !== strides.length) return refuse();
  return new PyTensor({ storage, dtype, offset: wholeNumber(parts.offset), shape, strides });
}

/** Bits that say "read me negated" or "conjugated" would change what the elements mean. */
function noMetadata(metadata: PickleValue | undefined): void {
  if (metadata === undefined || metadata === null) return;
  if (!(metadata instanceof PyDict) || metadata.size > 0) refuse();
}

/** How protocol 2 writes bytes. */
function encodedBytes(args: readonly PickleValue[]): PyBytes {
  const [text, coding] = args;
  if (typeof text !== "string" || coding !== "latin1") return refuse();
  return new PyBytes(Buffer.from(text, "latin1"));
}

function wholeNumber(value: PickleValue | undefined): number {
  const number = typeof value === "bigint" ? Number(value) : Number.NaN;
  return Number.isSafeInteger(number) && number >= 0 ? number : refuse();
}

function wholeNumbers(value: PickleValue | undefined): number[] {
  return value instanceof PyList ? value.items.map(wholeNumber) : refuse();
}

function refuse(): never {
  throw new Unreadable("it describes a tensor or a dictionary in no known way");
}

/** A key as text that no other key has. @throws Unreadable for one that no dictionary of state has */
export function keyText(key: PickleValue): string {
  if (typeof key === "string") return `"${key}`;
  if (!(key instanceof PyList)) return scalarText(key);
  if (!key.isTuple || key.items.length > KEY_PARTS_MAX)
    throw new Unreadable("a dictionary of it has a key that is neither number nor word");
  return `(${key.items.map(scalarText).join(",")})`;
}

export function scalarText(value: PickleValue): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof PyFloat) return floatText(value.value);
  if (value instanceof PyGlobal) return value.name;
  throw new Unreadable("a dictionary of it has a key that is neither number nor word");
}

const floatText = (value: number): string => {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value < 0 ? "-inf" : "inf";
  const text = Object.is(value, -0) ? "-0" : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
};
