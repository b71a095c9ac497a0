/** Row I4 at `contrail checkpoint download`: the server's list of files is somebody else's, too. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  CONTENT,
  CONTENT_HASH,
  contentsOf,
  fileAt,
  HOSTILE_TREES,
  makeOutside,
} from "../store/test-trees.ts";
import { cliBench } from "./test-bench.ts";
import { aCheckpoint, HASH } from "./test-things.ts";

const bench = cliBench();
const outside = mkdtempSync(join(tmpdir(), "contrail-outside-"));
makeOutside(outside);
after(() => rmSync(outside, { recursive: true, force: true }));

async function downloading(tree: readonly unknown[], to: string) {
  bench.server.answer(`GET /checkpoints/${HASH}`, { ...aCheckpoint(), tree });
  return bench.cli("--json", "checkpoint", "download", "3.2", "--to", to);
}

test("a hostile list of files is refused whole, in words, and writes nothing anywhere", async (t) => {
  bench.server.answer(`GET /blobs/${CONTENT_HASH}`, (_, response) => void response.end(CONTENT));
  const before = contentsOf(outside);
  for (const [name, make] of Object.entries(HOSTILE_TREES)) {
    const to = bench.fresh();
    const ran = await downloading(make(), to);
    assert.equal(ran.code, 1, `${name}: ${ran.err}`);
    const { code, detail } = JSON.parse(ran.err);
    assert.equal(code, "unsafe_tree", name);
    assert.ok(detail.length < 32_768, name);
    assert.equal(existsSync(to), false, name);
  }
  assert.deepEqual(contentsOf(outside), before);
  assert.ok(bench.server.requests.every(({ path }) => !path.includes("/blobs/")));
  t.diagnostic(
    `I4: ${Object.keys(HOSTILE_TREES).length} hostile lists at download, 0 files written, 0 contents asked for`,
  );
});

test("a path that is no text is refused as well", async () => {
  for (const tree of [[{ ...fileAt("x"), path: ["..", "x"] }], [{ ...fileAt("x"), path: 7 }]]) {
    const to = bench.fresh();
    const ran = await downloading(tree, to);
    assert.deepEqual([ran.code, JSON.parse(ran.err).code], [1, "unsafe_tree"]);
    assert.equal(existsSync(to), false);
  }
});

test("a server that sends without end for a small file is hung up on", async (t) => {
  let sent = 0;
  bench.server.answer(`GET /blobs/${CONTENT_HASH}`, (_, response) => {
    const more = (): void => {
      while (!response.destroyed) {
        sent += 65_536;
        if (!response.write(Buffer.alloc(65_536))) {
          response.once("drain", more);
          return;
        }
      }
    };
    more();
  });
  const to = bench.fresh();
  const ran = await downloading([fileAt("small")], to);
  assert.equal(ran.code, 1);
  assert.match(ran.err, /not what its hash/);
  assert.equal(existsSync(to), false);
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were taken`);
  t.diagnostic(`I4: a blob without end: ${Math.round(sent / 1024)} KiB sent before the hang-up`);
});

test("a target that is a link, or lies in what was planted, is not written through", async () => {
  bench.server.answer(`GET /blobs/${CONTENT_HASH}`, (_, response) => void response.end(CONTENT));
  const before = contentsOf(outside);
  const links = bench.fresh();
  mkdirSync(links);
  for (const [name, target] of [
    ["full", outside],
    ["file", join(outside, "secret")],
    ["nowhere", join(outside, "new")],
  ] as const) {
    symlinkSync(target, join(links, name));
    const ran = await downloading([fileAt("good")], join(links, name));
    assert.equal(ran.code, 1, name);
    if (name === "nowhere") assert.match(ran.err, /nowhere cannot be made: ENOTDIR/);
  }
  assert.deepEqual(contentsOf(outside), before);
});
