import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { FastifyReply } from "fastify";
import { EventStream } from "./event-stream.ts";

/** A stream whose reader takes everything, and a clock that goes on to whatever is waited for. */
function stand() {
  let ms = 0;
  const written: string[] = [];
  const clock = {
    nowMs: () => ms,
    monotonicMs: () => ms,
    after: (delayMs: number, callback: () => void) => {
      ms += delayMs;
      queueMicrotask(callback);
      return () => undefined;
    },
  };
  const raw = Object.assign(new EventEmitter(), {
    writeHead: () => undefined,
    flushHeaders: () => undefined,
    write: (text: string) => written.push(`${ms} ${text.trim().split("\n")[0]}`) > 0,
  });
  const reply = { raw, hijack: () => undefined } as unknown as FastifyReply;
  return { written, stream: EventStream.open(reply, clock) };
}

test("a comment comes 15 seconds after what was written last, however often its producer looks for news", async () => {
  const { written, stream } = stand();
  for (let second = 1; second <= 10; second++) await stream.idle(1000);
  await stream.send("trials", []);
  for (let second = 1; second <= 20; second++) await stream.idle(1000);
  await stream.idle();
  assert.deepEqual(written, ["10000 event: trials", "25000 : still here", "40000 : still here"]);
});
