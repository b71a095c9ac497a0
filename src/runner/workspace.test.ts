/** What a trial costs that begins with the same code as the one before. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realClock } from "../base/real-clock.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { canonicalTree } from "../store/snapshot.ts";
import { BlobCache } from "./blob-cache.ts";
import { FileTrust } from "./trusted-file.ts";
import { Workspace } from "./workspace.ts";

test("the same code is read and compared for the first trial alone; each has a copy of its own", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "contrail-workspace-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const blobs = new Map<string, Buffer>();
  const store = (content: string | Uint8Array): { hash: string; size: number } => {
    const bytes = Buffer.from(content);
    const hash = createHash("sha256").update(bytes).digest("hex");
    blobs.set(hash, bytes);
    return { hash, size: bytes.length };
  };
  const { bytes } = canonicalTree([
    { path: "a.py", ...store("print(1)"), executable: false },
    { path: "bin/run", ...store("#!/bin/sh"), executable: true },
  ]);
  const code = store(bytes).hash;
  const [clock, trust, cacheFolder] = [realClock, new FileTrust(0), join(folder, "cache")];
  mkdirSync(cacheFolder);
  const blob = async (hash: string) =>
    (async function* () {
      yield blobs.get(hash) as Buffer;
    })();
  const cache = new BlobCache({ folder: cacheFolder, client: { blob }, clock, trust });
  const opened: string[] = [];
  const open = cache.open.bind(cache);
  cache.open = (hash, ...more) => {
    opened.push(hash);
    return open(hash, ...more);
  };
  const client = { json: () => assert.fail("the server is asked for blobs alone") };
  const state = { datasets: join(folder, "datasets") };
  const workspace = new Workspace({ state, cache, clock, trust, environment: {}, client });
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
