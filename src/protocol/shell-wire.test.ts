/** Frames come out as they went in, however the bytes between are cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ShellFrames, shellFrame } from "./shell-wire.ts";

test("frames survive every cut", () => {
  const frame = fc.record({
    kind: fc.constantFrom("d", "r", "s", "x" as const),
    content: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(({ kind, content }) => shellFrame(kind, content)));
        const reader = new ShellFrames();
        const heard: unknown[] = [];
        for (let at = 0; at < bytes.length; ) {
          const width = cuts.next().value as number;
          heard.push(...reader.take(bytes.subarray(at, at + width)));
          at += width;
        }
        assert.deepEqual(
          heard,
          sent.map(({ kind, content }) => ({ kind, content: Uint8Array.from(content) })),
        );
      },
    ),
    { seed: 20261123 },
  );
});

test("what is no frame is refused before it is waited for", () => {
  for (const bytes of ["HTTP/1.1 400 Bad Request\r\n", "d\xff\xff\xff\xff", "\0\0\0\0\0"])
    assert.throws(() => new ShellFrames().take(Buffer.from(bytes, "latin1")), /no shell of a task/);
});
