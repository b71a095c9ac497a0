/** The blob cache on a clock that goes when it is told to: how much it holds, and what goes. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
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
let fetched: string[];
let cache: BlobCache;
const blobs = new Map<string, Buffer>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "contrail-cache-"));
  nowMs = Date.parse("2026-01-01");
  fetched = [];
  cache = newCache();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const newCache = (): BlobCache =>
  new BlobCache({
    ...{ folder, bytesMax: BYTES_MAX, trust: new FileTrust(0) },
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    client: {
      blob: async (hash) => {
        fetched.push(hash);
        const bytes = blobs.get(hash);
        assert.ok(bytes, `${hash} is no blob of this test`);
        return (async function* () {
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

async function use(hash: string): Promise<void> {
  nowMs += 1000;
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

test("what came otherwise is seen within the hour; what an earlier runner half fetched goes", async () => {
  const inside = join(folder, "00");
  mkdirSync(inside);
  for (let number = 0; number < 6; number++)
    writeFileSync(join(inside, `other${number}`), Buffer.alloc(BYTES));
  writeFileSync(join(inside, "partial-of-another"), "half");
  await use(blob(0));
  assert.equal(files().length, 8);
  nowMs += HOUR_MS;
  await use(blob(0));
  assert.ok(files().length <= 4, files().join());
  assert.ok(!files().some((path) => path.includes("partial-")));
});
