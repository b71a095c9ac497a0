import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OutputFrames } from "./output-frames.ts";

const frame = (stream: number, bytes: Uint8Array): Buffer => {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
};

test("wherever frames are cut, each stream gets its bytes in order", () => {
  const frames = fc.array(
    fc.record({ stream: fc.constantFrom(1, 2), bytes: fc.uint8Array({ maxLength: 40 }) }),
  );
  fc.assert(
    fc.property(frames, fc.array(fc.nat(30)), (sent, cuts) => {
      const heard = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
      const reader = new OutputFrames((stream, chunk) => {
        heard[stream] = Buffer.concat([heard[stream], chunk]);
      });
      const all = Buffer.concat(sent.map(({ stream, bytes }) => frame(stream, bytes)));
      let at = 0;
      for (const cut of cuts) {
        reader.push(all.subarray(at, at + cut));
        at += cut;
      }
      reader.push(all.subarray(at));
      for (const [stream, name] of [
        [1, "stdout"],
        [2, "stderr"],
      ] as const) {
        const own = sent.filter((one) => one.stream === stream).map(({ bytes }) => bytes);
        assert.ok(heard[name].equals(Buffer.concat(own)));
      }
    }),
    { seed: 20261123 },
  );
});
