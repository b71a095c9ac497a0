import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { OpenConnections } from "./open-connections.ts";

function stand() {
  let look = (): void => assert.fail("it looks");
  const asked: string[] = [];
  const connections = new OpenConnections({
    clock: {
      nowMs: () => 0,
      monotonicMs: () => 0,
      after: (_delayMs, callback) => {
        look = callback;
        return () => undefined;
      },
    },
    log: { error: () => assert.fail("nothing fails") },
    tokenHolds: async (tokenId) => {
      asked.push(tokenId);
      return true;
    },
    allocationServes: () => true,
  });
  const socket = (destroyed: boolean) => Object.assign(new EventEmitter(), { destroyed }) as Socket;
  return { connections, asked, socket, look: () => look() };
}

test("a connection that was gone before it was let in is not held, nor asked about", async () => {
  const { connections, asked, socket, look } = stand();
  connections.watch(socket(true), { tokenId: "gone" });
  connections.watch(socket(false), { tokenId: "answered" }, socket(true));
  connections.watch(socket(false), { tokenId: "here" });
  look();
  await new Promise((soon) => setImmediate(soon));
  assert.deepEqual(asked, ["here"]);
});
