/** Who may connect, and what a connection makes of whatever comes over it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect as connectPlain } from "node:net";
import { afterEach, beforeEach, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { realClock } from "../../base/real-clock.ts";
import {
  fromAgent,
  type Meeting,
  NODE_LINE_BYTES_MAX,
  type NodeHello,
} from "../../protocol/node-wire.ts";
import { Channel, connect, linkKey, listener } from "./link.ts";

const KEY = linkKey("cr_pool.1.1.1_aa");
const HELLO: NodeHello = { as: "control", node: 1, name: "n2" };

let server: ReturnType<typeof listener>;
let place: Meeting;
let came: { hello: NodeHello; socket: TLSSocket }[];
let onCame: () => void;
const sockets: TLSSocket[] = [];

beforeEach(async () => {
  came = [];
  onCame = () => {};
  server = listener(KEY, realClock, (hello, socket) => {
    came.push({ hello, socket });
    sockets.push(socket);
    onCame();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  place = { address: "127.0.0.1", port: (server.address() as AddressInfo).port };
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

async function pair(): Promise<{ near: TLSSocket; far: TLSSocket }> {
  const arrived = new Promise<void>((resolve) => {
    onCame = resolve;
  });
  const far = await connect(place, KEY, HELLO);
  sockets.push(far);
  await arrived;
  return { near: came.at(-1)!.socket, far };
}

test("who has the key is heard, and what follows the first line is not lost", async () => {
  const { near, far } = await pair();
  assert.deepEqual(came[0]?.hello, HELLO);
  far.write("bytes that are\nno messages");
  const [chunk] = (await Promise.all([once(near, "data"), near.resume()]))[0] as [Buffer];
  assert.equal(chunk.toString(), "bytes that are\nno messages");
});

test("who has another key, or none, is turned away before anything of his is read", async () => {
  await assert.rejects(connect(place, linkKey("cr_pool.1.1.2_aa"), HELLO), /bad record mac/i);
  const plain = connectPlain(place.port, place.address);
  plain.on("error", () => {});
  plain.write(`${JSON.stringify(HELLO)}\n`);
  await once(plain, "close");
  assert.deepEqual(came, []);
});

test("a first line that says nothing known, or too much, ends the connection", async () => {
  for (const hello of [{}, { ...HELLO, node: 0 }, { ...HELLO, name: "x".repeat(5000) }, "x"]) {
    const far = await connect(place, KEY, hello as NodeHello);
    far.resume();
    await once(far, "close");
    assert.equal(came.length, 0);
  }
});

/** The head's end of a control connection, with what it hears and how it ends. */
function channelOn(socket: TLSSocket, leaseMs = 60_000) {
  const heard: unknown[] = [];
  let end: (why: string) => void = () => {};
  const closed = new Promise<string>((resolve) => {
    end = resolve;
  });
  const channel = new Channel({
    ...{ clock: realClock, socket, schema: fromAgent, leaseMs, closed: (why: string) => end(why) },
    heard: (message: unknown) => void heard.push(message),
  });
  return { channel, heard, closed };
}

test("messages that come torn, or many at once, are heard whole and in order", async () => {
  const { near, far } = await pair();
  const { heard, closed } = channelOn(near);
  const lines = Array.from({ length: 50 }, (_, i) => `{"type":"tell","text":"ünd ${i}"}\n`);
  const bytes = Buffer.from(lines.join(""));
  for (let at = 0; at < bytes.length; at += 7) far.write(bytes.subarray(at, at + 7));
  far.end('{"type":"swept","outl');
  assert.match(await closed, /other side is gone/);
  assert.deepEqual(
    heard,
    lines.map((line) => JSON.parse(line)),
  );
});

test("what is no message, or too long for one, ends the connection without being shown", async () => {
  const secret = "hush";
  for (const [text, why] of [
    ["not json\n", /that are no message/],
    [`{"type":"tell","text":"${secret}","more":1}\n`, /that are no message/],
    ['{"type":"over"}\n', /that are no message/],
    ["x".repeat(NODE_LINE_BYTES_MAX + 1), /more than \d+ bytes/],
  ] as const) {
    const { near, far } = await pair();
    const { heard, closed } = channelOn(near);
    far.write(text);
    const said = await closed;
    assert.match(said, why);
    assert.ok(!said.includes(secret));
    assert.deepEqual(heard, []);
  }
});

test("who says nothing is given up after the lease, and who is merely there is not", async () => {
  const quiet = await pair();
  const first = channelOn(quiet.near, 600);
  quiet.far.resume();
  assert.match(await first.closed, /nothing was heard for 0.6 s/);
  const there = await pair();
  const here = channelOn(there.near, 600);
  const beats = channelOn(there.far, 600);
  const ended = Promise.race([here.closed, beats.closed]);
  const waited = new Promise((resolve) => setTimeout(resolve, 1_500, "still there"));
  assert.equal(await Promise.race([ended, waited]), "still there");
  here.channel.end();
  beats.channel.end();
});
