/** Data on a node: shared between versions and trials, never changed by a program for the next one, checked where it lies elsewhere. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { LaunchSpec, TreeEntry } from "../protocol/runner-wire.ts";
import { canonicalReference } from "../store/data-reference.ts";
import { canonicalTree } from "../store/snapshot.ts";
import type { FakeServer } from "./fake-server.ts";
import { sh, TestBench } from "./test-bench.ts";

let bench: TestBench;
let server: FakeServer;
beforeEach(async () => {
  bench = await TestBench.open();
  server = bench.server;
});
afterEach(() => bench.close());

const sha256 = (bytes: Uint8Array | string): string =>
  createHash("sha256").update(bytes).digest("hex");

let trials = 0;
/** Runs a script that finds its data at $DATA. @returns what it printed, or why it could not start */
async function run(script: string, data: LaunchSpec["data"][string]): Promise<string> {
  const id = `${++trials}.1.1`;
  const program = `import json, os, socket
s = socket.socket(socket.AF_UNIX); s.connect(os.environ["CONTRAIL_SOCKET"])
f = s.makefile("rw"); f.write(json.dumps({"type": "hello", "rank": 0, "sdk": "test"}) + "\\n"); f.flush()
while True:
    m = json.loads(f.readline())
    if m["type"] == "welcome": break
print(m["data"]["train"])`;
  const command = `DATA=$(python3 -c '${program}'); ${script}`;
  server.launch(id, sh(command), { data: { train: data } });
  const exit = await server.untilExit(id);
  if (exit.kind !== "processes") return exit.detail;
  await server.until("its output", () => server.logs(id).length >= exit.logLines);
  return server.output(id, "stdout").toString();
}

test("versions share what they have in common, and what a program wrote into is laid out anew", async () => {
  const one = server.tree({ "rows.csv": "1,2\n", "labels.csv": "a\n" });
  const two = server.tree({ "rows.csv": "1,2\n", "labels.csv": "b\n" });
  await bench.startRunner();
  const show = 'cat "$DATA/rows.csv" "$DATA/labels.csv"';
  assert.equal(await run(show, { snapshot: one }), "1,2\na\n");
  assert.equal(await run(show, { snapshot: two }), "1,2\nb\n");
  const [first, second] = [one, two].map((hash) =>
    join(bench.state, "datasets", hash, "rows.csv"),
  ) as [string, string];
  assert.equal(lstatSync(first).mode & 0o777, 0o444);
  // Where bytes cannot be shared without it, the file is the same.
  const isShared = statSync(first).ino === statSync(second).ino;
  assert.ok(isShared || statSync(first).nlink === 1);
  assert.equal(statSync(first).mtimeMs, statSync(second).mtimeMs);

  // As root does, or whoever takes the right first.
  chmodSync(first, 0o644);
  writeFileSync(first, "9,9\n");
  assert.equal(await run(show, { snapshot: two }), "1,2\nb\n");
  assert.equal(await run(show, { snapshot: one }), "1,2\na\n");
  // Touched, and nothing else: it stays.
  utimesSync(first, 1, 1);
  assert.equal(await run(show, { snapshot: one }), "1,2\na\n");
});

test("a version that nobody has used for long goes when a runner starts, and is laid out anew where it is wanted again", async () => {
  const one = server.tree({ "rows.csv": "1,2\n" });
  const two = server.tree({ "rows.csv": "3,4\n" });
  await bench.startRunner();
  const show = 'cat "$DATA/rows.csv"';
  assert.equal(await run(show, { snapshot: one }), "1,2\n");
  assert.equal(await run(show, { snapshot: two }), "3,4\n");
  await bench.stopRunner();
  const [first, second] = [one, two].map((hash) => join(bench.state, "datasets", hash)) as [
    string,
    string,
  ];
  const longAgoS = Date.now() / 1000 - 31 * 86_400;
  utimesSync(first, longAgoS, longAgoS);
  await bench.startRunner();
  while (existsSync(first)) await new Promise((done) => setTimeout(done, 20));
  assert.ok(existsSync(second));
  assert.equal(await run(show, { snapshot: one }), "1,2\n");
  // A version that is used is noted to be.
  utimesSync(second, longAgoS, longAgoS);
  assert.equal(await run(show, { snapshot: two }), "3,4\n");
  assert.ok(statSync(second).mtimeMs / 1000 > longAgoS + 86_400);
});

test("a file in parts is put together once, and a version that has it too takes it from here", async () => {
  const parts = ["first part, ", "second part\n"];
  const chunks = parts.map((text) => ({ hash: server.blob(text).hash, size: text.length }));
  const whole = parts.join("");
  const large: TreeEntry = {
    ...{ path: "large", size: whole.length, hash: sha256(whole), executable: false, chunks },
  };
  const small: TreeEntry = { path: "small", ...server.blob("s"), size: 1, executable: true };
  const list = (entries: TreeEntry[]): string =>
    server.blob(Buffer.from(canonicalTree(entries).bytes)).hash;
  const [one, two] = [list([large, small]), list([large])];
  await bench.startRunner();
  assert.equal(await run('cat "$DATA/large" "$DATA/small"', { snapshot: one }), `${whole}s`);
  assert.equal(lstatSync(join(bench.state, "datasets", one, "small")).mode & 0o777, 0o555);
  for (const { hash } of chunks) server.blobs.delete(hash);
  assert.equal(await run('cat "$DATA/large"', { snapshot: two }), whole);

  const lying = { ...large, path: "lying", hash: sha256("something else") };
  for (const text of parts) server.blob(text);
  assert.match(
    await run("true", { snapshot: list([lying]) }),
    /each part is as it should be, and the whole of "lying" is not what its hash/,
  );
});

test("data by reference is given where it is; a file that changed ends the launch, with both hashes", async () => {
  const place = join(bench.folder, "far away");
  mkdirSync(place);
  writeFileSync(join(place, "rows.csv"), "1,2\n");
  const file = {
    ...{ path: "rows.csv", size: 4, hash: sha256("1,2\n"), etag: null },
    mtimeNs: String(statSync(join(place, "rows.csv"), { bigint: true }).mtimeNs),
  };
  const reference = { kind: "directory", place, uri: false, files: [file] } as const;
  const { hash } = server.blob(
    Buffer.from(canonicalReference({ ...reference, files: [file] }).bytes),
  );
  await bench.startRunner();
  const show = 'cat "$DATA/rows.csv"; echo $DATA';
  assert.equal(await run(show, { reference: hash }), `1,2\n${place}\n`);
  utimesSync(join(place, "rows.csv"), 5, 5);
  assert.equal(await run(show, { reference: hash }), `1,2\n${place}\n`);

  writeFileSync(join(place, "rows.csv"), "1,3\n");
  const said = await run(show, { reference: hash });
  assert.match(said, /data set train in .*far away is not what was registered: "rows.csv" has/);
  assert.ok(said.includes(sha256("1,2\n")) && said.includes(sha256("1,3\n")), said);
  assert.equal(readFileSync(join(place, "rows.csv"), "utf8"), "1,3\n");
  const listless = server.blob("[]").hash;
  assert.match(await run("true", { reference: listless }), /is not a list of files that lie/);
});
