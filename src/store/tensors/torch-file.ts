/**
 * A file of `torch.save`: a zip with `data.pkl`, which says what there is, and one entry of raw bytes for each storage.
 * Nested dictionaries and lists become names: `states.optimizer.state[0].exp_avg`. Lists of nothing but numbers and
 * words (the state of a generator) stay one value.
 */
import { createHash } from "node:crypto";
import { type ByteSource, readRange } from "./byte-source.ts";
import { bareBits, type ElementType, elementType } from "./dtype.ts";
import { elementsOf, type ModelFile, type ModelItem, type Tensor } from "./model-items.ts";
import { readPickle } from "./pickle.ts";
import { scalarText } from "./pickle-calls.ts";
import {
  isScalar,
  type PickleValue,
  PyBytes,
  PyDict,
  PyList,
  type PyStorage,
  PyTensor,
} from "./pickle-value.ts";
import { Unreadable } from "./unreadable.ts";
import { entrySource, type ZipEntry } from "./zip.ts";

const PICKLE_BYTES_MAX = 32 * 1024 * 1024;
const DEPTH_MAX = 100;
const ITEMS_MAX = 1_000_000;
const VISITS_MAX = 5_000_000;
/** Tensors may share bytes, as tied weights do; a file whose tensors claim many times its size is made to be slow. */
const SHARED_MAX = 8;
const SMALL_FILE_BYTES = 256 * 1024 * 1024;
const SHOWN_CHARS_MAX = 120;
const OWN_ENTRIES =
  /^(?:data\.pkl|byteorder|version|\.format_version|\.storage_alignment|\.data\/serialization_id|data\/\w+)$/;

/** The folder inside the zip that a file of `torch.save` has, with its slash. */
export function torchFolder(entries: ReadonlyMap<string, ZipEntry>): string | undefined {
  for (const name of entries.keys()) {
    const found = /^([^/]+\/)data\.pkl$/.exec(name);
    if (found) return found[1];
  }
  return undefined;
}

/** @throws Unreadable */
export async function readTorchFile(
  source: ByteSource,
  entries: ReadonlyMap<string, ZipEntry>,
  folder: string,
): Promise<ModelFile> {
  for (const name of entries.keys())
    if (!name.startsWith(folder) || !OWN_ENTRIES.test(name.slice(folder.length)))
      throw new Unreadable(`it holds ${name}, so it is more than saved state`);
  await refuseBigEndian(source, entries.get(`${folder}byteorder`));
  const data = await entrySource(source, entries.get(`${folder}data.pkl`)!);
  const pickled = await readRange(data, { start: 0, end: data.size, bytesMax: PICKLE_BYTES_MAX });
  const leaves = new Leaves();
  leaves.visit("", readPickle(pickled), 0);
  const storages = new Storages(source, entries, `${folder}data/`);
  const items: ModelItem[] = [];
  for (const { name, value } of leaves.found)
    items.push(
      value instanceof PyTensor
        ? await storages.tensor(name, value)
        : { kind: "value", name, text: value },
    );
  return { format: "torch", items };
}

async function refuseBigEndian(source: ByteSource, entry: ZipEntry | undefined): Promise<void> {
  if (entry === undefined) return; // Older than the entry; those were little-endian.
  const part = await entrySource(source, entry);
  const order = await readRange(part, { start: 0, end: part.size, bytesMax: 16 });
  if (order.toString("latin1") !== "little") throw new Unreadable("it was saved as big-endian");
}

/** Walks what the pickle holds and gives each leaf its name. */
class Leaves {
  readonly found: { readonly name: string; readonly value: PyTensor | string }[] = [];
  #visits = 0;

  visit(name: string, value: PickleValue, depth: number): void {
    this.#visits += 1;
    if (depth > DEPTH_MAX || this.#visits > VISITS_MAX || this.found.length > ITEMS_MAX)
      throw new Unreadable("it nests or repeats more than state does");
    if (value instanceof PyTensor) return this.#add(name, value);
    if (value instanceof PyBytes)
      return this.#add(name, `${value.bytes.length} bytes, ${fingerprint(value.bytes)}`);
    if (value instanceof PyDict) return this.#dict(name, value, depth);
    if (value instanceof PyList) return this.#list(name, value, depth);
    if (!isScalar(value)) throw new Unreadable("it holds a storage that belongs to no tensor");
    this.#add(name, shortened(scalarText(value)));
  }

  #dict(name: string, dict: PyDict, depth: number): void {
    if (dict.size === 0) this.#add(name, "{}");
    for (const { key, value } of dict.entries()) {
      const below =
        typeof key === "string"
          ? name === ""
            ? key
            : `${name}.${key}`
          : `${name}[${key instanceof PyList ? key.items.map(scalarText).join(", ") : scalarText(key)}]`;
      this.visit(below, value, depth + 1);
    }
    // The versions of a state_dict's modules.
    if (dict.attributes !== undefined) this.visit(`${name}.__dict__`, dict.attributes, depth + 1);
  }

  #list(name: string, list: PyList, depth: number): void {
    const { items } = list;
    if (items.every(isScalar)) {
      this.#visits += items.length;
      const text = items.map(scalarText).join(", ");
      return this.#add(name, shortened(list.isTuple ? `(${text})` : `[${text}]`, items.length));
    }
    for (const [index, item] of items.entries()) this.visit(`${name}[${index}]`, item, depth + 1);
  }

  #add(name: string, value: PyTensor | string): void {
    this.found.push({ name, value });
  }
}

function shortened(text: string, items?: number): string {
  if (text.length <= SHOWN_CHARS_MAX) return text;
  const size = items === undefined ? `${text.length} characters` : `${items} items`;
  return `${text.slice(0, SHOWN_CHARS_MAX / 2)}… (${size}, ${fingerprint(text)})`;
}

const fingerprint = (content: string | Uint8Array): string =>
  `SHA-256 ${createHash("sha256").update(content).digest("hex").slice(0, 32)}`;

class Storages {
  readonly #file: ByteSource;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  readonly #folder: string;
  readonly #opened = new Map<string, ByteSource>();
  #claimedBytes = 0;

  constructor(file: ByteSource, entries: ReadonlyMap<string, ZipEntry>, folder: string) {
    this.#file = file;
    this.#entries = entries;
    this.#folder = folder;
  }

  async tensor(name: string, tensor: PyTensor): Promise<Tensor> {
    const { shape, strides, offset, dtype } = tensor;
    const source = await this.#source(tensor.storage);
    const elements = elementsOf(shape);
    const type = elementType(dtype) ?? unknownType(dtype);
    if (type === undefined || elements === undefined)
      throw new Unreadable(`the tensor ${name} has a type or a shape that is not known`);
    const span = spanOf(shape, strides, elements);
    const startByte = offset * type.bytes;
    const endByte = startByte + span * type.bytes;
    if (!Number.isSafeInteger(endByte) || endByte > source.size)
      throw new Unreadable(`the tensor ${name} reaches behind its storage`);
    this.#claimedBytes += Math.max(span, elements) * type.bytes;
    if (this.#claimedBytes > SHARED_MAX * this.#file.size + SMALL_FILE_BYTES)
      throw new Unreadable("its tensors claim many times the bytes that it has");
    return {
      ...{ kind: "tensor", name, type, shape, strides, elements },
      ...{ source, startByte, endByte },
    };
  }

  async #source(storage: PyStorage): Promise<ByteSource> {
    const known = this.#opened.get(storage.key);
    if (known !== undefined) return known;
    const entry = this.#entries.get(this.#folder + storage.key);
    if (entry === undefined) throw new Unreadable(`its storage ${storage.key} is not in the file`);
    const source = await entrySource(this.#file, entry);
    this.#opened.set(storage.key, source);
    return source;
  }
}

/** Quantized and other types of one, two, four or eight bytes whose meaning stands elsewhere. */
function unknownType(dtype: string): ElementType | undefined {
  const bits = /^(?:float|q?u?int|bits)(8|16|32|64)/.exec(dtype)?.[1];
  return bits === undefined ? undefined : bareBits(dtype, Number(bits) / 8);
}

/** Elements from the first that it touches to behind the last. */
function spanOf(shape: readonly number[], strides: readonly number[], elements: number): number {
  if (elements === 0) return 0;
  return shape.reduce((span, side, dimension) => span + (side - 1) * strides[dimension]!, 1);
}
