import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Clock } from "../base/clock.ts";
import { RemoteError } from "./remote-error.ts";
import { followEvents, parseEvents, type ServerSentEvent } from "./sse.ts";

async function* bytesOf(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const parse = (...chunks: (string | Uint8Array)[]) => all(parseEvents(bytesOf(...chunks)));

test("events are read by the rules of the standard", async () => {
  const cases: [string, string, ServerSentEvent[]][] = [
    ["one", "data: a\n\n", [{ event: "message", data: "a", id: "" }]],
    ["named", "event: x\ndata: a\n\n", [{ event: "x", data: "a", id: "" }]],
    ["only one space is taken", "data:  a\n\n", [{ event: "message", data: " a", id: "" }]],
    ["several lines", "data: a\ndata:b\n\n", [{ event: "message", data: "a\nb", id: "" }]],
    ["comments", ": hello\n\ndata: a\n: more\n\n", [{ event: "message", data: "a", id: "" }]],
    [
      "an id holds on, a name does not",
      "id: 7\nevent: x\ndata: a\n\ndata: b\n\n",
      [
        { event: "x", data: "a", id: "7" },
        { event: "message", data: "b", id: "7" },
      ],
    ],
    ["no data, no event", "event: x\n\ndata: a\n\n", [{ event: "message", data: "a", id: "" }]],
    [
      "an end without its empty line does not count",
      "data: a\n\ndata: b\n",
      [{ event: "message", data: "a", id: "" }],
    ],
    [
      "CR and CR LF",
      "data: a\r\r\ndata: b\r\n\r\n",
      [
        { event: "message", data: "a", id: "" },
        { event: "message", data: "b", id: "" },
      ],
    ],
    ["a field without a colon", "data\n\n", [{ event: "message", data: "", id: "" }]],
  ];
  for (const [name, text, expected] of cases) assert.deepEqual(await parse(text), expected, name);
});

test("the server's wish for the wait is heard", async () => {
  const waits: number[] = [];
  await all(parseEvents(bytesOf("retry: 1500\nretry: soon\n\n"), (ms) => waits.push(ms)));
  assert.deepEqual(waits, [1500]);
});

/** The rules of the standard over a text that is there whole. */
function eventsOf(text: string): ServerSentEvent[] {
  const events: ServerSentEvent[] = [];
  let id = "";
  let event = "";
  let data: string[] = [];
  // What follows the last line end is no line.
  for (const line of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\r|\n/)
    .slice(0, -1)) {
    if (line === "") {
      if (data.length > 0) events.push({ event: event || "message", data: data.join("\n"), id });
      event = "";
      data = [];
    }
    const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/su.exec(line) ?? [];
    if (field === "data" && line !== "") data.push(value);
    if (field === "event") event = value;
    if (field === "id" && !value.includes("\0")) id = value;
  }
  return events;
}

test("where the bytes are cut makes no difference", async () => {
  const piece = fc.constantFrom(
    ...["data: é…\n", "data: b\r\n", "data", "id: 4\n", "id: 5\0\n", "event: log\r", ": c\n"],
    ...["\n", "\r\n", "\r", "\uFEFF", "\u{1F600}", " ", ":"],
  );
  const cases = fc.asyncProperty(
    fc.array(piece, { maxLength: 20 }),
    fc.array(fc.nat(), { maxLength: 8 }),
    async (pieces, cuts) => {
      const text = pieces.join("");
      const whole = Buffer.from(text);
      const at = cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b);
      const chunks = [0, ...at].map((from, i) => whole.subarray(from, at[i] ?? whole.length));
      const bytes = [...whole].map((byte) => Uint8Array.of(byte));
      assert.deepEqual(await parse(whole), eventsOf(text));
      assert.deepEqual(await parse(...chunks), eventsOf(text));
      assert.deepEqual(await parse(...bytes), eventsOf(text));
    },
  );
  await fc.assert(cases, { seed: 20261123, numRuns: 500 });
});

test("CR LF cut in two is one end of a line, and an LF after it another", async () => {
  const expected = [{ event: "message", data: "a", id: "" }];
  assert.deepEqual(await parse("data: a\r", "\n", "\n"), expected);
});

test("a long event costs its length, in however many chunks it comes", async (t) => {
  const length = 1024 * 1024;
  const chunks = Array.from({ length: length / 1024 }, () => Buffer.alloc(1024, "x"));
  let lookedAt = 0;
  const ways = ["split", "search", "match", "matchAll", "replace", "indexOf", "includes"] as const;
  for (const way of ways) {
    const own: (this: string, ...words: never[]) => unknown = String.prototype[way];
    t.mock.method(String.prototype, way, function (this: string, ...words: never[]) {
      lookedAt += this.length;
      return own.apply(this, words);
    });
  }
  const [event] = await parse("data: ", ...chunks, "\n\n");
  t.mock.restoreAll();
  assert.equal(event?.data.length, length);
  // All that came before was searched again at each chunk: five hundred times its length for these.
  assert.ok(lookedAt >= length && lookedAt < 10 * length, `${lookedAt} letters were looked at`);
});

/** Waits pass at once and are noted; the time moves by what was waited. */
function noteClock(): Clock & { waits: number[] } {
  const waits: number[] = [];
  let nowMs = 0;
  return {
    waits,
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, callback) {
      // Idle watches are long and must not fire here.
      if (delayMs >= 30_000) return () => {};
      waits.push(delayMs);
      nowMs += delayMs;
      const timer = setImmediate(callback);
      return () => clearImmediate(timer);
    },
  };
}

test("after a cut it comes back with the last id, and ends with the end event", async () => {
  const asked: string[] = [];
  const clock = noteClock();
  const cuts: number[] = [];
  const events = await all(
    followEvents({
      clock,
      endEvent: "end",
      onCut: (waitMs) => cuts.push(waitMs),
      open: async (lastEventId) => {
        asked.push(lastEventId);
        if (asked.length === 1) return bytesOf("id: 1\nevent: log\ndata: a\n\n");
        if (asked.length === 2) throw new Error("cut");
        return bytesOf(
          "id: 2\nevent: log\ndata: b\n\nevent: end\ndata: {}\n\nevent: log\ndata: never\n\n",
        );
      },
    }),
  );
  assert.deepEqual(asked, ["", "1", "1"]);
  assert.deepEqual(
    events.map(({ data }) => data),
    ["a", "b", "{}"],
  );
  assert.deepEqual(cuts, [250, 500]);
  assert.deepEqual(clock.waits, [250, 500]);
});

const refusal = (status: number, kind: "fix" | "retry_later"): RemoteError =>
  new RemoteError({ type: "", code: "x", title: "", status, detail: "no", hint: "", class: kind });

test("a refusal that waiting cannot cure is thrown at once", async () => {
  let opened = 0;
  const open = async (): Promise<never> => {
    opened++;
    throw refusal(404, "fix");
  };
  await assert.rejects(all(followEvents({ clock: noteClock(), endEvent: "end", open })), /no/);
  assert.equal(opened, 1);
});

test("it gives up when nothing answers for long, and waits no longer than five seconds", async () => {
  const clock = noteClock();
  const open = async (): Promise<never> => {
    throw refusal(503, "retry_later");
  };
  await assert.rejects(
    all(followEvents({ clock, endEvent: "end", open, downMsMax: 20_000 })),
    (error: RemoteError) => error.status === 503,
  );
  assert.deepEqual(clock.waits, [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
});

test("the signal ends it without an error, even while it waits", async () => {
  const stop = new AbortController();
  const clock = noteClock();
  const events = await all(
    followEvents({
      clock,
      endEvent: "end",
      signal: stop.signal,
      onCut: () => stop.abort(),
      open: async () => bytesOf("data: a\n\n"),
    }),
  );
  assert.equal(events.length, 1);
});
