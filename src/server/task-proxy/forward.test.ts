import assert from "node:assert/strict";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { test } from "node:test";
import { forward } from "./forward.ts";

test("who has left before a way is asked for has left", async () => {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  response.destroy();
  let has = false;
  await forward(request, response, {
    scheme: "http",
    clock: { nowMs: () => 0, monotonicMs: () => 0, after: () => () => undefined },
    take: async (signal) => {
      has = signal.aborted;
      throw signal.reason;
    },
  });
  assert.ok(has);
});
