import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Orders } from "../protocol/trial-socket.ts";
import { Agreements } from "./agreements.ts";

const orders = (reason: string): Orders => ({ target: 9, yield: null, reason });

test("every rank hears at a turn what the first one heard, in whatever order they ask", () => {
  const asks = fc
    .record({ ranks: fc.integer({ min: 1, max: 5 }), turns: fc.integer({ min: 1, max: 20 }) })
    .chain(({ ranks, turns }) =>
      // Each rank asks turn by turn; how the ranks interleave is anybody's guess.
      fc.record({
        ranks: fc.constant(ranks),
        order: fc.shuffledSubarray(
          Array.from({ length: ranks * turns }, (_, i) => i % ranks),
          { minLength: ranks * turns },
        ),
      }),
    );
  fc.assert(
    fc.property(asks, ({ ranks, order }) => {
      const agreements = new Agreements(ranks);
      const turnOf = new Map<number, number>();
      const said = new Map<number, string>();
      for (const [moment, rank] of order.entries()) {
        const turn = (turnOf.get(rank) ?? 0) + 1;
        turnOf.set(rank, turn);
        const { reason } = agreements.answer(turn, rank, orders(String(moment)));
        assert.equal(reason, said.get(turn) ?? String(moment));
        said.set(turn, reason);
      }
    }),
    { seed: 20261123 },
  );
});

test("a rank whose answer was lost hears it again, though all have asked meanwhile", () => {
  const agreements = new Agreements(2);
  for (const turn of [1, 2])
    for (const rank of [0, 1]) agreements.answer(turn, rank, orders(`turn ${turn}`));
  // The other is a turn further by now.
  assert.equal(agreements.answer(3, 1, orders("turn 3")).reason, "turn 3");
  assert.equal(agreements.answer(2, 0, orders("later")).reason, "turn 2");
  assert.equal(agreements.answer(3, 0, orders("later")).reason, "turn 3");
});

test("of turns at which all have asked only the last is kept", () => {
  const agreements = new Agreements(2);
  for (const turn of [1, 2]) for (const rank of [0, 1]) agreements.answer(turn, rank, orders("a"));
  // Another program of the same script counts its turns from 1 again.
  assert.equal(agreements.answer(1, 0, orders("b")).reason, "b");
  const alone = new Agreements(1);
  assert.equal(alone.answer(1, 0, orders("a")).reason, "a");
  assert.equal(alone.answer(1, 0, orders("b")).reason, "b");
});

test("a rank that asks again hears the same, and a rank that never asks costs a bounded memory", () => {
  const agreements = new Agreements(2);
  assert.equal(agreements.answer(1, 0, orders("a")).reason, "a");
  assert.equal(agreements.answer(1, 0, orders("b")).reason, "a");
  for (let turn = 2; turn < 5_000; turn++) agreements.answer(turn, 0, orders(String(turn)));
  assert.equal(agreements.answer(4_500, 1, orders("late")).reason, "4500");
  assert.equal(agreements.answer(1, 1, orders("very late")).reason, "very late");
});
