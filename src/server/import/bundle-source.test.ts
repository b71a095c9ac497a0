/** A manifest is somebody's word: what is read for it is not more than it says. */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { z } from "zod";
import { manifestText } from "../../export/bundle-manifest.ts";
import { EXPERIMENT_FILE, METRICS_FILE } from "../../protocol/bundle.ts";
import { BundleSource } from "./bundle-source.ts";
import { sha256 } from "./test-bundle.ts";

const CONTENT = "{}";
const GIVEN = { size: CONTENT.length, sha256: sha256(CONTENT), executable: false };
const MANIFEST = manifestText({
  ...{ made_at: "2026-11-28T10:00:00.000Z", made_by: "ada", contrail: "0.1.0" },
  origin: { server: "http://origin", experiment: 3, name: "digits", trials: [1] },
  ...{ counts: {}, code: null, data: [], checkpoints: [], missing: [] },
  files: [EXPERIMENT_FILE, METRICS_FILE, "log.jsonl"].map((path) => ({ path, ...GIVEN })),
});

/** @param size of every blob @returns the source, and what was opened */
function sourceOver(size: number): { source: BundleSource; opened: Readable[] } {
  const opened: Readable[] = [];
  const open = async () => {
    const stream = Readable.from([Buffer.from(CONTENT)]);
    opened.push(stream);
    return { stream, size };
  };
  return { source: new BundleSource(MANIFEST, { open }), opened };
}

test("a file that is longer than the manifest says is not read", async () => {
  const { source, opened } = sourceOver(20e9);
  const refused = (path: string) => ({
    code: "invalid_bundle",
    message: new RegExp(`${path}: is given with 2 bytes; its content has 20000000000`),
  });
  await assert.rejects(source.object(EXPERIMENT_FILE, z.json()), refused(EXPERIMENT_FILE));
  await assert.rejects(source.lines("log").next(), refused("log.jsonl"));
  await assert.rejects(source.points().next(), refused(METRICS_FILE));
  assert.deepEqual(
    opened.map(({ destroyed, readableDidRead }) => [destroyed, readableDidRead]),
    [
      [true, false],
      [true, false],
      [true, false],
    ],
  );
});

test("one that is as long as it says is", async () => {
  const { source } = sourceOver(CONTENT.length);
  assert.deepEqual(await source.object(EXPERIMENT_FILE, z.json()), {});
});
