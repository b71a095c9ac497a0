/**
 * What a pickle of state can hold. Dictionaries are maps and nothing here has a name that a file chooses, so no name in
 * a file means anything to JavaScript.
 */
export type PickleValue =
  | null
  | boolean
  | bigint
  | string
  | PyFloat
  | PyBytes
  | PyList
  | PyDict
  | PyGlobal
  | PyStorage
  | PyTensor;

/** Kept apart from whole numbers: 1.0 is not 1. */
export class PyFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class PyBytes {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** A list or a tuple. */
export class PyList {
  readonly isTuple: boolean;
  readonly items: PickleValue[];
  constructor(isTuple: boolean, items: PickleValue[]) {
    this.isTuple = isTuple;
    this.items = items;
  }
}

export class PyDict {
  /** By the key as text, see `keyText`. */
  readonly #entries = new Map<string, { readonly key: PickleValue; value: PickleValue }>();
  /** What an OrderedDict carries as attributes: a state_dict's versions. */
  attributes: PyDict | undefined;

  set(text: string, key: PickleValue, value: PickleValue): void {
    const there = this.#entries.get(text);
    if (there === undefined) this.#entries.set(text, { key, value });
    else there.value = value;
  }
  get size(): number {
    return this.#entries.size;
  }
  entries(): Iterable<{ readonly key: PickleValue; readonly value: PickleValue }> {
    return this.#entries.values();
  }
}

/** A name from Python's world, one of a closed list; it is never looked up anywhere. */
export class PyGlobal {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export class PyStorage {
  /** Name of its entry in the file. */
  readonly key: string;
  /** Undefined for one that is bytes alone. */
  readonly dtype: string | undefined;
  /** Elements, or bytes where it has no type. */
  readonly length: number;
  constructor(key: string, dtype: string | undefined, length: number) {
    this.key = key;
    this.dtype = dtype;
    this.length = length;
  }
}

export class PyTensor {
  readonly storage: PyStorage;
  readonly dtype: string;
  /** In elements from the storage's begin. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  constructor(options: {
    storage: PyStorage;
    dtype: string;
    offset: number;
    shape: readonly number[];
    strides: readonly number[];
  }) {
    this.storage = options.storage;
    this.dtype = options.dtype;
    this.offset = options.offset;
    this.shape = options.shape;
    this.strides = options.strides;
  }
}

export const isScalar = (value: PickleValue): boolean =>
  value === null ||
  typeof value !== "object" ||
  value instanceof PyFloat ||
  value instanceof PyGlobal;
