/** What a spool may lose to a cut or a flipped bit, and that it behaves like a list otherwise. */
import assert from "node:assert/strict";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Spool } from "./spool.ts";

const SEED = 20_261_123;
const check = (
  property: fc.IPropertyWithHooks<never> | fc.IProperty<never>,
  numRuns: number,
): void => fc.assert(property as fc.IProperty<unknown>, { seed: SEED, numRuns });

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "contrail-spool-"));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const words = ["one", "", "three".repeat(20), "4", "fünf"];
function written(folder: string): string {
  const spool = Spool.open(folder, "s");
  for (const word of words) spool.append(Buffer.from(word));
  spool.close();
  return join(folder, "s-1");
}

test("cut at any byte, a spool keeps every whole record before the cut, and goes on", () =>
  inFolder((folder) => {
    const path = written(folder);
    const whole = readFileSync(path);
    for (let length = 0; length <= whole.length; length++) {
      writeFileSync(path, whole);
      truncateSync(path, length);
      const spool = Spool.open(folder, "s");
      const kept = spool.peek(1e6, 100).payloads.map(String);
      assert.deepEqual(kept, words.slice(0, kept.length), `cut at ${length}`);
      let end = 28;
      const ends = words.map((word) => (end += 8 + Buffer.byteLength(word)));
      assert.equal(
        kept.length,
        length < 28 ? 0 : ends.filter((at) => at <= length).length,
        `cut at ${length}`,
      );
      spool.append(Buffer.from("next"));
      assert.equal(spool.peek(1e6, 100).payloads.at(-1)?.toString(), "next");
      spool.remove();
    }
  }));

test("any flipped bit is noticed: what is kept is true and a beginning of what was written", () =>
  inFolder((folder) => {
    const path = written(folder);
    const whole = readFileSync(path);
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(path, flipped);
      const spool = Spool.open(folder, "s");
      const kept = spool.peek(1e6, 100).payloads.map(String);
      assert.deepEqual(kept, words.slice(0, kept.length), `bit ${bit}`);
      assert.ok(kept.length < words.length && spool.droppedBytes > 0, `bit ${bit} went unnoticed`);
      spool.remove();
    }
  }));

test("whatever is appended, acknowledged and opened again, a spool is a numbered list without its front", () => {
  const command = fc.oneof(
    fc.record({
      op: fc.constant("append" as const),
      sizes: fc.array(fc.nat(50), { minLength: 1, maxLength: 5 }),
    }),
    fc.record({
      op: fc.constant("ack" as const),
      share: fc.double({ min: 0, max: 1.2, noNaN: true }),
    }),
    fc.record({ op: fc.constant("reopen" as const) }),
    fc.record({ op: fc.constant("full" as const), full: fc.boolean() }),
  );
  const property = fc.property(fc.array(command, { maxLength: 60 }), (commands) =>
    inFolder((folder) => {
      let full = false;
      const { writeSync } = process.getBuiltinModule("node:fs");
      const open = () =>
        Spool.open(folder, "s", {
          segmentMaxBytes: 100,
          write: (fd, bytes, offset, length, at) => {
            if (full) throw new Error("ENOSPC");
            return writeSync(fd, bytes, offset, length, at);
          },
        });
      let spool = open();
      const list = new Map<number, string>();
      let last = 0;
      let acked = 0;
      for (const step of commands) {
        if (step.op === "append") {
          const payloads = step.sizes.map((size) => "x".repeat(size) + last);
          for (const payload of payloads) list.set(++last, payload);
          assert.equal(spool.appendAll(payloads.map((payload) => Buffer.from(payload))), last);
        } else if (step.op === "ack") {
          const seq = Math.ceil(acked + (last - acked) * step.share);
          spool.ack(seq);
          acked = Math.max(acked, seq);
          last = Math.max(last, acked);
        } else if (step.op === "full") {
          full = step.full;
          if (!full) assert.equal(spool.retry(), true);
        } else if (spool.stalled === null) {
          spool.close();
          spool = open();
          assert.equal(spool.droppedBytes, 0);
          // Nothing of a jump is on disk until something was written behind it.
          assert.ok(spool.lastSeq === last || last === acked);
          assert.ok(spool.ackedSeq <= acked);
          spool.ack(acked);
        }
        assert.equal(spool.lastSeq, last);
        const { first, payloads } = spool.peek(1e9, 1e9);
        assert.equal(first, acked + 1);
        assert.deepEqual(
          payloads.map(String),
          Array.from({ length: last - acked }, (_, i) => list.get(first + i)),
        );
        const size = payloads.reduce((sum, payload) => sum + payload.length + 8, 0);
        assert.equal(spool.pendingBytes, size);
      }
      spool.remove();
      assert.deepEqual(readdirSync(folder), []);
    }),
  );
  check(property as never, 150);
});
