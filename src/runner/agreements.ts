/**
 * What the ranks of one allocation are told between two steps, so that all of them do the same.
 *
 * Orders arrive at any time, and ranks look at different moments: one that hears a pause after this step and another
 * that hears it after the next would wait for each other for ever. So each rank asks at every turn, and whoever asks
 * first at a turn fixes the answer for all. Nobody waits for anybody, and one answer is kept only until every rank has
 * had it. Refused: an all-reduce among the ranks themselves, which would bind this to one framework.
 */
import type { Orders } from "../protocol/trial-socket.ts";

/** A rank that is further behind than this does not train in step with the others anyway. */
const TURNS_MAX = 1_000;

export class Agreements {
  readonly #ranks: number;
  readonly #turns = new Map<number, { readonly orders: Orders; readonly heard: Set<number> }>();

  constructor(ranks: number) {
    this.#ranks = ranks;
  }

  /** @param now the orders as they stand, which hold for this turn if nobody has asked at it before */
  answer(turn: number, rank: number, now: Orders): Orders {
    const known = this.#turns.get(turn);
    const { orders, heard } = known ?? { orders: now, heard: new Set<number>() };
    heard.add(rank);
    if (heard.size === this.#ranks) this.#turns.delete(turn);
    else if (known === undefined) this.#keep(turn, { orders, heard });
    return orders;
  }

  #keep(turn: number, answer: { readonly orders: Orders; readonly heard: Set<number> }): void {
    this.#turns.set(turn, answer);
    if (this.#turns.size <= TURNS_MAX) return;
    const [oldest] = this.#turns.keys();
    if (oldest !== undefined) this.#turns.delete(oldest);
  }
}
