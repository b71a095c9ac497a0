/** What a trial costs that begins with the same code as the one before, and who waits for whom. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { lstat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { realClock } from "../base/real-clock.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { canonicalTree, removeCheckout } from "../store/snapshot.ts";
import { BlobCache } from "./blob-cache.ts";
import { FileTrust } from "./trusted-file.ts";
import { Workspace } from "./workspace.ts";

/** @param arrives what a blob waits for on its way */
function bench(t: TestContext, arrives: (hash: string) => Promise<void> = async () => {}) {
  const folder = mkdtempSync(join(tmpdir(), "contrail-workspace-"));
  t.after(() => removeCheckout(folder));
  const blobs = new Map<string, Buffer>();
  const store = (content: string | Uint8Array): { hash: string; size: number } => {
    const bytes = Buffer.from(content);
    const hash = createHash("sha256").update(bytes).digest("hex");
    blobs.set(hash, bytes);
    return { hash, size: bytes.length };
  };
  const [clock, trust, cacheFolder] = [realClock, new FileTrust(0), join(folder, "cache")];
  const datasets = join(folder, "datasets");
  for (const made of [cacheFolder, datasets]) mkdirSync(made);
  const fetched: string[] = [];
  const blob = async (hash: string) => {
    fetched.push(hash);
    return (async function* () {
      await arrives(hash);
      yield blobs.get(hash) as Buffer;
    })();
  };
  const cache = new BlobCache({ folder: cacheFolder, client: { blob }, clock, trust });
  const client = { json: () => assert.fail("the server is asked for blobs alone") };
  const workspace = new Workspace({
    ...{ state: { datasets }, cache, clock, trust, environment: {}, client },
  });
  return { folder, blobs, store, fetched, cache, workspace };
}

test("the same code is read and compared for the first trial alone; each has a copy of its own", async (t) => {
  const { folder, blobs, store, cache, workspace } = bench(t);
  const { bytes } = canonicalTree([
    { path: "a.py", ...store("print(1)"), executable: false },
    { path: "bin/run", ...store("#!/bin/sh"), executable: true },
  ]);
  const code = store(bytes).hash;
  const opened: string[] = [];
  const open = cache.open.bind(cache);
  cache.open = (hash, ...more) => {
    opened.push(hash);
    return open(hash, ...more);
  };
  const launch = { code, data: {}, restore: null, entrypoint: [] } as unknown as LaunchSpec;
  for (const trial of ["1", "2", "3"]) {
    const { signal } = new AbortController();
    const prepared = await workspace.prepare(launch, join(folder, trial), { signal, tell() {} });
    const [script, program] = ["a.py", "bin/run"].map((name) => join(prepared.code, name)) as [
      string,
      string,
    ];
    assert.equal(readFileSync(script, "utf8"), "print(1)");
    assert.deepEqual(
      [script, program].map((path) => statSync(path).mode & 0o777),
      [0o644, 0o755],
    );
    writeFileSync(script, `edited by trial ${trial}`);
  }
  assert.deepEqual(opened.sort(), [...blobs.keys()].sort());
});

test("who no longer wants data waits for nobody who lays it out, and takes nothing from him, though he began it", {
  timeout: 10_000,
}, async (t) => {
  const arriving = Promise.withResolvers<void>();
  const rows = "1,2\n";
  const { folder, store, fetched, workspace } = bench(t, (hash) =>
    hash === store(rows).hash ? arriving.promise : Promise.resolve(),
  );
  const { bytes } = canonicalTree([{ path: "rows.csv", ...store(rows), executable: false }]);
  const data = { train: { snapshot: store(bytes).hash } };
  const launch = { code: null, data, restore: null, entrypoint: [] } as unknown as LaunchSpec;
  const all = ["1", "2", "3"].map((trial) => {
    const stopped = new AbortController();
    const { signal } = stopped;
    return {
      stopped,
      prepared: workspace.prepare(launch, join(folder, trial), { signal, tell() {} }),
    };
  });
  // All of them are there.
  while (fetched.length < 2) await lstat(folder);
  for (let look = 0; look < 50; look++) await lstat(folder);
  for (const { stopped, prepared } of all.slice(0, 2)) {
    stopped.abort(new Error("killed"));
    await assert.rejects(prepared, /^Error: killed$/);
  }
  arriving.resolve();
  const laidOut = (await all[2]?.prepared)?.data.train as string;
  assert.equal(readFileSync(join(laidOut, "rows.csv"), "utf8"), rows);
  assert.equal(fetched.length, 2);
});
