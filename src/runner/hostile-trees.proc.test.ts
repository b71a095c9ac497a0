/** Row I4 at the runner: what a snapshot's list, its content, or something planted on the disk could do to a node. */
import assert from "node:assert/strict";
import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import {
  CONTENT,
  contentsOf,
  filesBelow,
  HOSTILE_TREES,
  makeOutside,
} from "../store/test-trees.ts";
import type { FakeServer } from "./fake-server.ts";
import { sh, TestBench } from "./test-bench.ts";

let bench: TestBench;
let server: FakeServer;
let outside: string;

beforeEach(async () => {
  bench = await TestBench.open();
  server = bench.server;
  outside = join(bench.folder, "outside");
  makeOutside(outside);
});
afterEach(() => bench.close());

/** A list as an attacker would store it: nobody made it canonical. */
const stored = (tree: unknown): string => server.blob(JSON.stringify(tree)).hash;
const cached = (hash: string): string => join(bench.state, "cache", hash.slice(0, 2), hash);

test("a hostile list as code, as data and as a checkpoint ends the launch in words, and writes nothing", async (t) => {
  await bench.startRunner();
  server.blob(CONTENT);
  const before = contentsOf(outside);
  let trial = 0;
  for (const [name, make] of Object.entries(HOSTILE_TREES)) {
    const hash = stored(make());
    // Three places, one of them for each list in turn.
    const place = trial % 3;
    const id = `1.${++trial}.1`;
    server.launch(id, sh("echo ran"), {
      ...(place === 0 ? { code: hash } : {}),
      ...(place === 1 ? { data: { rows: { snapshot: hash } } } : {}),
      ...(place === 2 ? { restore: { step: 3, tree: hash } } : {}),
    });
    const exit = await server.untilExit(id);
    assert.equal(exit.kind, "launch_failed", name);
    assert.match(exit.detail, /could not be laid out|is not a list of files/, name);
    assert.ok(exit.detail.length <= 16_384, name);
    assert.ok(!server.types(id).includes("started"), name);
    assert.deepEqual(contentsOf(outside), before, name);
  }
  const left = filesBelow(join(bench.state, "datasets"));
  assert.deepEqual(left, []);
  t.diagnostic(`I4: ${trial} hostile lists at a runner, none started, 0 files written`);
});

test("content larger than its list says is given up on the way, not written to the cache first", async (t) => {
  await bench.startRunner();
  const zeros = Buffer.alloc(64 * 1024 * 1024);
  const { hash } = server.blob(zeros);
  const code = stored([{ path: "zeros", size: 1000, hash, executable: false }]);
  server.launch("1.1.1", sh("echo ran"), { code });
  const exit = await server.untilExit("1.1.1");
  assert.equal(exit.kind, "launch_failed");
  assert.match(exit.detail, /has more than 1000 bytes/);
  const kept = filesBelow(join(bench.state, "cache")).map((path) => lstatSync(path).size);
  const bytes = kept.reduce((a, b) => a + b, 0);
  assert.ok(bytes < 1000, `${bytes} bytes in the cache`);
  t.diagnostic(`I4: 64 MiB sent for a file of 1000 bytes: ${bytes} bytes kept (the list itself)`);
});

test("links planted in the cache and among the data sets are neither read nor written through", async () => {
  const script = "print the content";
  const code = server.tree({ "a.txt": script });
  const rows = server.tree({ "rows.csv": "1,2\n" });
  const { hash } = server.blob(script);
  const before = contentsOf(outside);
  // A file of the code, the list of another, and the data set's own folder and its beginnings.
  for (const [path, target] of [
    [cached(hash), join(outside, "secret")],
    [dirname(cached(code)), join(outside, "inner")],
    [join(bench.state, "datasets", rows), outside],
    [join(bench.state, "datasets", `${rows}.partial`), outside],
  ] as const) {
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(target, path);
  }
  await bench.startRunner();
  server.launch("2.1.1", sh(`cat a.txt; cat ${join(bench.state, "datasets", rows)}/rows.csv`), {
    code,
    data: { rows: { snapshot: rows } },
  });
  const exit = await server.untilExit("2.1.1");
  assert.equal(exit.kind, "processes", exit.detail);
  await server.until("its output", () => server.output("2.1.1", "stdout").includes("1,2"));
  assert.equal(server.output("2.1.1", "stdout").toString(), `${script}1,2\n`);
  assert.deepEqual(contentsOf(outside), before);
  assert.ok(lstatSync(cached(hash)).isFile());
  assert.ok(lstatSync(join(bench.state, "datasets", rows)).isDirectory());
});

test("a list that was changed in the cache is noticed and fetched again", async () => {
  const code = server.tree({ "a.txt": "right" });
  const evil = server.tree({ "a.txt": "wrong" });
  mkdirSync(dirname(cached(code)), { recursive: true });
  writeFileSync(cached(code), server.blobs.get(evil) as Buffer);
  await bench.startRunner();
  server.launch("3.1.1", sh("cat a.txt"), { code });
  await server.untilExit("3.1.1");
  await server.until("its output", () => server.logs("3.1.1").length > 0);
  assert.equal(server.output("3.1.1", "stdout").toString(), "right");
  assert.deepEqual(readFileSync(cached(code)), server.blobs.get(code));
});

test("what a program leaves in its checkpoint never leads outside, nor do links hold up the end", async () => {
  await bench.startRunner();
  const program = `
import json, os, socket
s = socket.socket(socket.AF_UNIX); s.connect(os.environ["CONTRAIL_SOCKET"])
lines = s.makefile("rw", encoding="utf-8")
def say(**m): lines.write(json.dumps(m) + "\\n"); lines.flush()
def hear(kind):
    while True:
        m = json.loads(lines.readline())
        if m["type"] == kind: return m
say(type="hello", rank=0, sdk="test")
top = hear("welcome")["checkpointDir"]
def folder(name):
    path = os.path.join(top, name); os.makedirs(path); return path
def offer(step, path):
    say(type="checkpoint", step=step, path=path, metadata={})
    print(step, hear("checkpointed")["error"], flush=True)
out = os.environ["OUTSIDE"]
os.symlink(out, os.path.join(top, "whole")); offer(1, os.path.join(top, "whole"))
offer(2, out); offer(3, os.path.join(top, "..", "..")); offer(4, top)
a = folder("a"); os.symlink(os.path.join(out, "secret"), os.path.join(a, "stolen")); offer(5, a)
b = folder("b"); os.mkfifo(os.path.join(b, "pipe")); open(os.path.join(b, "ok"), "w").write("x"); offer(6, b)
say(type="bye")
`;
  const before = contentsOf(outside);
  server.launch("4.1.1", ["python3", "-c", program], { environment: { OUTSIDE: outside } });
  const exit = await server.untilExit("4.1.1");
  assert.equal(exit.processes[0]?.code, 0);
  const checkpoints = server.events("4.1.1").filter((event) => event.type === "checkpoint");
  assert.deepEqual(
    checkpoints.map(({ step, tree }) => [step, tree.map(({ path }) => path)]),
    [[6, ["ok"]]],
  );
  assert.deepEqual(contentsOf(outside), before);
  assert.ok([...server.blobs.values()].every((bytes) => !bytes.includes("outside-canary")));
});
