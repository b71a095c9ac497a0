import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Spool, type SpoolOptions } from "./spool.ts";

let folder: string;
const opened: Spool[] = [];

const open = (options: SpoolOptions = {}): Spool => {
  const spool = Spool.open(folder, "events", options);
  opened.push(spool);
  return spool;
};
const text = (spool: Spool, maxBytes = 1e6, maxCount = 1e6): string[] =>
  spool.peek(maxBytes, maxCount).payloads.map(String);
const add = (spool: Spool, ...words: string[]): void => {
  for (const word of words) spool.append(Buffer.from(word));
};
const files = (): string[] => readdirSync(folder).sort();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "contrail-spool-"));
});
afterEach(() => {
  for (const spool of opened.splice(0)) spool.close();
  rmSync(folder, { recursive: true, force: true });
});

test("records are numbered from 1, read from the first that is not acknowledged, within bounds", () => {
  const spool = open();
  assert.deepEqual(files(), [], "nothing is on disk before there is something to say");
  add(spool, "a", "bb", "ccc", "dddd");
  assert.deepEqual(text(spool), ["a", "bb", "ccc", "dddd"]);
  assert.deepEqual(text(spool, 1e6, 2), ["a", "bb"]);
  assert.deepEqual(text(spool, 3), ["a", "bb"]);
  spool.ack(2);
  assert.equal(spool.peek(1, 1).first, 3);
  assert.deepEqual(text(spool, 1), ["ccc"], "one record at least, however long");
  assert.equal(spool.pendingBytes, 8 + 3 + 8 + 4);
  spool.ack(1);
  assert.deepEqual(
    [spool.ackedSeq, spool.lastSeq],
    [2, 4],
    "an old acknowledgement changes nothing",
  );
  spool.ack(4);
  assert.deepEqual([text(spool), spool.pendingBytes], [[], 0]);
});

test("segments that are wholly acknowledged go, the last one stays", () => {
  const spool = open({ segmentMaxBytes: 60 });
  for (let i = 1; i <= 10; i++) add(spool, `record ${i}`);
  assert.deepEqual(files(), ["events-1", "events-3", "events-5", "events-7", "events-9"].sort());
  spool.ack(5);
  assert.deepEqual(files(), ["events-5", "events-7", "events-9"]);
  assert.deepEqual(text(spool), ["record 6", "record 7", "record 8", "record 9", "record 10"]);
  spool.ack(10);
  assert.deepEqual(files(), ["events-9"]);
  add(spool, "record 11");
  assert.deepEqual(text(spool), ["record 11"]);
});

test("a spool that was opened again goes on where it was", () => {
  const first = open({ segmentMaxBytes: 60 });
  for (let i = 1; i <= 7; i++) add(first, `record ${i}`);
  first.ack(3);
  first.close();
  const second = open({ segmentMaxBytes: 60 });
  assert.equal(second.lastSeq, 7);
  assert.equal(String(second.lastAtOpen), "record 7");
  assert.equal(second.peek(1, 1).first, 3, "what was acknowledged within a segment is sent again");
  second.ack(6);
  add(second, "record 8");
  assert.deepEqual(text(second), ["record 7", "record 8"]);
});

test("an acknowledgement beyond the last record moves the count behind it, across a restart too", () => {
  const first = open();
  add(first, "a", "b");
  first.ack(5);
  assert.equal(first.append(Buffer.from("six")), 6);
  first.close();
  const second = open();
  assert.deepEqual([second.lastSeq, second.ackedSeq, text(second)], [6, 5, ["six"]]);
  assert.equal(second.droppedBytes, 0);
});

test("a disk that is full stops nothing: records wait in memory and can be sent from there", () => {
  let full = false;
  const write: SpoolOptions["write"] = (fd, bytes, offset, length, at) => {
    // Half of it fits: the worst case.
    if (full && length > 1) return writeSync(fd, bytes, offset, length >> 1, at) && raise();
    return writeSync(fd, bytes, offset, length, at);
  };
  const raise = (): never => {
    throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  };
  const spool = open({ write });
  add(spool, "a", "b");
  full = true;
  add(spool, "c", "d", "e");
  assert.match(spool.stalled?.message ?? "", /ENOSPC/);
  assert.deepEqual(text(spool), ["a", "b", "c", "d", "e"]);
  spool.ack(3);
  assert.deepEqual(text(spool), ["d", "e"]);
  assert.equal(spool.retry(), false);
  full = false;
  assert.equal(spool.retry(), true);
  assert.equal(spool.stalled, null);
  add(spool, "f");
  spool.close();
  const again = open();
  assert.deepEqual(
    [text(again), again.peek(1, 1).first, again.droppedBytes],
    [["d", "e", "f"], 4, 0],
  );
});

test("records longer than the reading buffer are read whole", () => {
  const spool = open();
  const long = Buffer.alloc(3 * 1024 * 1024, "x");
  spool.append(Buffer.from("short"));
  spool.append(long);
  spool.append(Buffer.from("after"));
  assert.equal(spool.peek(1e9, 10).payloads[1]!.length, long.length);
  spool.ack(1);
  assert.equal(spool.peek(10, 10).payloads[0]!.length, long.length);
  spool.ack(2);
  assert.deepEqual(text(spool), ["after"]);
});
