/** Lines that are wrong: whoever waits for an answer gets one, and what is right beside them counts. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ToTrial } from "../protocol/trial-socket.ts";
import { LINE_MAX_BYTES } from "./trial-message.ts";
import { TrialSocket } from "./trial-socket.ts";

class Bench implements AsyncDisposable {
  readonly heard: string[] = [];
  readonly faults: string[] = [];
  /** What rank 0 was told. */
  readonly told: ToTrial[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "socket-"));
  readonly socket: TrialSocket;
  #client: Socket | undefined;

  constructor() {
    this.socket = new TrialSocket({
      ...{ path: join(this.#folder, "s"), ranks: 1 },
      events: {
        welcome: () => ({ type: "welcome" }) as ToTrial,
        hello: () => undefined,
        closed: () => undefined,
        message: (message) =>
          void this.heard.push(
            "step" in message ? `${message.type} ${message.step}` : message.type,
          ),
        agree: () => ({ target: null, yield: null, reason: "" }),
        checkpoint: async () => null,
        fault: (text) => void this.faults.push(text),
      },
    });
  }

  async open(): Promise<Socket> {
    await this.socket.listen();
    const client = connect(join(this.#folder, "s"));
    this.#client = client;
    client.on("error", () => undefined);
    let text = "";
    client.on("data", (chunk) => {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) this.told.push(JSON.parse(line));
    });
    client.write('{"type":"hello","rank":0,"sdk":"test"}\n');
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.destroy();
    this.socket.close();
    rmSync(this.#folder, { recursive: true });
  }
}

const closed = (client: Socket): Promise<void> =>
  new Promise((resolve) => client.once("close", () => resolve()));

test("a checkpoint whose line is wrong is answered, so that nobody waits for it", async () => {
  await using bench = new Bench();
  const client = await bench.open();
  client.write('{"type":"checkpoint","step":9007199254740992,"path":"p","metadata":{}}\n');
  client.write('{"type":"checkpoint","step":2,"path":5,"metadata":{}}\n');
  client.write('{"type":"checkpoint","step":3,"path":"p","metadata":[]}\n');
  client.write('{"type":"checkpoint","step":"x","path":"p"}\n');
  client.end('{"type":"checkpoint","step":4,"path":"p","metadata":{}}\n');
  await closed(client);
  assert.equal(bench.faults.length, 4);
  assert.deepEqual(
    bench.told.filter(({ type }) => type === "checkpointed"),
    [
      ...[2 ** 53, 2, 3].map((step, i) => ({
        ...{ type: "checkpointed", step, error: bench.faults[i] },
      })),
      { type: "checkpointed", step: 4, error: null },
    ],
  );
});

test("a hundred wrong lines cut nobody off who says something right between them", async () => {
  await using bench = new Bench();
  const client = await bench.open();
  const wrong = '{"type":"report","step":-1,"metrics":{}}\n';
  for (let step = 1; step <= 3; step++)
    client.write(`${wrong.repeat(99)}{"type":"report","step":${step},"metrics":{}}\n`);
  client.write(wrong.repeat(100));
  client.write('{"type":"report","step":4,"metrics":{}}\n');
  await closed(client);
  assert.equal(bench.faults.length, 397);
  assert.match(bench.faults[396] ?? "", /after 100 such lines the connection was closed/);
  assert.deepEqual(bench.heard, ["report 1", "report 2", "report 3"]);
});

test("a thousand wrong lines are told, and no more: they would fill the disk past every bound", async () => {
  await using bench = new Bench();
  const client = await bench.open();
  const wrong = '{"type":"report","step":-1,"metrics":{}}\n';
  for (let step = 1; step <= 20; step++)
    client.write(`${wrong.repeat(99)}{"type":"report","step":${step},"metrics":{}}\n`);
  client.write(wrong.repeat(100));
  await closed(client);
  assert.equal(bench.heard.length, 20);
  assert.equal(bench.faults.length, 1_001);
  assert.match(bench.faults[999] ?? "", /of 1000 such lines this is the last that is told/);
  assert.match(bench.faults[1000] ?? "", /after 100 such lines the connection was closed/);
});

test("a line too long to be read ends the connection, unless nobody waits for an answer to it", async () => {
  await using bench = new Bench();
  const client = await bench.open();
  const much = "a".repeat(LINE_MAX_BYTES + 2 ** 20);
  client.write(`{"type":"report","step":1,"metrics":{"${much}":1}}\n`);
  client.write(`${much}\n`);
  client.write('{"type":"report","step":2,"metrics":{}}\n');
  client.write(`{"type":"checkpoint","step":2,"path":"p","metadata":{"a":"${much}"}}\n`);
  client.write('{"type":"report","step":3,"metrics":{}}\n');
  await closed(client);
  assert.deepEqual(bench.heard, ["report 2"]);
  assert.deepEqual(
    bench.faults.map((text) => text.replace(/.* bytes/, "")),
    [" and was skipped", " and was skipped", "; the connection was closed"],
  );
});

test("while nothing is read who comes is greeted, which it does not wait for for ever, and what it says then waits", async () => {
  await using bench = new Bench();
  bench.socket.pause();
  const client = await bench.open();
  client.write('{"type":"report","step":1,"metrics":{}}\n{"type":"report","step":2,"met');
  while (bench.told.length === 0) await once(client, "data");
  client.write('rics":{}}\n');
  await new Promise((resolve) => client.write('{"type":"bye"}\n', resolve));
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  assert.deepEqual(bench.heard, []);
  bench.socket.push({ target: null, yield: "pause", reason: "" });
  while (bench.told.length === 1) await once(client, "data");
  assert.deepEqual(
    bench.told.map(({ type }) => type),
    ["welcome", "orders"],
  );
  bench.socket.resume();
  client.end();
  await closed(client);
  assert.deepEqual(bench.heard, ["report 1", "report 2", "bye"]);
});
