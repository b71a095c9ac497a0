/**
 * What the ranks of one allocation are told between two steps, so that all of them do the same.
 *
 * Orders arrive at any time, and ranks look at different moments: one that hears a pause after this step and another
 * that hears it after the next would wait for each other for ever. So each rank asks at every turn, and whoever asks
 * first at a turn fixes the answer for all. Nobody waits for anybody. An answer is kept until every rank has asked at a
 * later turn, and so has had it: a connection can break before what was answered is read. Refused: an all-reduce among
 * the ranks themselves, which would bind this to one framework.
 */
import type { Orders } from "../protocol/trial-socket.ts";

/** A rank that is further behind than this does not train in step with the others anyway. */
const TURNS_MAX = 1_000;

export class Agreements {
  readonly #ranks: number;
  readonly #turns = new Map<number, { readonly orders: Orders; readonly heard: Set<number> }>();
  /** The last turn at which every rank has asked. */
  #whole: number | null = null;

  constructor(ranks: number) {
    this.#ranks = ranks;
  }

  /** @param now the orders as they stand, which hold for this turn if nobody has asked at it before */
  answer(turn: number, rank: number, now: Orders): Orders {
    if (this.#ranks === 1) return now;
    const known = this.#turns.get(turn);
    const { orders, heard } = known ?? { orders: now, heard: new Set<number>() };
    heard.add(rank);
    if (known === undefined) this.#keep(turn, { orders, heard });
    if (heard.size === this.#ranks && turn !== this.#whole) {
      if (this.#whole !== null) this.#turns.delete(this.#whole);
      this.#whole = turn;
    }
    return orders;
  }

  #keep(turn: number, answer: { readonly orders: Orders; readonly heard: Set<number> }): void {
    this.#turns.set(turn, answer);
    if (this.#turns.size <= TURNS_MAX) return;
    const [oldest] = this.#turns.keys();
    if (oldest !== undefined) this.#turns.delete(oldest);
  }
}
