/** Questions to an image, with an engine that answers what the test wants. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { Clock } from "../../base/clock.ts";
import type { DockerApi } from "../../engines/docker/docker-api.ts";
import { askInside } from "./ask-inside.ts";

/** As the engine frames what was written to stdout. */
function frame(bytes: number): Buffer {
  const head = Buffer.alloc(8);
  head[0] = 1;
  head.writeUInt32BE(bytes, 4);
  return Buffer.concat([head, Buffer.alloc(bytes, "a")]);
}

function asked(bytes: number): Promise<string> {
  const socket = new PassThrough();
  const api = {
    attach: async () => ({ socket, head: Buffer.alloc(0) }),
    json: async ({ path }: { path: string }) => {
      if (path.endsWith("/start")) socket.end(frame(bytes));
      return { Id: "1", StatusCode: 0 };
    },
  } as unknown as DockerApi;
  const clock = { after: () => () => undefined } as unknown as Clock;
  const where = { api, clock, image: "i", labels: {}, user: "1", mounts: [] };
  return askInside(where, { command: ["cat"], env: {}, folder: "/", limitMs: 30_000 });
}

test("an answer is whole, or it is none", async () => {
  assert.equal(await asked(5), "aaaaa");
  await assert.rejects(asked(17 * 1024 * 1024), /cat wrote more than 16777216 bytes in the image/);
});
