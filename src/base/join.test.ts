/** Two streams made one, over real sockets: nothing that was said is lost, and nothing that was cut looks whole. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { join } from "./join.ts";
import { realClock } from "./real-clock.ts";

async function pair(): Promise<[here: Socket, there: Socket]> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const here = connect((server.address() as { port: number }).port, "127.0.0.1");
  const [there] = (await once(server, "connection")) as [Socket];
  server.close();
  for (const socket of [here, there]) socket.on("error", () => {});
  return [here, there];
}

/** a ⇄ (b joined c) ⇄ d */
async function joined(): Promise<[a: Socket, d: Socket]> {
  const [a, b] = await pair();
  const [c, d] = await pair();
  join(b, c, realClock);
  return [a, d];
}

test("what was said last before a close is delivered, however slowly it is read", async () => {
  const [a, d] = await joined();
  const sent = Buffer.alloc(8_000_000, "last words");
  a.end(sent);
  await new Promise((soon) => setTimeout(soon, 100));
  const pieces: Buffer[] = [];
  for await (const piece of d) {
    pieces.push(piece);
    if (pieces.length % 20 === 0) await new Promise((soon) => setTimeout(soon, 1));
  }
  assert.ok(Buffer.concat(pieces).equals(sent));
  if (!a.destroyed) await once(a, "close");
});

test("who was cut off cuts the other off", async () => {
  const [a, d] = await joined();
  d.resume();
  a.write("half a");
  await once(d, "data");
  a.resetAndDestroy();
  const [hadError] = await once(d, "close");
  assert.equal(typeof hadError, "boolean");
  assert.ok(d.destroyed);
});

test("one that is gone already takes the other with it", async () => {
  const [a, b] = await pair();
  const [c, d] = await pair();
  c.destroy();
  d.destroy();
  join(b, c, realClock);
  await once(a.resume(), "close");
});

test("one that reads nothing any more does not hold its connection for ever", async () => {
  const timers = new Set<() => void>();
  const clock = {
    after: (_delayMs: number, callback: () => void) => {
      timers.add(callback);
      return () => void timers.delete(callback);
    },
  };
  const fire = (): void => {
    for (const callback of [...timers]) {
      timers.delete(callback);
      callback();
    }
  };
  const [a, b] = await pair();
  const [c, d] = await pair();
  d.pause();
  join(b, c, clock);
  a.write(Buffer.alloc(64_000_000));
  // Its side of the line is full: nothing of what comes now is taken.
  while (!c.writableNeedDrain) await new Promise((soon) => setImmediate(soon));
  const [closed, gone] = [once(b, "close"), once(c, "close")];
  b.destroy();
  await closed;
  assert.ok(!c.destroyed, "what it has said last may still be read");
  for (let looks = 0; looks < 100 && !c.destroyed; looks++) {
    fire();
    await new Promise((soon) => setImmediate(soon));
  }
  assert.ok(c.destroyed);
  await gone;
  assert.equal(timers.size, 0);
  for (const socket of [a, d]) socket.destroy();
});
