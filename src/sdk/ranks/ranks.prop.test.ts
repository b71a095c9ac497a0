/** Sums over real sockets: the value, the order of addition, and the same bits whoever comes first. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { addUp } from "./sum.ts";
import { together } from "./test-ranks.ts";

const numbers = (length: number) =>
  fc.array(
    fc.oneof(
      fc.double(),
      fc.double({ min: -1, max: 1, noNaN: true }),
      fc.constantFrom(1e308, 1e-308, -0),
    ),
    { minLength: length, maxLength: length },
  );

/** By rank: what it gives at each sum. */
const gifts = fc
  .record({
    size: fc.integer({ min: 1, max: 5 }),
    lengths: fc.array(fc.nat(40), { minLength: 1, maxLength: 3 }),
  })
  .chain(({ size, lengths }) =>
    fc.array(fc.tuple(...lengths.map(numbers)), { minLength: size, maxLength: size }),
  );

const bits = (values: Float64Array | Float32Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("hex");

/** NaN has many bits; which of them a sum keeps is the processor's choice. */
const plain = (values: readonly number[]): boolean => !values.some(Number.isNaN);

describe("ranks that add up", () => {
  test("get what adding in the order of the ranks gives, on every rank, whoever was first", async () => {
    await fc.assert(
      fc.asyncProperty(gifts, fc.func(fc.nat(3)), fc.boolean(), async (given, delay, single) => {
        const Kind = single ? Float32Array : Float64Array;
        const results = await together(given.length, async (ranks) => {
          const sums: (Float32Array | Float64Array)[] = [];
          for (const [turn, own] of given[ranks.rank]!.entries()) {
            for (let i = delay(ranks.rank, turn); i > 0; i--)
              await new Promise((resolve) => setImmediate(resolve));
            const values = Kind.from(own);
            await ranks.sum(values);
            sums.push(values);
          }
          return sums;
        });
        for (const turn of given[0]!.keys()) {
          const parts = given.map((own) => Kind.from(own[turn]!));
          const wanted = new Kind(parts[0]!.length);
          for (let i = 0; i < wanted.length; i++) {
            const column = parts.map((part) => part[i]!);
            wanted[i] = column.slice(1).reduce((sum, value) => sum + value, column[0]!);
          }
          for (const sums of results)
            if (plain([...wanted])) assert.equal(bits(sums[turn]!), bits(wanted));
            else assert.deepEqual([...sums[turn]!], [...wanted]);
        }
      }),
      { seed: 20261123, numRuns: 40 },
    );
  });

  test("share every batch: each item is in exactly one part, in order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.nat(1000)),
        async (size, items) => {
          const parts = await together(size, async (ranks) => ranks.share(Uint32Array.from(items)));
          assert.deepEqual(
            items.map((_, place) => parts[place % size]![Math.floor(place / size)]),
            items,
          );
          assert.equal(
            parts.reduce((sum, part) => sum + part.length, 0),
            items.length,
          );
        },
      ),
      { seed: 20261123, numRuns: 20 },
    );
  });

  test("the order of addition is fixed: another one gives other bits", () => {
    const parts = [[1e16], [1], [-1e16]].map((part) => Float64Array.from(part));
    const sum = new Float64Array(1);
    addUp(parts, sum);
    assert.equal(sum[0], 0);
    addUp([parts[0]!, parts[2]!, parts[1]!], sum);
    assert.equal(sum[0], 1);
  });
});
