/** The uplink on a virtual clock, against a server that fails, refuses, and loses what it answered. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Clock } from "../base/clock.ts";
import { keyed } from "../base/random.ts";
import { logsRequest, syncRequest } from "../protocol/runner-wire.ts";
import { encodeLogRecord } from "./log-record.ts";
import { type RequestOptions, ServerFailure, type ServerFailureKind } from "./server-client.ts";
import { Spool, type SpoolStream } from "./spool.ts";
import { Uplink, type UplinkOptions } from "./uplink.ts";
import type { UplinkSource } from "./uplink-stream.ts";
import { VirtualClock } from "./virtual-clock.ts";

const SEED = 20_261_123;
const KINDS: readonly ServerFailureKind[] = [
  "unreachable",
  "broken",
  "unanswered",
  "busy",
  "unauthorized",
  "forbidden",
  "missing",
  "too_large",
  "refused",
];

const sourceIn = (folder: string, id: string) => {
  mkdirSync(join(folder, id));
  const events = Spool.open(join(folder, id), "events", { segmentMaxBytes: 500 });
  const logs = Spool.open(join(folder, id), "logs", { segmentMaxBytes: 500 });
  return {
    ...{ id, fence: 1, events, logs, counted: true },
    eventsAcked: (seq: number) => events.ack(seq),
    logsAcked: (seq: number) => logs.ack(seq),
    disowned: () => {},
    substitute: () => undefined,
  } satisfies UplinkSource;
};

const uplinkTo = (
  client: UplinkOptions["client"],
  clock: Clock,
  sources: readonly UplinkSource[],
  say: (text: string) => void = () => {},
): Uplink =>
  new Uplink({
    ...{ client, clock, boot: "b", sources: () => sources, ordersAfter: () => 0 },
    ...{ lease: () => 0, holds: () => [], replied: () => {}, say },
  });

/** Lines that each say their own number. */
function write(logs: SpoolStream, count: number): void {
  const record = (n: number) =>
    encodeLogRecord({
      ...{ atMs: 0, rank: 0, stream: "stdout", complete: true },
      bytes: Buffer.from(`${logs.lastSeq + 1 + n}`),
    });
  logs.appendAll(Array.from({ length: count }, (_, n) => record(n)));
}

/** Takes streams as the contract says, and fails by chance while `troubled`. */
class Receiver {
  readonly heard = new Map<string, string[]>();
  troubled = true;
  readonly runnerId = "r";
  readonly #random;
  constructor(seed: number) {
    this.#random = keyed(seed, "receiver");
  }
  json = async ({ path, body }: RequestOptions): Promise<unknown> => {
    await new Promise(setImmediate);
    const before = this.troubled && this.#random.unit() < 0.3;
    if (before) throw new ServerFailure(KINDS[this.#random.below(KINDS.length)]!, "by chance");
    const text = Buffer.from(body as Uint8Array).toString();
    const acked: Record<string, number> = {};
    const take = (id: string, kind: string, seq: number, what: string) => {
      const list = this.heard.get(`${kind} ${id}`) ?? [];
      this.heard.set(`${kind} ${id}`, list);
      assert.ok(seq <= list.length + 1, `${kind} ${id}: after ${list.length} came ${seq}`);
      if (seq === list.length + 1) list.push(what);
    };
    const sync = path.endsWith("/sync");
    if (sync)
      for (const { id, events } of syncRequest.parse(JSON.parse(text)).allocations) {
        for (const event of events)
          take(id, "events", event.seq, event.type === "waiting" ? `${event.step}` : "?");
        acked[id] = this.heard.get(`events ${id}`)?.length ?? 0;
      }
    else
      for (const { id, lines } of logsRequest.parse(JSON.parse(text)).allocations) {
        for (const line of lines)
          take(id, "logs", line.seq, Buffer.from(line.bytes, "base64").toString());
        acked[id] = this.heard.get(`logs ${id}`)?.length ?? 0;
      }
    if (this.troubled && this.#random.unit() < 0.3)
      throw new ServerFailure("unanswered", "it came too late");
    return sync ? { acked, gone: [], orders: [], ordersVersion: 0 } : { acked };
  };
}

test("whatever the server does to requests and answers, each record is heard once and in order", async () => {
  const step = fc.record({
    source: fc.nat(3),
    events: fc.nat(30),
    lines: fc.nat(30),
    turns: fc.nat(8),
  });
  const property = fc.asyncProperty(
    fc.integer(),
    fc.array(step, { maxLength: 15 }),
    async (seed, steps) => {
      const folder = mkdtempSync(join(tmpdir(), "contrail-uplink-"));
      const sources = ["1.1.1", "1.2.1", "1.3.1", "1.4.1"].map((id) => sourceIn(folder, id));
      try {
        const clock = new VirtualClock();
        const receiver = new Receiver(seed);
        const uplink = uplinkTo(receiver, clock, sources);
        uplink.start();
        for (const { source, events, lines, turns } of steps) {
          const { events: eventSpool, logs } = sources[source]!;
          for (let i = 0; i < events; i++) {
            const seq = eventSpool.lastSeq + 1;
            eventSpool.append(
              Buffer.from(JSON.stringify({ type: "waiting", seq, atMs: 0, step: seq })),
            );
          }
          write(logs, lines);
          uplink.eventsReady();
          uplink.logsReady();
          for (let turn = 0; turn < turns; turn++) await clock.turn();
        }
        receiver.troubled = false;
        const isOpen = () =>
          sources.some(
            ({ events, logs }) => events.ackedSeq < events.lastSeq || logs.ackedSeq < logs.lastSeq,
          );
        for (let turn = 0; turn < 500 && isOpen(); turn++) await clock.turn();
        assert.equal(isOpen(), false, "once the server is well, everything is delivered");
        for (const { id, events, logs } of sources) {
          const upTo = (n: number) => Array.from({ length: n }, (_, i) => `${i + 1}`);
          assert.deepEqual(receiver.heard.get(`events ${id}`) ?? [], upTo(events.lastSeq));
          assert.deepEqual(receiver.heard.get(`logs ${id}`) ?? [], upTo(logs.lastSeq));
        }
        await uplink.stop();
      } finally {
        for (const { events, logs } of sources) {
          events.close();
          logs.close();
        }
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
  await fc.assert(property, { seed: SEED, numRuns: 100 });
});

test("lines that the server does not acknowledge are not sent again as fast as it answers", async () => {
  const folder = mkdtempSync(join(tmpdir(), "contrail-uplink-"));
  const source = sourceIn(folder, "1.1.1");
  try {
    write(source.logs, 10);
    const clock = new VirtualClock();
    let acked = 3;
    const firsts: number[] = [];
    const json = async ({ path, body }: RequestOptions): Promise<unknown> => {
      await new Promise(setImmediate);
      if (path.endsWith("/sync"))
        return { acked: { "1.1.1": 0 }, gone: [], orders: [], ordersVersion: 0 };
      const { allocations } = logsRequest.parse(JSON.parse(String(body)));
      firsts.push(allocations[0]?.lines[0]?.seq ?? 0);
      return { acked: { "1.1.1": acked } };
    };
    const uplink = uplinkTo({ runnerId: "r", json }, clock, [source]);
    uplink.start();
    while (firsts.length === 0) await clock.turn();
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    assert.deepEqual(firsts, [1, 4], "at once only while it goes forward");
    acked = 10;
    for (let turn = 0; turn < 50 && source.logs.ackedSeq < 10; turn++) await clock.turn();
    assert.deepEqual(firsts, [1, 4, 4], "and later all the same");
    assert.equal(source.logs.ackedSeq, 10);
    await uplink.stop();
  } finally {
    source.events.close();
    source.logs.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("an event that is refused is given up for something shorter only where the server takes what comes without it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "contrail-uplink-"));
  const replaced: string[] = [];
  const source = {
    ...sourceIn(folder, "1.1.1"),
    substitute: (payload: Buffer) => {
      replaced.push(String(payload));
      return Buffer.from(String(payload).replace('"step":666', '"step":0'));
    },
  };
  try {
    const say = (step: number): void => {
      const seq = source.events.lastSeq + 1;
      source.events.append(Buffer.from(JSON.stringify({ type: "waiting", seq, atMs: 0, step })));
    };
    const clock = new VirtualClock();
    const receiver = new Receiver(SEED);
    receiver.troubled = false;
    let refused = 0;
    let refusesAll = true;
    const json = async (request: RequestOptions): Promise<unknown> => {
      await new Promise(setImmediate);
      const isBad = String(request.body).includes('"step":666');
      if (!refusesAll && !isBad) return await receiver.json(request);
      refused += 1;
      throw new ServerFailure("refused", "400");
    };
    const uplink = uplinkTo({ runnerId: "r", json }, clock, [source]);
    say(1);
    uplink.start();
    while (refused < 30) await clock.turn();
    assert.deepEqual(replaced, []);
    refusesAll = false;
    while (source.events.ackedSeq < 1) await clock.turn();
    say(666);
    say(3);
    uplink.eventsReady();
    while (source.events.ackedSeq < 3) await clock.turn();
    assert.equal(replaced.length, 1);
    assert.deepEqual(receiver.heard.get("events 1.1.1"), ["1", "0", "3"]);
    await uplink.stop();
  } finally {
    source.events.close();
    source.logs.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("lines that are refused are never taken for events, and those of others go on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "contrail-uplink-"));
  const asked: Buffer[] = [];
  const substitute = (payload: Buffer): undefined => void asked.push(payload);
  const [bad, good] = ["1.1.1", "1.2.1"].map((id) => ({ ...sourceIn(folder, id), substitute }));
  assert.ok(bad && good);
  try {
    for (const { logs } of [bad, good]) write(logs, 3);
    const clock = new VirtualClock();
    const receiver = new Receiver(SEED);
    receiver.troubled = false;
    let refused = 0;
    const json = async (request: RequestOptions): Promise<unknown> => {
      await new Promise(setImmediate);
      const isBad = request.path.endsWith("/logs") && String(request.body).includes(bad.id);
      if (!isBad) return await receiver.json(request);
      refused += 1;
      throw new ServerFailure("refused", "400");
    };
    const uplink = uplinkTo({ runnerId: "r", json }, clock, [bad, good]);
    uplink.start();
    while (good.logs.ackedSeq < 3 || refused < 5) await clock.turn();
    // A line is no event that something could be said in place of.
    assert.deepEqual(asked, []);
    assert.equal(bad.logs.ackedSeq, 0);
    await uplink.stop();
  } finally {
    for (const { events, logs } of [bad, good]) {
      events.close();
      logs.close();
    }
    rmSync(folder, { recursive: true, force: true });
  }
});
