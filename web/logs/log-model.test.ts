import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogEntry } from "../../src/protocol/api.ts";
import type { LogsQuery } from "../../src/sdk/client.ts";
import { type LinePlace, type LogFilter, LogModel } from "./log-model.ts";

const entry = (run: number, line: number): LogEntry => ({
  ...{ cursor: `${run}-${line}`, trial: "1.1", run, line, at: "2026-01-31T08:00:00.000Z", rank: 0 },
  ...{ stream: "stdout" as const, text: `run ${run} line ${line}`, complete: true },
});

/** A log by the server's rules, with the questions it was asked. */
function log(lines: Record<number, number>, gone: readonly string[] = []) {
  const asked: LogsQuery[] = [];
  const all = (): LogEntry[] =>
    Object.entries(lines).flatMap(([run, count]) =>
      Array.from({ length: count }, (_, i) => entry(Number(run), i + 1)).filter(
        ({ cursor }) => !gone.includes(cursor),
      ),
    );
  const source = {
    placeOf: ({ run, line }: LogEntry) => ({ run, line }),
    from: ({ run, line }: LinePlace): LogsQuery => ({ from: `${run}.${line}` }),
    extent: async () => ({
      runs: Object.entries(lines).map(([run, count]) => ({
        ...{ run: Number(run), lines: count, first_at: "", last_at: "" },
      })),
    }),
    page: async (query: LogsQuery) => {
      asked.push(query);
      const { from, cursor, contains, limit = 1000, tail } = query;
      const [run = 0, line = 0] = (from ?? cursor?.replace("-", ".") ?? "0.0")
        .split(".")
        .map(Number);
      const least = from === undefined ? line + 1 : line;
      const rest = all().filter(
        (one) =>
          (one.run > run || (one.run === run && one.line >= least)) &&
          (contains === undefined || one.text.includes(contains)),
      );
      const items = tail === undefined ? rest.slice(0, limit) : rest.slice(-tail);
      return { items, next_cursor: items.length === limit ? (items.at(-1)?.cursor ?? null) : null };
    },
  };
  return { source, asked, lines };
}

async function model(of: ReturnType<typeof log>, filter: LogFilter = {}, fromEnd = false) {
  const made = new LogModel({ source: of.source, filter, fromEnd, changed: () => {} });
  await made.start();
  return made;
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 10));
const text = (made: LogModel, index: number) => made.line(index)?.text;

test("any part of a million lines costs one page, and far parts are forgotten", async () => {
  const of = log({ 1: 10, 2: 1_000_000 });
  // Made as they are asked for: a list of a million is not what is tested.
  of.source.page = async ({ from = "1.1", limit = 0 }: LogsQuery) => {
    of.asked.push({ from });
    const [run = 0, line = 0] = from.split(".").map(Number);
    const items = Array.from({ length: limit }, (_, i) => entry(run, line + i));
    return { items, next_cursor: null };
  };
  const made = await model(of);
  assert.equal(made.total, 1_000_010);
  made.want(700_009, 700_050);
  await settled();
  assert.equal(text(made, 700_009), "run 2 line 700000");
  assert.equal(of.asked.length, 1);
  for (let at = 1000; at < 100_000; at += 400) {
    made.want(at, at + 40);
    await settled();
  }
  assert.equal(text(made, 99_000 + 1), "run 2 line 98992");
  assert.equal(made.line(700_009), undefined);
});

test("lines that the log lacks are asked for once", async () => {
  const of = log({ 1: 5 }, ["1-2", "1-5"]);
  const made = await model(of);
  made.want(0, 4);
  await settled();
  assert.equal(made.line(1), null);
  assert.equal(text(made, 2), "run 1 line 3");
  assert.equal(made.line(4), null);
  assert.ok(of.asked.length <= 2, String(of.asked.length));
});

test("a filter is read on page by page, and ends", async () => {
  const of = log({ 1: 1200, 2: 800 });
  const made = await model(of, { contains: "line" });
  assert.equal(made.total, 500);
  assert.equal(made.next(), undefined, "no live stream before all is known");
  while (!made.complete) {
    made.want(made.total - 20, made.total - 1);
    await settled();
  }
  assert.equal(made.total, 2000);
  assert.equal(text(made, 1200), "run 2 line 1");
  assert.deepEqual(made.next(), { contains: "line", cursor: "2-800" });
  const tail = await model(of, { contains: "line" }, true);
  assert.equal(tail.total, 1000);
  assert.equal(text(tail, 0), "run 1 line 1001");
});

test("a live stream that comes back after a gap brings nothing twice and loses nothing", async () => {
  const of = log({ 1: 3 });
  const made = await model(of);
  assert.deepEqual(made.next(), { from: "1.4" });
  made.append([entry(1, 3), entry(1, 4), entry(1, 5), entry(2, 1)]);
  made.append([entry(2, 1), entry(2, 2)]);
  assert.equal(made.total, 7);
  assert.equal(text(made, 5), "run 2 line 1");
  assert.equal(made.indexOf({ run: 2, line: 2 }), 6);
  assert.deepEqual(made.next(), { from: "2.3" });
  assert.deepEqual((await model(log({}))).next(), {});
});

test("a failure is told, and is over when it is tried again", async () => {
  const of = log({ 1: 3 });
  const { extent } = of.source;
  of.source.extent = async () => {
    throw new Error("away");
  };
  const made = await model(of);
  assert.match(String(made.failure), /away/);
  of.source.extent = extent;
  await made.again();
  assert.equal(made.failure, undefined);
  assert.equal(made.total, 3);
});

test("a failure is over for who has gone back to what is here already", async () => {
  const of = log({ 1: 10_000 });
  let shown: unknown;
  const changed = (): void => {
    shown = made.failure;
  };
  const made: LogModel = new LogModel({ source: of.source, filter: {}, fromEnd: false, changed });
  await made.start();
  made.want(0, 40);
  await settled();
  of.source.page = async () => {
    throw new Error("away");
  };
  made.want(5_000, 5_040);
  await settled();
  assert.match(String(shown), /away/);
  made.want(0, 40);
  await made.again();
  assert.equal(shown, undefined);
});
