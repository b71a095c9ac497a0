import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { OpenConnections } from "./open-connections.ts";

function stand(tokenHolds: () => Promise<boolean> = async () => true) {
  let due: (() => void) | undefined;
  let nowMs = 0;
  const asked: string[] = [];
  const troubles: string[] = [];
  const connections = new OpenConnections({
    clock: {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      after: (_delayMs, callback) => {
        due = callback;
        return () => undefined;
      },
    },
    log: { error: () => void troubles.push("said") },
    tokenHolds: async (tokenId) => {
      asked.push(tokenId);
      return tokenHolds();
    },
    allocationServes: () => true,
  });
  const look = (): void => {
    const next = due ?? assert.fail("no look is due");
    due = undefined;
    nowMs += 5_000;
    next();
  };
  const socket = (destroyed: boolean) => Object.assign(new EventEmitter(), { destroyed }) as Socket;
  return { connections, asked, troubles, socket, look };
}

test("a connection that was gone before it was let in is not held, nor asked about", async () => {
  const { connections, asked, troubles, socket, look } = stand();
  connections.watch(socket(true), { tokenId: "gone" });
  connections.watch(socket(false), { tokenId: "answered" }, socket(true));
  connections.watch(socket(false), { tokenId: "here" });
  look();
  await new Promise((soon) => setImmediate(soon));
  assert.deepEqual(asked, ["here"]);
  assert.deepEqual(troubles, []);
});

test("that nobody can be asked is said once, and each look waits for the one before", async () => {
  let answer = Promise.withResolvers<boolean>();
  const { connections, asked, troubles, socket, look } = stand(() => answer.promise);
  connections.watch(socket(false), { tokenId: "here" });
  const said: number[] = [];
  for (const outcome of ["fails", "fails", "holds", "fails"]) {
    answer = Promise.withResolvers();
    look();
    assert.throws(look, /no look is due/, "the one before has no answer yet");
    if (outcome === "fails") answer.reject(new Error("the database is away"));
    else answer.resolve(true);
    await new Promise((soon) => setImmediate(soon));
    said.push(troubles.length);
  }
  assert.deepEqual([asked.length, said], [4, [1, 1, 1, 2]]);
});
