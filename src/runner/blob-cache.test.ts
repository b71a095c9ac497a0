/** The blob cache on a clock that goes when it is told to: how much it holds, and what goes. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { lstat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { BlobCache } from "./blob-cache.ts";
import { FileTrust } from "./trusted-file.ts";

const BYTES = 1000;
const BYTES_MAX = 4 * BYTES;
const HOUR_MS = 3_600_000;

let folder: string;
let nowMs: number;
let upMs: number;
let fetched: string[];
let cache: BlobCache;
const blobs = new Map<string, Buffer>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "contrail-cache-"));
  // Later than any time that the kernel gives: what is read now does not count as used later.
  nowMs = Date.now() + 24 * HOUR_MS;
  upMs = 0;
  fetched = [];
  cache = newCache();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const newCache = (until: (signal?: AbortSignal) => Promise<void> = async () => {}): BlobCache =>
  new BlobCache({
    ...{ folder, bytesMax: BYTES_MAX, trust: new FileTrust(0) },
    clock: { nowMs: () => nowMs, monotonicMs: () => upMs },
    client: {
      blob: async (hash, signal) => {
        fetched.push(hash);
        const bytes = blobs.get(hash);
        assert.ok(bytes, `${hash} is no blob of this test`);
        return (async function* () {
          await until(signal);
          yield bytes;
        })();
      },
    },
  });

/** @returns the hash of the blob of this number */
function blob(number: number): string {
  const bytes = Buffer.alloc(BYTES, `${number};`);
  const hash = createHash("sha256").update(bytes).digest("hex");
  blobs.set(hash, bytes);
  return hash;
}

/** Two hours later, because no use is noted twice in one. */
async function use(hash: string): Promise<void> {
  nowMs += 2 * HOUR_MS;
  const { stream } = await cache.open(hash, BYTES);
  assert.deepEqual(Buffer.concat(await stream.toArray()), blobs.get(hash));
}

const files = (): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());

test("the limit holds while the runner lives; what was used longest ago goes first", async () => {
  const all = Array.from({ length: 12 }, (_, number) => blob(number));
  for (const hash of all) {
    await use(hash);
    await use(all[0] as string);
    const bytes = files().reduce((sum, path) => sum + statSync(path).size, 0);
    assert.ok(bytes <= BYTES_MAX, `${bytes} bytes`);
  }
  assert.deepEqual(fetched, all, "what is used again and again is fetched once");
  await use(all[1] as string);
  assert.equal(fetched.length, all.length + 1);
});

test("what is being laid out stays, however much it is; room is made when it is over", async () => {
  const all = Array.from({ length: 8 }, (_, number) => blob(number));
  await use(blob(100));
  await cache.holding(all, async () => {
    for (const hash of all) await use(hash);
    for (const hash of all) await use(hash);
    assert.deepEqual(fetched.slice(1), all);
    assert.equal(files().length, all.length, "what nobody holds has gone");
  });
  assert.ok(files().length <= 4, `${files().length} files of ${BYTES} bytes`);
});

/** As a checkout does: a copy where there may be one, else what is read and compared. @returns which of the two */
async function layOut(hash: string, path: string): Promise<"copied" | "written" | "damaged"> {
  if (await cache.copy({ hash, size: BYTES }, { path, mode: 0o644 })) return "copied";
  const { stream, matched } = await cache.open(hash, BYTES);
  const bytes = Buffer.concat(await stream.toArray());
  if (createHash("sha256").update(bytes).digest("hex") !== hash) return "damaged";
  await matched?.();
  writeFileSync(path, bytes);
  return "written";
}

test("what was compared and not touched since is copied; a change is noticed, also one that sets the time back", async () => {
  const hash = blob(1);
  const cached = join(folder, hash.slice(0, 2), hash);
  let copies = 0;
  const lay = () => layOut(hash, join(folder, `laid-out-${++copies}`));
  assert.deepEqual([await lay(), await lay(), await lay()], ["written", "copied", "copied"]);
  const copy = join(folder, "laid-out-2");
  assert.deepEqual(readFileSync(copy), blobs.get(hash));
  assert.equal(statSync(copy).mode & 0o777, 0o644);
  assert.equal(statSync(cached).mode & 0o777, 0o444);

  const { atime, mtime } = statSync(cached);
  const touch = (bytes: Buffer): void => {
    chmodSync(cached, 0o644);
    writeFileSync(cached, bytes);
    utimesSync(cached, atime, mtime);
    chmodSync(cached, 0o444);
  };
  touch(Buffer.alloc(BYTES, "spoilt"));
  assert.deepEqual([await lay(), await lay()], ["damaged", "damaged"]);
  touch(blobs.get(hash) as Buffer);
  assert.deepEqual([await lay(), await lay()], ["written", "copied"]);

  nowMs += 2 * HOUR_MS;
  assert.deepEqual([await lay(), await lay()], ["written", "copied"], "noted as used, and read");
  const { ctimeMs } = statSync(cached);
  await cache.open(hash, BYTES).then(({ stream }) => stream.toArray());
  assert.equal(statSync(cached).ctimeMs, ctimeMs, "its use is noted once an hour");
  assert.deepEqual(fetched, [hash]);
});

test("what is in the way of a copy stays as it is", async () => {
  const hash = blob(1);
  await layOut(hash, join(folder, "laid-out"));
  const outside = join(folder, "outside");
  writeFileSync(outside, "mine");
  symlinkSync(outside, join(folder, "planted"));
  const target = { path: join(folder, "planted"), mode: 0o644 };
  assert.equal(await cache.copy({ hash, size: BYTES }, target), false);
  assert.equal(await cache.copy({ hash, size: BYTES }, { ...target, path: outside }), false);
  assert.equal(readFileSync(outside, "utf8"), "mine");
  assert.equal(
    await cache.copy({ hash, size: 1 }, { path: join(folder, "other"), mode: 0o644 }),
    false,
    "its list says another size",
  );
});

test("what came otherwise is seen within the hour; what an earlier runner half fetched goes", async () => {
  const inside = join(folder, "00");
  mkdirSync(inside);
  for (let number = 0; number < 6; number++)
    writeFileSync(join(inside, `other${number}`), Buffer.alloc(BYTES));
  writeFileSync(join(inside, "partial-of-another"), "half");
  await use(blob(0));
  assert.equal(files().length, 8);
  upMs += HOUR_MS + 1;
  await use(blob(0));
  assert.ok(files().length <= 4, files().join());
  assert.ok(!files().some((path) => path.includes("partial-")));
});

test("who no longer wants a blob waits for nobody who does, and takes nothing from him, though he began it", {
  timeout: 10_000,
}, async () => {
  const arriving = Promise.withResolvers<void>();
  cache = newCache(() => arriving.promise);
  const hash = blob(1);
  const all = [1, 2, 3].map(() => new AbortController());
  const [first, waiter, last] = all.map(({ signal }) => cache.open(hash, BYTES, signal));
  // All of them are there.
  for (let look = 0; look < 50; look++) await lstat(folder);
  for (const [leaver, opened] of [
    [all[0], first],
    [all[1], waiter],
  ] as const) {
    leaver?.abort(new Error("killed"));
    await assert.rejects(async () => opened, /^Error: killed$/);
  }
  arriving.resolve();
  const bytes = await (await last)?.stream.toArray();
  assert.deepEqual(Buffer.concat(bytes ?? []), blobs.get(hash));
  assert.deepEqual(fetched, [hash]);
});

test("what nobody wants any more is given up, and who comes meanwhile begins again", {
  timeout: 10_000,
}, async () => {
  const stopping = Promise.withResolvers<void>();
  cache = newCache(async (signal) => {
    if (fetched.length > 1) return;
    await new Promise((heard) => signal?.addEventListener("abort", heard));
    await stopping.promise;
    signal?.throwIfAborted();
  });
  const hash = blob(1);
  const only = new AbortController();
  const opened = cache.open(hash, BYTES, only.signal);
  while (fetched.length === 0) await lstat(folder);
  only.abort(new Error("killed"));
  const next = cache.open(hash, BYTES, new AbortController().signal);
  for (let look = 0; look < 50; look++) await lstat(folder);
  stopping.resolve();
  await assert.rejects(opened, /^Error: killed$/);
  const bytes = await (await next).stream.toArray();
  assert.deepEqual(Buffer.concat(bytes), blobs.get(hash));
  assert.deepEqual(fetched, [hash, hash]);
  assert.equal(files().length, 1);
});
