/**
 * What training code in TypeScript needs so that a trial that was paused goes on bit for bit: a generator that can be
 * seeded and saved, which Math.random cannot, an order of the samples whose place can be saved, and one call that saves
 * and restores whatever has a state. `contrail.torch` is the same for PyTorch.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "../base/assert.ts";
import { keyed, resumed, type SavedRandom } from "../base/random.ts";

/** Anything that can be saved as JSON and put back. */
export interface Stateful {
  state(): unknown;
  restore(state: never): void;
}

/** A stream of random numbers that depends on the seed and the key alone. */
export class Generator implements Stateful {
  #random: SavedRandom;

  constructor(random: SavedRandom) {
    this.#random = random;
  }

  /** Uniform in [0, 1), 53 bits. */
  unit(): number {
    return this.#random.unit();
  }
  /** Uniform integer in [0, bound). @param bound 1 … 2^53 */
  below(bound: number): number {
    return this.#random.below(bound);
  }
  /** Normal with mean 0 and deviation 1 (Box–Muller; two draws each, so that the state stays four integers). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.unit()));
    return radius * Math.cos(2 * Math.PI * this.unit());
  }
  state(): number[] {
    return this.#random.state();
  }
  restore(state: readonly number[]): void {
    if (state.length !== 4 || !state.every(Number.isInteger))
      throw new TypeError(`a generator's state is four integers, not ${JSON.stringify(state)}`);
    this.#random = resumed(state);
  }
}

/** @param key tells several generators of one seed apart: generator(trial.seed, "dropout") */
export const generator = (seed: number, ...key: readonly (string | number)[]): Generator =>
  new Generator(keyed(seed, ...key));

export interface OrderOptions {
  readonly items: number;
  readonly batch: number;
  readonly seed: number;
  /** Else 0, 1, 2 …; true unless given. */
  readonly shuffle?: boolean;
}

export interface OrderState extends Required<OrderOptions> {
  readonly epoch: number;
  /** Batches of that epoch that were taken. */
  readonly position: number;
}

/**
 * Batches of item numbers, every item once an epoch (the last batch may be shorter). The order of an epoch is a function
 * of (seed, epoch), so the place in it is two numbers.
 */
export class Order implements Stateful {
  readonly #nature: Required<OrderOptions>;
  #epoch = 0;
  #position = 0;
  /** Of this epoch. */
  #order: Uint32Array | undefined;

  constructor({ items, batch, seed, shuffle = true }: OrderOptions) {
    if (!(Number.isSafeInteger(items) && items >= 1 && items <= 2 ** 32))
      throw new RangeError(`items is ${items}; an order has from 1 to 2^32 of them`);
    if (!(Number.isSafeInteger(batch) && batch >= 1))
      throw new RangeError(`batch is ${batch}; a batch has at least 1 item`);
    this.#nature = { items, batch, seed, shuffle };
  }

  /** Of the batch that comes next, from 0. */
  get epoch(): number {
    return this.#epoch;
  }
  get position(): number {
    return this.#position;
  }
  /** Batches in an epoch. */
  get batches(): number {
    return Math.ceil(this.#nature.items / this.#nature.batch);
  }

  /** The numbers of the next batch, on over the end of an epoch. */
  next(): Uint32Array {
    this.#order ??= this.#orderOf(this.#epoch);
    const start = this.#position * this.#nature.batch;
    const batch = this.#order.slice(start, start + this.#nature.batch);
    this.#position += 1;
    if (this.#position === this.batches) {
      this.#epoch += 1;
      this.#position = 0;
      this.#order = undefined;
    }
    return batch;
  }

  /** The rest of this epoch. */
  *rest(): IterableIterator<Uint32Array> {
    for (let left = this.batches - this.#position; left > 0; left--) yield this.next();
  }

  state(): OrderState {
    return { epoch: this.#epoch, position: this.#position, ...this.#nature };
  }

  /** @throws RangeError for a place in the middle of an epoch of another order */
  restore(state: OrderState): void {
    const other = Object.entries(this.#nature).find(
      ([name, value]) => state[name as keyof OrderState] !== value,
    );
    if (other !== undefined && state.position > 0) {
      const [name, value] = other;
      throw new RangeError(
        `the checkpoint was made in the middle of an epoch with ${name} = ${state[name as keyof OrderState]}, and this order has ${value}; its place means nothing here`,
      );
    }
    this.#epoch = state.epoch;
    this.#position = state.position;
    this.#order = undefined;
  }

  #orderOf(epoch: number): Uint32Array {
    const { items, seed, shuffle } = this.#nature;
    const order = Uint32Array.from({ length: items }, (_, item) => item);
    if (!shuffle) return order;
    const random = keyed(seed, "order", epoch);
    for (let last = items - 1; last > 0; last--) {
      const other = random.below(last + 1);
      [order[last], order[other]] = [order[other]!, order[last]!];
    }
    return order;
  }
}

const FILE = "states.json";

/** Writes the states of all of these, by name, into a checkpoint's folder. */
export async function saveStates(
  folder: string,
  things: { readonly [name: string]: Stateful },
): Promise<void> {
  const states = Object.entries(things).map(([name, thing]) => [name, thing.state()]);
  await writeFile(join(folder, FILE), `${JSON.stringify(Object.fromEntries(states))}\n`);
}

/** Puts back what `saveStates` wrote, with the same names. @throws Error when they are others */
export async function restoreStates(
  folder: string,
  things: { readonly [name: string]: Stateful },
): Promise<void> {
  const path = join(folder, FILE);
  const states: { [name: string]: unknown } = JSON.parse(await readFile(path, "utf8"));
  const [saved, wanted] = [Object.keys(states).sort(), Object.keys(things).sort()];
  if (saved.join() !== wanted.join())
    throw new Error(
      `${path} holds the states of ${saved.join(", ") || "nothing"}, and those of ${wanted.join(", ") || "nothing"} are asked for; save and restore the same`,
    );
  for (const [name, thing] of Object.entries(things)) {
    assert(Object.hasOwn(states, name), `${name} was saved`);
    thing.restore(states[name] as never);
  }
}
