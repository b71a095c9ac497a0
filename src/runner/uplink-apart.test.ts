/** One allocation whose records the server does not take, or takes for long, and the others beside it; on a virtual clock. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { logsRequest, syncRequest } from "../protocol/runner-wire.ts";
import { encodeLogRecord } from "./log-record.ts";
import { type RequestOptions, ServerFailure, type ServerFailureKind } from "./server-client.ts";
import { Spool } from "./spool.ts";
import { Uplink } from "./uplink.ts";
import type { UplinkSource } from "./uplink-stream.ts";
import { VirtualClock } from "./virtual-clock.ts";

const TURNS_MAX = 3_000;

interface Request {
  readonly sync: boolean;
  readonly bytes: number;
  readonly timeoutMs: number;
  /** By allocation: the numbers of its records, and their text. */
  readonly brought: ReadonlyMap<string, readonly { readonly seq: number; readonly text: string }[]>;
}

let folder: string;
let clock: VirtualClock;
let sources: ReturnType<typeof sourceIn>[];
let said: string[];
let heard: Map<string, string[]>;
/** Looked at first; a kind is how the request fails. `taken`: the server took it all the same. */
let verdict: (
  request: Request,
) =>
  | { readonly kind: ServerFailureKind; readonly afterMs?: number; readonly taken?: boolean }
  | undefined;
let uplink: Uplink;

function sourceIn(id: string) {
  mkdirSync(join(folder, id));
  const [events, logs] = ["events", "logs"].map((name) => Spool.open(join(folder, id), name));
  const replaced: number[] = [];
  return {
    ...{ id, fence: 1, events: events!, logs: logs!, counted: true, replaced },
    eventsAcked: (seq: number) => events!.ack(seq),
    logsAcked: (seq: number) => logs!.ack(seq),
    disowned: () => {},
    substitute: (payload: Buffer) => {
      const { seq } = JSON.parse(String(payload)) as { seq: number };
      replaced.push(seq);
      return Buffer.from(JSON.stringify({ type: "waiting", seq, atMs: 0, step: 0 }));
    },
  } satisfies UplinkSource & { replaced: number[] };
}

const json = async ({ path, body, timeoutMs }: RequestOptions): Promise<unknown> => {
  const text = Buffer.from(body as Uint8Array).toString();
  const sync = path.endsWith("/sync");
  const brought = new Map(
    sync
      ? syncRequest.parse(JSON.parse(text)).allocations.map(({ id, events }) => [
          id,
          events.map((event) => ({
            seq: event.seq,
            text: "step" in event ? `${event.step}` : "",
          })),
        ])
      : logsRequest
          .parse(JSON.parse(text))
          .allocations.map(({ id, lines }) => [
            id,
            lines.map(({ seq, bytes }) => ({ seq, text: String(Buffer.from(bytes, "base64")) })),
          ]),
  );
  const found = verdict({ sync, bytes: text.length, timeoutMs, brought });
  await new Promise(setImmediate);
  const { afterMs } = found ?? {};
  if (afterMs !== undefined)
    await new Promise<void>((resolve) => clock.after(Math.min(afterMs, timeoutMs), resolve));
  const acked: Record<string, number> = {};
  if (found === undefined || found.taken)
    for (const [id, records] of brought) {
      const name = `${sync ? "events" : "logs"} ${id}`;
      const list = heard.get(name) ?? [];
      heard.set(name, list);
      for (const { seq, text } of records) {
        assert.ok(seq <= list.length + 1, `${name}: after ${list.length} came ${seq}`);
        if (seq === list.length + 1) list.push(text);
      }
      acked[id] = list.length;
    }
  if (found !== undefined && (afterMs === undefined || afterMs >= timeoutMs || !found.taken))
    throw new ServerFailure(found.kind, `because of ${found.kind}`);
  return sync ? { acked, gone: [], orders: [], ordersVersion: 0 } : { acked };
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "contrail-uplink-"));
  clock = new VirtualClock();
  sources = ["1.1.1", "2.1.1", "3.1.1"].map(sourceIn);
  said = [];
  heard = new Map();
  verdict = () => undefined;
  uplink = new Uplink({
    ...{ client: { runnerId: "r", json }, clock, boot: "b", sources: () => sources },
    ...{ ordersAfter: () => 0, lease: () => 0, holds: () => [], replied: () => {} },
    say: (text) => void said.push(text),
  });
});
afterEach(async () => {
  const stopped = uplink.stop();
  let isOver = false;
  void stopped.then(() => {
    isOver = true;
  });
  while (!isOver) await clock.turn();
  for (const { events, logs } of sources) for (const spool of [events, logs]) spool.close();
  rmSync(folder, { recursive: true, force: true });
});

function report({ events }: UplinkSource, step: number, chars = 0): void {
  const seq = events.lastSeq + 1;
  const metrics = { [`m${"x".repeat(chars % 500)}`]: 1 };
  (events as Spool).append(
    Buffer.from(
      JSON.stringify({ type: "report", seq, atMs: 0, step, metrics }) + " ".repeat(chars),
    ),
  );
  uplink.eventsReady();
}

function print({ logs }: UplinkSource, ...texts: string[]): void {
  const form = { atMs: 0, rank: 0, stream: "stdout", complete: true } as const;
  (logs as Spool).appendAll(
    texts.map((text) => encodeLogRecord({ ...form, bytes: Buffer.from(text) })),
  );
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    if (holds()) return;
    await clock.turn();
  }
  assert.fail(`${what} did not come`);
}
const isHeard = ({ events }: UplinkSource): boolean => events.ackedSeq === events.lastSeq;
const steps = (id: string) => heard.get(`events ${id}`);

for (const kind of ["unanswered", "broken", "busy", "forbidden"] as const)
  test(`an allocation whose events end in ${kind} holds up nobody, is named, and loses nothing`, async () => {
    const [bad, ...good] = sources;
    let isWell = false;
    verdict = ({ brought }) =>
      !isWell && brought.get(bad!.id)?.length ? { kind, afterMs: 60_000 } : undefined;
    for (const source of sources) for (const step of [1, 2, 3]) report(source, step);
    uplink.start();
    await until("what the others said", () => good.every(isHeard));
    await until("its name", () =>
      said.some((text) => text.includes("record 1 of the events of 1.1.1")),
    );
    for (const source of good) report(source, 4);
    await until("what they say since", () => good.every(isHeard));
    assert.equal(steps("1.1.1")?.length ?? 0, 0);
    assert.deepEqual(bad!.replaced, []);
    isWell = true;
    await until("its own", () => isHeard(bad!));
    assert.deepEqual(steps("1.1.1"), ["1", "2", "3"]);
    await until("the end of it", () => said.includes("events of 1.1.1 go on"));
  });

test("what was taken, and answered too late, is neither sent for ever nor stored twice", async () => {
  const [slow, other] = sources;
  verdict = ({ brought }) =>
    brought.get(slow!.id)?.length ? { kind: "unanswered", afterMs: 1e9, taken: true } : undefined;
  for (const step of [1, 2, 3]) report(slow!, step);
  report(other!, 1);
  uplink.start();
  await until("all of it", () => sources.every(isHeard));
  assert.deepEqual(steps("1.1.1"), ["1", "2", "3"]);
  assert.deepEqual(slow!.replaced, []);
});

test("what is behind a slow line arrives, a part at a time", async () => {
  const [source] = sources;
  verdict = ({ bytes, timeoutMs }) => {
    const afterMs = bytes / 40;
    return afterMs < timeoutMs ? undefined : { kind: "unanswered", afterMs };
  };
  for (let step = 1; step <= 300; step++) report(source!, step, 10_000);
  uplink.start();
  await until("all of it", () => isHeard(source!));
});

test("a server that is away behind somebody who breaks every connection is said to answer when it does, and all travel together again", async () => {
  let isAway = true;
  verdict = () => (isAway ? { kind: "broken" } : undefined);
  for (const source of sources) {
    for (const step of [1, 2, 3]) report(source, step);
    print(source, "said");
  }
  uplink.start();
  for (let turn = 0; turn < 300; turn++) await clock.turn();
  assert.deepEqual(said.map((text) => text.slice(0, 22)).sort(), [
    "events: not delivered,",
    "logs: not delivered, w",
  ]);
  isAway = false;
  const all = (): boolean =>
    sources.every((source) => isHeard(source) && isHeard({ ...source, events: source.logs }));
  await until("all of it", all);
  await until("that it answers", () => said.includes("logs: the server answers again"));
  for (let turn = 0; turn < 20; turn++) await clock.turn();
  const together: number[] = [];
  verdict = ({ sync, brought }) => {
    const count = [...brought.values()].filter((records) => records.length > 0).length;
    if (sync && count > 0) together.push(count);
    return undefined;
  };
  for (const source of sources) report(source, 4);
  await until("what is new", all);
  assert.deepEqual(together, [3]);
});

test("what breaks the connection for its size arrives in smaller requests, and what is too large by itself holds up nobody else", async () => {
  const [source, bad, other] = sources;
  let limit = 200_000;
  verdict = ({ bytes }) => (bytes > limit ? { kind: "broken" } : undefined);
  for (let step = 1; step <= 100; step++) report(source!, step, 10_000);
  report(bad!, 1, 300_000);
  report(bad!, 2);
  report(other!, 1);
  uplink.start();
  await until("all that can pass", () => [source!, other!].every(isHeard));
  assert.equal(bad!.events.ackedSeq, 0);
  limit = 400_000;
  await until("the rest", () => isHeard(bad!));
  assert.deepEqual(steps(bad!.id), ["1", "2"]);
});

test("a server that is away behind a proxy that breaks off every connection costs nothing", async () => {
  verdict = () => ({ kind: "broken" });
  for (const source of sources) for (const step of [1, 2, 3]) report(source, step);
  uplink.start();
  for (let turn = 0; turn < 300; turn++) await clock.turn();
  assert.deepEqual(
    said.filter((text) => text.includes("record")),
    [],
    "no record is to blame",
  );
  verdict = () => undefined;
  await until("all of it", () => sources.every(isHeard));
  for (const { id, replaced } of sources)
    assert.deepEqual([steps(id), replaced], [["1", "2", "3"], []]);
});

test("a proxy that now refuses a record and now breaks off for it has refused it since the first time", async () => {
  const [bad] = sources;
  let tries = 0;
  verdict = ({ brought }) =>
    brought.get(bad!.id)?.some(({ text }) => text === "1")
      ? { kind: tries++ % 2 === 0 ? "too_large" : "broken" }
      : undefined;
  report(bad!, 1);
  report(bad!, 2);
  uplink.start();
  await until("what stands behind it", () => isHeard(bad!));
  assert.deepEqual([bad!.replaced, steps(bad!.id)], [[1], ["0", "2"]]);
});

test("the others do not wait for the answer to something that is larger than a batch", async () => {
  const [large, other] = sources;
  let isSent = false;
  let timeoutMs = 0;
  verdict = (request) => {
    if (request.bytes < 2_000_000) return undefined;
    isSent = true;
    ({ timeoutMs } = request);
    return { kind: "unanswered", afterMs: 60_000, taken: true };
  };
  report(large!, 1, 8_000_000);
  uplink.start();
  while (!isSent) await clock.turn();
  report(other!, 1);
  const askedAtMs = clock.nowMs();
  await until("what the other said", () => isHeard(other!));
  assert.ok(clock.nowMs() - askedAtMs < 10_000, "on a clock that moves only by what is waited for");
  assert.ok(timeoutMs > 60_000, "as long as so many bytes need");
  await until("the large one", () => isHeard(large!));
  assert.deepEqual(steps("1.1.1"), ["1"]);
});

test("a line that is refused leaves a word in its place, and what follows is shown", async () => {
  const [bad, good] = sources;
  verdict = ({ sync, brought }) =>
    !sync && [...brought.values()].flat().some(({ text }) => text === "poison")
      ? { kind: "refused" }
      : undefined;
  for (const source of [bad!, good!])
    print(source, "before", source === bad! ? "poison" : "fine", "after");
  uplink.start();
  await until("all lines", () => [bad!, good!].every(({ logs }) => logs.ackedSeq === 3));
  assert.deepEqual(heard.get("logs 1.1.1"), [
    "before",
    "[the server refused this line: because of refused]",
    "after",
  ]);
  assert.deepEqual(heard.get("logs 2.1.1"), ["before", "fine", "after"]);
});

test("nothing is given up where the server takes nothing, not even the name", async () => {
  const [bad, other] = sources;
  verdict = ({ brought }) => (brought.has(bad!.id) ? { kind: "refused" } : undefined);
  report(bad!, 1);
  uplink.start();
  for (let step = 1; step <= 5; step++) {
    report(other!, step);
    await until("the other's", () => isHeard(other!));
    for (let turn = 0; turn < 20; turn++) await clock.turn();
  }
  assert.deepEqual(bad!.replaced, []);
  assert.equal(said.filter((text) => text.includes("takes nothing of 1.1.1")).length, 1);
  verdict = () => undefined;
  await until("its own", () => isHeard(bad!));
  assert.deepEqual(steps("1.1.1"), ["1"]);
});

test("who is waited for longer and longer holds up nobody else that travels by itself", async () => {
  const [slow, large] = sources;
  let tries = 0;
  verdict = ({ brought }) => {
    if (!brought.get(slow!.id)?.length) return undefined;
    tries += 1;
    return { kind: "unanswered", afterMs: 1e9 };
  };
  report(slow!, 1, 8_000_000);
  uplink.start();
  await until("the second try", () => tries === 2);
  report(large!, 1, 2_000_000);
  report(large!, 2);
  await until("all of the other", () => isHeard(large!));
  assert.equal(tries, 2, "while the answer to that was still waited for");
});

test("what an allocation says that travels by itself does not send the others off with nothing to say", async () => {
  const [bad] = sources;
  let requests = 0;
  verdict = ({ brought }) => {
    requests += 1;
    return brought.get(bad!.id)?.length ? { kind: "busy" } : undefined;
  };
  report(bad!, 1);
  uplink.start();
  await until("its name", () => said.some((text) => text.includes("record 1 of the events")));
  requests = 0;
  for (let step = 2; step <= 100; step++) {
    report(bad!, step);
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  }
  assert.ok(requests <= 2, `${requests} requests while no time went by`);
});
