/** What the ranks say when one of them is gone, late, or gives something else. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { meet, type Ranks } from "./ranks.ts";
import { RANKS_ERROR_CODES } from "./ranks-error.ts";
import { failuresOf, surroundings, together } from "./test-ranks.ts";

const summed = async (ranks: Ranks, length = 3): Promise<void> => {
  await ranks.sum(new Float64Array(length));
};

describe("ranks", () => {
  test("alone need no other, and no address", async () => {
    const ranks = await meet({ rank: 0, size: 1 }, {}, {});
    assert.deepEqual(await ranks.total(1, 2.5), [1, 2.5]);
    assert.deepEqual([...ranks.share(Uint32Array.of(3, 4))], [3, 4]);
  });

  test("sum what is larger than any buffer between them, one sum after the other", async () => {
    const length = 3_000_000;
    const results = await together(3, async (ranks) => {
      const [first, second] = [1, 2].map((n) => new Float32Array(length).fill(n + ranks.rank));
      // Not awaited one by one: they follow each other all the same.
      await Promise.all([ranks.sum(first!), ranks.sum(second!)]);
      return [first!, second!].map((values) => [values[0], values[length - 1]]);
    });
    for (const result of results)
      assert.deepEqual(result, [
        [6, 6],
        [9, 9],
      ]);
  });

  test("of which one is gone say which, all of them, at once", async () => {
    const said = await failuresOf(3, async (ranks) => {
      await summed(ranks);
      if (ranks.rank === 2) ranks.close();
      else await summed(ranks);
    });
    assert.equal(said[2], null);
    for (const text of [said[0], said[1]])
      assert.match(text ?? "", /^rank_gone: rank 2 is gone .* before sum 2,/);
  });

  test("without rank 0 say so", async () => {
    const said = await failuresOf(3, async (ranks) => {
      if (ranks.rank === 0) ranks.close();
      else await summed(ranks);
    });
    assert.equal(said[0], null);
    for (const text of [said[1], said[2]]) assert.match(text ?? "", /^rank_gone: rank 0 is gone/);
  });

  test("that wait in vain say for whom, whoever it is", async () => {
    const waitInVain = async (late: number): Promise<void> => {
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      let left = 2;
      const said = await failuresOf(
        3,
        async (ranks) => {
          if (ranks.rank === late) return await held;
          try {
            await summed(ranks);
          } finally {
            left -= 1;
            if (left === 0) release();
          }
        },
        { timeoutMs: 3_000 },
      );
      for (const [rank, text] of said.entries())
        if (rank !== late)
          assert.match(
            text ?? "",
            new RegExp(`^rank_late: sum 1 waited 3 s for rank ${late}, in vain`),
          );
    };
    // They have to meet within that time, too.
    await Promise.all([0, 2].map(waitInVain));
  });

  test("that give different numbers say who gave what", async () => {
    const lengths = await failuresOf(3, (ranks) => summed(ranks, ranks.rank === 1 ? 4 : 3));
    for (const text of lengths)
      assert.match(
        text ?? "",
        /^ranks_differ: at sum 1 rank 0 has 3 float64 numbers and rank 1 has 4 float64/,
      );
    const kinds = await failuresOf(2, (ranks) =>
      ranks.sum(ranks.rank === 0 ? new Float64Array(2) : new Float32Array(2)),
    );
    for (const text of kinds)
      assert.match(text ?? "", /has 2 float64 numbers and rank 1 has 2 float32 numbers/);
  });

  test("that do not come are named", async () => {
    const around = await surroundings();
    const both = [0, 1].map((rank) => meet({ rank, size: 3 }, { timeoutMs: 3_000 }, around));
    const [hub, other] = await Promise.allSettled(both);
    assert.equal(hub?.status, "rejected");
    assert.match(
      String(hub.reason),
      /ranks_apart: rank 0 waited 3 s at 127\.0\.0\.1:\d+ for rank 2, in vain/,
    );
    // It had met rank 0, and learns from the first sum why there will be none.
    if (other?.status === "fulfilled") {
      await assert.rejects(summed(other.value), /for rank 2, in vain|rank 0 is gone/);
      other.value.close();
    }
    const [alone] = await Promise.allSettled([
      meet({ rank: 1, size: 2 }, { timeoutMs: 200 }, around),
    ]);
    assert.match(
      String(alone?.status === "rejected" && alone.reason),
      /rank 1 waited 0\.2 s at \S+ for rank 0/,
    );
  });

  test("let nobody in who does not know the allocation's token", async () => {
    const around = await surroundings();
    const options = { timeoutMs: 1500 };
    const stranger = { ...around, CONTRAIL_TOKEN: "another" };
    const [hub, other] = await Promise.allSettled([
      meet({ rank: 0, size: 2 }, options, around),
      meet({ rank: 1, size: 2 }, options, stranger),
    ]);
    assert.match(String(hub?.status === "rejected" && hub.reason), /for rank 1, in vain/);
    assert.match(String(other?.status === "rejected" && other.reason), /for rank 0, in vain/);
  });

  test("meet in spite of somebody who shouts at their door", async () => {
    const around = await surroundings();
    const hub = meet({ rank: 0, size: 2 }, {}, around);
    const closed = new Promise<void>((resolve) => {
      const shout = () => {
        let isIn = false;
        const socket = connect(Number(around.MASTER_PORT), "127.0.0.1", () => {
          isIn = true;
          socket.write(Buffer.alloc(64, 0xff));
        });
        socket.resume();
        socket.on("error", () => {});
        // The door may not be there yet.
        socket.on("close", () => (isIn ? resolve() : setTimeout(shout, 5)));
      };
      shout();
    });
    await closed;
    const [zero, one] = await Promise.all([hub, meet({ rank: 1, size: 2 }, {}, around)]);
    assert.deepEqual(await Promise.all([zero.total(1), one.total(2)]), [[3], [3]]);
    zero.close();
    one.close();
  });

  test("refuse what they cannot add, and what comes too late", async () => {
    const ranks = await meet({ rank: 0, size: 1 }, {}, {});
    for (const odd of [[1, 2], new Int32Array(2), null] as unknown as Float32Array[])
      await assert.rejects(
        ranks.sum(odd),
        /values_invalid: sum\(\) was given .*Float32Array or a Float64Array/,
      );
    ranks.close();
    await assert.rejects(ranks.total(1), /ranks_closed/);
    for (const timeoutMs of [0, -1, Number.NaN, 2 ** 31])
      await assert.rejects(
        meet({ rank: 0, size: 1 }, { timeoutMs }),
        /option_invalid: meet\(\) was given timeoutMs/,
      );
    await assert.rejects(
      meet({ rank: 0, size: 2 }, {}, { MASTER_ADDR: "127.0.0.1", MASTER_PORT: "x" }),
      /environment_invalid: .*MASTER_PORT is "x"/,
    );
  });

  test("have their errors on the page", () => {
    const page = readFileSync(new URL("../../../docs/distributed.md", import.meta.url), "utf8");
    const named = [...page.matchAll(/^\| `([a-z]+_[a-z]+)` \|/gm)].map(([, code]) => code);
    assert.deepEqual(named, RANKS_ERROR_CODES);
  });
});
