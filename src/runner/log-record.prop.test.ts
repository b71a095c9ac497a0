import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeLogRecord, LINE_PIECE_MAX_BYTES, LineSplitter, logLineOf } from "./log-record.ts";

const SEED = 20_261_123;

test("whatever the chunks and the pauses, the lines put together are the bytes that came", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constant(new Uint8Array([10])),
    fc.nat(3).map((n) => new Uint8Array(n * LINE_PIECE_MAX_BYTES + 1).fill(120)),
  );
  const step = fc.record({ bytes: piece, flush: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const out: Buffer[] = [];
      let lines = 0;
      const splitter = new LineSplitter((bytes, complete) => {
        assert.ok(bytes.length <= LINE_PIECE_MAX_BYTES);
        assert.ok(!bytes.includes(10));
        out.push(Buffer.from(bytes), Buffer.from(complete ? "\n" : ""));
        lines += complete ? 1 : 0;
      });
      for (const { bytes, flush } of steps) {
        splitter.push(Buffer.from(bytes));
        if (flush) splitter.flush();
      }
      splitter.flush();
      assert.equal(splitter.holds, false);
      const all = Buffer.concat(steps.map(({ bytes }) => bytes));
      assert.ok(Buffer.concat(out).equals(all));
      assert.equal(lines, all.filter((byte) => byte === 10).length);
    }),
    { seed: SEED, numRuns: 200 },
  );
});

test("a record keeps its time, rank, stream and bytes on the way through the spool", () => {
  const record = fc.record({
    atMs: fc.double({ noNaN: true }),
    rank: fc.nat(65_535),
    stream: fc.constantFrom("stdout" as const, "stderr" as const),
    complete: fc.boolean(),
    bytes: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  });
  fc.assert(
    fc.property(record, (value) => {
      const { bytes, ...rest } = value;
      assert.deepEqual(logLineOf(5, encodeLogRecord(value)), {
        seq: 5,
        ...rest,
        bytes: bytes.toString("base64"),
      });
    }),
    { seed: SEED, numRuns: 200 },
  );
});
