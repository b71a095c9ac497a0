import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import type { Clock } from "../base/clock.ts";
import { realClock } from "../base/real-clock.ts";
import { filePart } from "../store/file-part.ts";
import { ServerClient } from "./server-client.ts";

const HASH = "ab".repeat(32);
const MIB = 1024 ** 2;
const LARGE = { offset: 2 ** 32 - MIB, size: 9 * MIB };

let folder = "";
let file = "";
let url = "";
/** What each request brought. */
let seen: { readonly length: string | undefined; readonly digest: string }[] = [];
let arrives = (_request: IncomingMessage): void => undefined;
let answer = (_request: IncomingMessage, response: ServerResponse): void => void response.end("{}");
const server = createServer(async (request, response) => {
  const digest = createHash("sha256");
  try {
    for await (const bytes of request) {
      arrives(request);
      digest.update(bytes);
    }
  } catch {
    return;
  }
  seen.push({ length: request.headers["content-length"], digest: digest.digest("hex") });
  answer(request, response);
});

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "contrail-client-"));
  file = join(folder, "weights");
  const made = await open(file, "w");
  await made.write(Buffer.from("here"), 0, 4, 2 ** 32 + 5);
  await made.truncate(LARGE.offset + LARGE.size);
  await made.close();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await writeFile(join(folder, "server.json"), JSON.stringify({ url }));
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  seen = [];
  arrives = () => undefined;
  await writeFile(join(folder, "token"), "first");
});

const newClient = (clock: Clock = realClock): ServerClient =>
  new ServerClient({
    ...{ fetch, clock, runnerId: "r" },
    ...{ serverFile: join(folder, "server.json"), tokenFile: join(folder, "token") },
  });
const large = () => filePart({ path: file, ...LARGE });

const expected = (): string => {
  const bytes = Buffer.alloc(LARGE.size);
  bytes.write("here", 2 ** 32 + 5 - LARGE.offset);
  return createHash("sha256").update(bytes).digest("hex");
};

/** What this process has open of it. */
const held = (path: string): number =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(join("/proc/self/fd", fd)) === path;
    } catch {
      return false;
    }
  }).length;

const STORED = JSON.stringify({ hash: HASH, size: LARGE.size, existed: false });
const onlyFor = (token: string) => (request: IncomingMessage, response: ServerResponse) => {
  response.statusCode = request.headers.authorization === `Bearer ${token}` ? 200 : 401;
  response.end(STORED);
};

test("a part beyond 4 GiB arrives whole, and from its beginning again under a new token", async () => {
  const client = newClient();
  answer = onlyFor("first");
  await client.putBlob(HASH, large());
  await writeFile(join(folder, "token"), "second");
  answer = onlyFor("second");
  await client.putBlob(HASH, large());
  const whole = { length: String(LARGE.size), digest: expected() };
  assert.deepEqual(seen, [whole, whole, whole]);
  assert.equal(held(file), 0);
});

test("a file that changed under our hands is not blamed on the server", async () => {
  const path = join(folder, "shrinks");
  await writeFile(path, Buffer.alloc(9 * MIB));
  const content = filePart({ path, size: 9 * MIB });
  await truncate(path, 8 * MIB + 1);
  await assert.rejects(newClient().putBlob(HASH, content), {
    kind: "refused",
    message: /shrinks ends at byte 8388609 by now/,
  });
  assert.equal(held(path), 0);
});

test("a request that is broken off lets go of its file", async () => {
  const client = newClient();
  arrives = () => client.close();
  await assert.rejects(client.putBlob(HASH, large()), { kind: "unreachable" });
  assert.equal(held(file), 0);
});

test("a blob counts as stored only where the answer says that it is", async () => {
  for (const body of ["", "welcome", "{}", `{"hash":"${"c".repeat(64)}","size":${LARGE.size}}`]) {
    answer = (_request, response) => void response.end(body);
    await assert.rejects(newClient().putBlob(HASH, large()), { kind: "unreachable" }, body);
  }
  answer = (_request, response) => void response.end(STORED);
  await newClient().putBlob(HASH, large());
});

test("a yes of another form comes from no server of ours, and costs nothing for good", async () => {
  answer = (_request, response) => void response.end('{"code":"signed_in"}');
  await assert.rejects(newClient().missingBlobs([HASH]), {
    kind: "unreachable",
    message: /blobs\/missing is not one of a Contrail server: missing: /,
  });
});

test("a request that is not allowed is told from a token that is not accepted, and a late answer from none", async () => {
  const ask = { method: "GET", path: "/x", timeoutMs: 1e6 } as const;
  for (const [status, kind] of [
    [401, "unauthorized"],
    [403, "forbidden"],
    [451, "forbidden"],
    [422, "refused"],
  ] as const) {
    answer = (_request, response) => void response.writeHead(status).end();
    await assert.rejects(newClient().json(ask), { kind });
  }
  let ring = (): void => undefined;
  const clock: Clock = {
    ...realClock,
    after: (_ms, run) => {
      ring = run;
      return () => undefined;
    },
  };
  // Before the answer, half way through it, and half way through the request.
  for (const half of [false, true]) {
    answer = ({ socket }, response) => {
      if (half) response.write("{", () => socket.resetAndDestroy());
      else socket.resetAndDestroy();
    };
    await assert.rejects(newClient().json(ask), { kind: "broken" });
  }
  arrives = ({ socket }) => void socket.resetAndDestroy();
  await assert.rejects(newClient().putBlob(HASH, large()), { kind: "broken" });
  arrives = () => undefined;
  answer = () => ring();
  await assert.rejects(newClient(clock).json(ask), { kind: "unanswered" });
  server.closeAllConnections();
  await writeFile(join(folder, "server.json"), JSON.stringify({ url: "http://127.0.0.1:1" }));
  await assert.rejects(newClient().json(ask), { kind: "unreachable" });
  await writeFile(join(folder, "server.json"), JSON.stringify({ url }));
});
