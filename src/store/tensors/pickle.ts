/**
 * Reads a pickle without running it. A pickle is a program for a small machine with a stack; the opcodes below are the
 * ones that state is written with, and they only build lists, dictionaries, numbers and words. The two that call
 * something (GLOBAL and REDUCE) know a closed list of names, for each of which `pickle-calls.ts` says what comes out.
 * Whatever else stands in the file makes the whole of it unreadable: comparing half of a checkpoint and calling it
 * equal would be worse than comparing its bytes.
 *
 * The stack, the memo and the things built are bounded, so that a small file cannot become a large heap.
 */
import { callGlobal, globalOf, keyText, storageOf } from "./pickle-calls.ts";
import { type PickleValue, PyBytes, PyDict, PyFloat, PyList } from "./pickle-value.ts";
import { Unreadable } from "./unreadable.ts";

/** Lists and dictionaries; a tensor takes about six, so this is some hundred thousand tensors. */
const CONTAINERS_MAX = 1_000_000;
const STACK_MAX = 1_000_000;
const MEMO_MAX = 4_000_000;
const INTEGER_BYTES_MAX = 1024;
const NAME_BYTES_MAX = 1000;

const MARK = Symbol("mark");
type StackItem = PickleValue | typeof MARK;

/** @throws Unreadable */
export function readPickle(bytes: Buffer): PickleValue {
  return new Machine(bytes).run();
}

class Machine {
  readonly #bytes: Buffer;
  readonly #stack: StackItem[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at = 0;
  #containers = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  run(): PickleValue {
    for (;;) {
      const opcode = this.#bytes[this.#take(1)]!;
      if (opcode === 0x2e) break; // STOP
      this.#step(opcode);
      if (this.#stack.length > STACK_MAX) throw new Unreadable("it nests more than state does");
    }
    const value = this.#pop();
    if (this.#stack.length > 0) throw new Unreadable("its pickle leaves more than one thing");
    return value;
  }

  #step(opcode: number): void {
    switch (String.fromCharCode(opcode)) {
      case "\x80": // PROTO
        return void this.#protocol(this.#bytes[this.#take(1)]!);
      case "\x95": // FRAME
        return void this.#take(8);
      case "(":
        return void this.#stack.push(MARK);
      case "0": // POP
        return void this.#popAny();
      case "1": // POP_MARK
        return void this.#popMark();
      case "}":
        return this.#push(this.#dict([]));
      case "]":
        return this.#push(this.#list(false, []));
      case ")":
        return this.#push(this.#list(true, []));
      case "l":
        return this.#push(this.#list(false, this.#popMark()));
      case "d":
        return this.#push(this.#dict(this.#popMark()));
      case "t":
        return this.#push(this.#list(true, this.#popMark()));
      case "\x85":
        return this.#push(this.#list(true, this.#popMany(1)));
      case "\x86":
        return this.#push(this.#list(true, this.#popMany(2)));
      case "\x87":
        return this.#push(this.#list(true, this.#popMany(3)));
      case "a": {
        const item = this.#pop();
        return void this.#topList().items.push(item);
      }
      case "e":
        return this.#extend(this.#popMark());
      case "s":
        return this.#setItems(this.#popMany(2));
      case "u":
        return this.#setItems(this.#popMark());
      case "N":
        return this.#push(null);
      case "\x88":
        return this.#push(true);
      case "\x89":
        return this.#push(false);
      default:
        return this.#numbersAndWords(opcode);
    }
  }

  #numbersAndWords(opcode: number): void {
    const bytes = this.#bytes;
    switch (String.fromCharCode(opcode)) {
      case "K":
        return this.#push(BigInt(bytes[this.#take(1)]!));
      case "M":
        return this.#push(BigInt(bytes.readUInt16LE(this.#take(2))));
      case "J":
        return this.#push(BigInt(bytes.readInt32LE(this.#take(4))));
      case "\x8a": // LONG1
        return this.#push(this.#integer(bytes[this.#take(1)]!));
      case "\x8b": // LONG4
        return this.#push(this.#integer(bytes.readInt32LE(this.#take(4))));
      case "G":
        return this.#push(new PyFloat(bytes.readDoubleBE(this.#take(8))));
      case "X": // BINUNICODE
        return this.#push(this.#text(bytes.readUInt32LE(this.#take(4))));
      case "\x8c": // SHORT_BINUNICODE
        return this.#push(this.#text(bytes[this.#take(1)]!));
      case "U": // SHORT_BINSTRING: what Python 2 called text
        return this.#push(this.#text(bytes[this.#take(1)]!));
      case "C": // SHORT_BINBYTES
        return this.#push(this.#plainBytes(bytes[this.#take(1)]!));
      case "B": // BINBYTES
        return this.#push(this.#plainBytes(bytes.readUInt32LE(this.#take(4))));
      default:
        return this.#memoryAndCalls(opcode);
    }
  }

  #memoryAndCalls(opcode: number): void {
    const bytes = this.#bytes;
    switch (String.fromCharCode(opcode)) {
      case "q": // BINPUT
        return this.#remember(bytes[this.#take(1)]!);
      case "r": // LONG_BINPUT
        return this.#remember(bytes.readUInt32LE(this.#take(4)));
      case "\x94": // MEMOIZE
        return this.#remember(this.#memo.size);
      case "h": // BINGET
        return this.#recall(bytes[this.#take(1)]!);
      case "j": // LONG_BINGET
        return this.#recall(bytes.readUInt32LE(this.#take(4)));
      case "2": // DUP
        return this.#push(this.#top());
      case "c": // GLOBAL
        return this.#push(globalOf(this.#line(), this.#line()));
      case "\x93": {
        const [module, name] = this.#popMany(2);
        if (typeof module !== "string" || typeof name !== "string")
          throw new Unreadable("its pickle names something by no name");
        return this.#push(globalOf(module, name));
      }
      case "Q": // BINPERSID
        return this.#push(storageOf(this.#pop()));
      case "R": {
        const [callee, args] = this.#popMany(2);
        this.#count();
        return this.#push(callGlobal(callee!, args!));
      }
      case "b": {
        const state = this.#pop();
        const object = this.#top();
        if (!(object instanceof PyDict) || !(state instanceof PyDict))
          throw new Unreadable("it holds an object that is more than a dictionary");
        object.attributes = state;
        return;
      }
      default:
        throw new Unreadable(
          `its pickle holds the opcode 0x${opcode.toString(16).padStart(2, "0")}, which no state is written with`,
        );
    }
  }

  #protocol(version: number): void {
    if (version > 5) throw new Unreadable(`its pickle has the protocol ${version}, newer than 5`);
  }

  /** Goes past `count` bytes. @returns where they begin */
  #take(count: number): number {
    const at = this.#at;
    if (count < 0 || at + count > this.#bytes.length)
      throw new Unreadable("its pickle is cut short");
    this.#at = at + count;
    return at;
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0 || end - this.#at > NAME_BYTES_MAX) throw new Unreadable("its pickle is cut short");
    const at = this.#take(end + 1 - this.#at);
    return this.#bytes.toString("utf8", at, end);
  }

  #text(length: number): string {
    const at = this.#take(length);
    return this.#bytes.toString("utf8", at, at + length);
  }

  #plainBytes(length: number): PyBytes {
    const at = this.#take(length);
    return new PyBytes(this.#bytes.subarray(at, at + length));
  }

  /** Little-endian two's complement of any length. */
  #integer(length: number): bigint {
    if (length > INTEGER_BYTES_MAX) throw new Unreadable(`a whole number of ${length} bytes`);
    const at = this.#take(length);
    if (length === 0) return 0n;
    const hex = Buffer.from(this.#bytes.subarray(at, at + length))
      .reverse()
      .toString("hex");
    return BigInt.asIntN(8 * length, BigInt(`0x${hex}`));
  }

  #list(isTuple: boolean, items: PickleValue[]): PyList {
    this.#count();
    return new PyList(isTuple, items);
  }

  #dict(flat: readonly PickleValue[]): PyDict {
    this.#count();
    const dict = new PyDict();
    setAll(dict, flat);
    return dict;
  }

  #count(): void {
    this.#containers += 1;
    if (this.#containers > CONTAINERS_MAX)
      throw new Unreadable(`it holds more than ${CONTAINERS_MAX} lists and dictionaries`);
  }

  #extend(items: readonly PickleValue[]): void {
    const list = this.#topList();
    for (const item of items) list.items.push(item);
  }

  #setItems(flat: readonly PickleValue[]): void {
    const dict = this.#top();
    if (!(dict instanceof PyDict)) throw new Unreadable("its pickle sets items of no dictionary");
    setAll(dict, flat);
  }

  #topList(): PyList {
    const list = this.#top();
    if (!(list instanceof PyList) || list.isTuple)
      throw new Unreadable("its pickle appends to no list");
    return list;
  }

  #push(value: PickleValue): void {
    this.#stack.push(value);
  }

  #popAny(): StackItem {
    const item = this.#stack.pop();
    if (item === undefined) throw new Unreadable("its pickle takes from an empty stack");
    return item;
  }

  #pop(): PickleValue {
    const item = this.#popAny();
    if (item === MARK) throw new Unreadable("its pickle takes a mark for a value");
    return item;
  }

  #popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.#pop()).reverse();
  }

  #popMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw new Unreadable("its pickle looks for a mark that is not there");
    const items = this.#stack.splice(at) as PickleValue[];
    items.shift();
    return items;
  }

  #top(): PickleValue {
    const item = this.#pop();
    this.#stack.push(item);
    return item;
  }

  #remember(place: number): void {
    if (this.#memo.size >= MEMO_MAX) throw new Unreadable("its pickle remembers too much");
    this.#memo.set(place, this.#top());
  }

  #recall(place: number): void {
    const value = this.#memo.get(place);
    if (value === undefined) throw new Unreadable("its pickle recalls what it never remembered");
    this.#push(value);
  }
}

function setAll(dict: PyDict, flat: readonly PickleValue[]): void {
  if (flat.length % 2 !== 0) throw new Unreadable("its pickle has a key without a value");
  for (let at = 0; at < flat.length; at += 2) {
    const key = flat[at] as PickleValue;
    dict.set(keyText(key), key, flat[at + 1] as PickleValue);
  }
}
