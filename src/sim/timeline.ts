/**
 * Virtual time for asynchronous code: what is to happen, ordered by time and then by the order in which it was
 * asked for, one thing after the other.
 *
 * Between two events every promise that can settle does: the next event is taken from `process.nextTick`,
 * which Node reaches when the queue of microtasks is empty. A macrotask (`setImmediate`) would do the same at
 * twenty times the price, and a fixed number of awaits would not be enough. So a run is a function of its
 * seed, as long as nothing in it waits for the real world.
 */
import type { Clock } from "../base/clock.ts";

/** A process. Nothing that it had asked a clock for happens once it is dead. */
export interface Life {
  alive: boolean;
  /** It stands still until then: no timer of its goes off, and what comes in waits. */
  stalledUntilMs: number;
}

export const newLife = (): Life => ({ alive: true, stalledUntilMs: 0 });

interface Event {
  atMs: number;
  seq: number;
  run: (() => void) | null;
  /** Whose event it is; null = it happens to the world. */
  readonly life: Life | null;
}

/** What follows it comes behind all microtasks that wait; `queueMicrotask` does the same with an object for those who trace calls. */
const SETTLED = Promise.resolve();

/** A run that needs more is a loop that never rests. */
const EVENTS_MAX = 2_000_000;

export class Timeline {
  nowMs = 0;
  /** Events that were run. */
  count = 0;
  readonly #heap: Event[] = [];
  #seq = 0;
  #failure: { readonly error: unknown } | null = null;

  /** @param life whose event it is: it waits while that one stands still, and is dropped when it dies @returns what takes it back */
  at(atMs: number, run: () => void, life: Life | null = null): () => void {
    const event: Event = { atMs: Math.max(atMs, this.nowMs), seq: this.#seq++, run, life };
    push(this.#heap, event);
    return () => {
      event.run = null;
    };
  }

  /** Something reaches a process: now, or when it goes on; never where it is dead by then. */
  reach(life: Life, run: () => void): void {
    if (!life.alive) return;
    if (life.stalledUntilMs <= this.nowMs) run();
    else this.at(life.stalledUntilMs, run, life);
  }

  after(delayMs: number, run: () => void): () => void {
    return this.at(this.nowMs + delayMs, run);
  }

  delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  /** Ends the run with this error. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** @param done asked after every event @returns whether it was done before nothing was left to do */
  run(done: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const next = (): void => {
        try {
          if (this.#failure) return reject(this.#failure.error);
          if (done()) return resolve(true);
          const event = this.#next();
          if (event === undefined) return resolve(false);
          this.nowMs = event.atMs;
          this.count += 1;
          if (this.count > EVENTS_MAX) throw new Error(`no end after ${EVENTS_MAX} events`);
          const run = event.run;
          event.run = null;
          run?.();
        } catch (error) {
          return reject(error);
        }
        void SETTLED.then(settle);
      };
      const settle = (): void => process.nextTick(next);
      next();
    });
  }

  #next(): Event | undefined {
    for (;;) {
      const event = pop(this.#heap);
      if (event === undefined) return undefined;
      const { life } = event;
      if (event.run === null || life?.alive === false) continue;
      if (life === null || life.stalledUntilMs <= event.atMs) return event;
      // In the order in which they were due.
      event.atMs = life.stalledUntilMs;
      event.seq = this.#seq++;
      push(this.#heap, event);
    }
  }
}

const before = (a: Event, b: Event): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Event;
    if (!before(event, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    const right = heap[child + 1];
    if (right !== undefined && before(right, heap[child] as Event)) child += 1;
    const below = heap[child] as Event;
    if (!before(below, last)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
  return top;
}

/** How far a machine's clocks are from the truth. Changed while it runs, by faults. */
export interface Skew {
  /** Of the wall clock. */
  offsetMs: number;
  /** The wall clock stands still at this reading; null = it goes. */
  frozenAtMs: number | null;
  /** Milliseconds of its monotonic clock in a true one; changed by `setRate` alone. */
  rate: number;
  /** What the monotonic clock showed when the rate was set, and when that was. */
  monotonicMs: number;
  setAtMs: number;
}

export const trueTime = (): Skew => ({
  offsetMs: 0,
  frozenAtMs: null,
  rate: 1,
  monotonicMs: 0,
  setAtMs: 0,
});

/** The monotonic clock goes on from where it stands, faster or slower. */
export function setRate(skew: Skew, nowMs: number, rate: number): void {
  skew.monotonicMs += (nowMs - skew.setAtMs) * skew.rate;
  skew.setAtMs = nowMs;
  skew.rate = rate;
}

/** The wall clock when a run begins. */
export const EPOCH_MS = 1_700_000_000_000;

export class SimClock implements Clock {
  readonly #timeline: Timeline;
  readonly #life: Life;
  readonly #skew: Skew;

  constructor(timeline: Timeline, life: Life, skew: Skew) {
    this.#timeline = timeline;
    this.#life = life;
    this.#skew = skew;
  }

  nowMs(): number {
    const { offsetMs, frozenAtMs } = this.#skew;
    return frozenAtMs ?? Math.floor(EPOCH_MS + this.#timeline.nowMs + offsetMs);
  }

  monotonicMs(): number {
    const { monotonicMs, setAtMs, rate } = this.#skew;
    return monotonicMs + (this.#timeline.nowMs - setAtMs) * rate;
  }

  after(delayMs: number, callback: () => void): () => void {
    const { nowMs } = this.#timeline;
    return this.#timeline.at(nowMs + delayMs / this.#skew.rate, callback, this.#life);
  }
}
