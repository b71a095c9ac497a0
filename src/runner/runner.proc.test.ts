/** A runner in this process, real training processes, and a fake server: what is told, and in which order. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { FakeServer } from "./fake-server.ts";
import { findProcesses } from "./process-scan.ts";
import { sh, TestBench } from "./test-bench.ts";

let bench: TestBench;
let server: FakeServer;

beforeEach(async () => {
  bench = await TestBench.open();
  server = bench.server;
});
afterEach(() => bench.close());

test("a program that prints and exits 0 is told from start to end, and its folder goes", async () => {
  await bench.startRunner();
  server.launch("1.1.1", sh("echo out; echo err >&2; pwd; echo $CONTRAIL_PARAMS $CONTRAIL_SEED"), {
    params: { lr: 0.5 },
  });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual(server.types("1.1.1"), ["started", "exited"]);
  assert.deepEqual(exit.processes, [{ rank: 0, code: 0, signal: null }]);
  assert.deepEqual(
    [exit.kind, exit.yielded, exit.outOfMemory, exit.signalsSent, exit.detail],
    ["processes", false, null, [], ""],
  );
  assert.equal(exit.logLines, 4);
  await server.until("the logs", () => server.logs("1.1.1").length === 4);
  const code = join(bench.folder, "runner/allocations/1.1.1/code");
  assert.equal(server.output("1.1.1", "stdout").toString(), `out\n${code}\n{"lr":0.5} 7\n`);
  assert.equal(server.output("1.1.1", "stderr").toString(), "err\n");
});

test("exit codes and signals are told as the kernel gave them", async () => {
  await bench.startRunner();
  server.launch("1.1.1", sh("exit 3"));
  server.launch("1.2.1", sh("kill -SEGV $$"));
  server.launch("1.3.1", ["no-such-program-here"]);
  server.launch("1.4.1", ["./missing.py"]);
  assert.deepEqual((await server.untilExit("1.1.1")).processes, [
    { rank: 0, code: 3, signal: null },
  ]);
  assert.deepEqual((await server.untilExit("1.2.1")).processes, [
    { rank: 0, code: null, signal: "SIGSEGV" },
  ]);
  const missing = await server.untilExit("1.3.1");
  assert.equal(missing.kind, "launch_failed");
  assert.match(missing.detail, /there is no program no-such-program-here on the PATH/);
  assert.match(
    (await server.untilExit("1.4.1")).detail,
    /no file \.\/missing\.py in the code snapshot/,
  );
});

test("a program that ignores SIGTERM gets SIGKILL after the grace, its children too", async () => {
  await bench.startRunner();
  const script = "trap '' TERM; sleep 1000 & echo ready; while :; do sleep 1000; done";
  server.launch("1.1.1", sh(script), { killGraceMs: 200 });
  await server.until(
    "its start and its first line, which come by two requests",
    () => server.logs("1.1.1").length === 1 && server.types("1.1.1").includes("started"),
  );
  const started = server.events("1.1.1")[0];
  assert.equal(started?.type, "started");
  server.order("1.1.1", { kill: true, reason: "killed by test" });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual(exit.processes, [{ rank: 0, code: null, signal: "SIGKILL" }]);
  assert.deepEqual(exit.signalsSent, ["SIGTERM", "SIGKILL"]);
  assert.equal(exit.outOfMemory, null);
  const { pid } = started as { pid: number };
  assert.deepEqual(await findProcesses({ groups: [pid], marker: null }), []);
});

test("a grandchild that holds stdout open, or left the group, does not outlive the exit", async () => {
  await bench.startRunner();
  server.launch("1.1.1", sh("sleep 1000 & echo in-group; exit 0"), { killGraceMs: 200 });
  server.launch("1.2.1", sh("setsid sleep 1000 & echo escaped; exit 0"), { killGraceMs: 200 });
  for (const id of ["1.1.1", "1.2.1"]) {
    const exit = await server.untilExit(id);
    assert.deepEqual(exit.processes, [{ rank: 0, code: 0, signal: null }]);
    assert.match(exit.detail, /^1 process outlived the last rank/);
    assert.deepEqual(exit.signalsSent, []);
  }
});

test("output is kept byte for byte: a long line, broken UTF-8, carriage returns, no newline at the end", async () => {
  await bench.startRunner();
  const script = `
import sys, os
out = sys.stdout.buffer
out.write(b"x" * 1000000 + b"\\n")
out.write(b"\\xff\\xfe\\x00 \\x1b[31m\\n\\n")
out.write(b"10%\\r20%\\r30%")
out.flush()
`;
  server.launch("1.1.1", ["python3", "-c", script.replaceAll("\\\\", "\\")]);
  await server.untilExit("1.1.1");
  await server.until("all output", () => server.output("1.1.1", "stdout").length >= 1_000_019);
  const expected = Buffer.concat([
    Buffer.alloc(1_000_000, "x"),
    Buffer.from("\n\xff\xfe\x00 \x1b[31m\n\n10%\r20%\r30%", "latin1"),
  ]);
  assert.ok(server.output("1.1.1", "stdout").equals(expected));
  assert.ok(
    server.logs("1.1.1").every((line) => Buffer.from(line.bytes, "base64").length <= 65_536),
  );
});

test("a flood of output waits for the server and loses nothing", async () => {
  await bench.startRunner({ eventsMaxBytes: 1024 ** 2, logsMaxBytes: 256 * 1024 });
  let closed = true;
  server.intercept = (_, path) => (closed && path.endsWith("/logs") ? 503 : undefined);
  const lines = 60_000;
  server.launch("1.1.1", ["python3", "-c", `for i in range(${lines}): print(i)`]);
  await server.until("the start", () => server.types("1.1.1").includes("started"));
  await server.until(
    "a few refusals",
    () => server.requests.filter((line) => line.endsWith("/logs")).length > 3,
  );
  assert.equal(
    server.exit("1.1.1"),
    undefined,
    "the program cannot have ended: its pipe is not read",
  );
  closed = false;
  await server.untilExit("1.1.1");
  const expected = Array.from({ length: lines }, (_, i) => `${i}\n`).join("");
  await server.until(
    "all lines",
    () => server.logs("1.1.1").filter((line) => line.complete).length === lines,
  );
  assert.ok(server.output("1.1.1", "stdout").equals(Buffer.from(expected)));
});

test("reports and logs survive a server that goes away and comes back on another port, each told once", async () => {
  await bench.startRunner();
  const script = `
import { createConnection } from "node:net";
const socket = createConnection(process.env.CONTRAIL_SOCKET);
const say = (m) => socket.write(JSON.stringify(m) + "\\n");
socket.setEncoding("utf8");
let heard = "";
socket.on("data", (text) => {
  heard += text;
  if (heard.includes('"target":999')) socket.end();
});
say({ type: "hello", rank: 0, sdk: "test" });
let step = 0;
const timer = setInterval(() => {
  step += 1;
  console.log("step", step);
  socket.write('{"type":"report","step":' + step + ',"metrics":{"loss":-0,"other":"NaN","bad":"abc"}}\\n');
  if (step === 100) { clearInterval(timer); say({ type: "wait", step }); }
}, 2);
`;
  server.launch(
    "1.1.1",
    [process.execPath, "--input-type=module", "-e", script.replaceAll("\\\\", "\\")],
    {},
  );
  server.order("1.1.1", { target: 100 });
  await server.until("a report", () => server.types("1.1.1").includes("report"));
  // Answers are lost first: everything in them is sent again.
  let lost = 0;
  server.intercept = (method) => (method === "POST" && lost++ < 5 ? "lose" : undefined);
  await server.until("lost answers", () => lost > 5);
  await server.down();
  await bench.untilSaid(/not delivered, will go on trying/);
  await server.up();
  await server.until("the wait", () => server.types("1.1.1").includes("waiting"));
  server.order("1.1.1", { target: 999 });
  await server.untilExit("1.1.1");
  const reports = server.events("1.1.1").filter((event) => event.type === "report");
  assert.deepEqual(
    reports.map(({ step }) => step),
    Array.from({ length: 100 }, (_, i) => i + 1),
  );
  assert.ok(Object.is(reports[0]!.metrics.loss, -0));
  assert.equal(reports[0]!.metrics.other, "NaN");
  assert.deepEqual(reports[0]!.refused, { bad: 'string: "abc"' });
  assert.deepEqual(
    server.types("1.1.1").filter((type) => type !== "report"),
    ["started", "waiting", "exited"],
  );
  await server.until("all lines", () => server.logs("1.1.1").length === 100);
});

test("an event that is too large or refused is replaced by what it was; one that is only forbidden holds up nobody else", async () => {
  await bench.startRunner();
  const say = (line: string) => [
    process.execPath,
    "-e",
    `const s = require("net").connect(process.env.CONTRAIL_SOCKET);
     s.end('{"type":"hello","rank":0,"sdk":"x"}\\n' + ${line} + '\\n{"type":"report","step":2,"metrics":{"b":2}}\\n'); s.resume();`,
  ];
  let forbidding = true;
  server.intercept = (_, path, body) => {
    if (!path.endsWith("/sync")) return undefined;
    if (body.length > 50_000) return 413;
    if (forbidding && body.includes('"forbidden":1')) return 403;
    return body.includes('"poison":1') ? 422 : undefined;
  };
  server.launch(
    "1.1.1",
    say(
      `JSON.stringify({type:"report",step:1,metrics:Object.fromEntries(Array.from({length:9000},(_,i)=>["m"+i,i]))})`,
    ),
  );
  server.launch("1.2.1", say(`'{"type":"report","step":1,"metrics":{"poison":1}}'`));
  server.launch("1.3.1", say(`'{"type":"report","step":1,"metrics":{"forbidden":1}}'`));
  server.launch("1.4.1", sh("exit 0"));
  for (const id of ["1.1.1", "1.2.1", "1.4.1"]) await server.untilExit(id);
  const reportsOf = (id: string) => server.events(id).filter((event) => event.type === "report");
  const reports = reportsOf("1.1.1");
  assert.deepEqual(
    reports.map(({ step, metrics }) => [step, metrics]),
    [
      [1, {}],
      [2, { b: 2 }],
    ],
  );
  assert.match(reports[0]!.refused?.["*"] ?? "", /413/);
  assert.match(reportsOf("1.2.1")[0]?.refused?.["*"] ?? "", /422/);
  await bench.untilSaid(/the server refuses record 2 of the events of 1\.2\.1/);
  await bench.untilSaid(/the server does not take record 2 of the events of 1\.3\.1.*403/);
  assert.deepEqual(reportsOf("1.3.1"), []);
  forbidding = false;
  await server.untilExit("1.3.1");
  assert.deepEqual(
    reportsOf("1.3.1").map(({ metrics }) => metrics),
    [{ forbidden: 1 }, { b: 2 }],
  );
});

test("what the server has replaced, and what it does not know any more, is ended", async () => {
  await bench.startRunner();
  for (const id of ["1.1.1", "1.2.1"]) server.launch(id, sh("echo up; sleep 1000"));
  await server.until("both", () => ["1.1.1", "1.2.1"].every((id) => server.logs(id).length === 1));
  server.gone.add("1.1.1");
  const replaced = await server.untilExit("1.1.1");
  assert.deepEqual(replaced.processes, [{ rank: 0, code: null, signal: "SIGTERM" }]);
  server.beginAnew();
  const forgotten = await server.untilExit("1.2.1");
  assert.deepEqual(forgotten.signalsSent, ["SIGTERM"]);
  server.launch("1.3.1", sh("exit 0"));
  await server.untilExit("1.3.1");
});

test("an order for what ended here starts nothing, and its end is told only where the server has none", async () => {
  await bench.startRunner();
  const script = sh(`echo ran >> ${bench.folder}/ran; exit 0`);
  const runs = () => readFileSync(join(bench.folder, "ran"), "utf8").split("\n").length - 1;
  const ask = async (id: string) => {
    const sent = server.requests.length;
    const answered = () => server.requests.slice(sent).some((line) => line.endsWith("/sync"));
    server.launch(id, script);
    await server.until("the answer", answered);
  };
  server.launch("1.1.1", script);
  await server.untilExit("1.1.1");
  const told = server.types("1.1.1");
  // Late, and repeated.
  for (let times = 0; times < 2; times++) await ask("1.1.1");
  server.launch("1.2.1", script);
  await server.untilExit("1.2.1");
  assert.deepEqual(server.types("1.1.1"), told);
  server.liveAgain("1.1.1", 1);
  await bench.untilSaid(/counts orders from the beginning again/);
  server.launch("1.1.1", script);
  const again = await server.untilExit("1.1.1");
  assert.deepEqual([again.kind, again.seq], ["runner_lost", 2]);
  assert.match(again.detail, /ended here before/);
  assert.equal(runs(), 2);
});

test("a death for lack of memory is told apart by the program's last words", async () => {
  await bench.startRunner();
  server.launch("1.1.1", ["python3", "-c", "bytearray(1 << 60)"]);
  server.launch("1.2.1", sh("kill -KILL $$"));
  assert.match(
    (await server.untilExit("1.1.1")).outOfMemory ?? "",
    /^Python said so on stderr: MemoryError/,
  );
  const killed = await server.untilExit("1.2.1");
  assert.deepEqual(
    [killed.outOfMemory, killed.processes[0]!.signal, killed.signalsSent],
    [null, "SIGKILL", []],
  );
});

test("code is the snapshot's, whatever a program does to its own copy of it", async () => {
  await bench.startRunner();
  const code = server.tree({
    "main.sh": "cat note.txt; echo spoiled > note.txt; cat note.txt\n",
    "note.txt": "as submitted\n",
  });
  server.launch("1.1.1", ["sh", "main.sh"], { code });
  await server.untilExit("1.1.1");
  server.launch("1.2.1", ["sh", "main.sh"], { code });
  await server.untilExit("1.2.1");
  await server.until("both", () => server.logs("1.1.1").length + server.logs("1.2.1").length === 4);
  for (const id of ["1.1.1", "1.2.1"])
    assert.equal(server.output(id, "stdout").toString(), "as submitted\nspoiled\n");
  assert.equal(
    server.requests.filter((line) => line === `GET /api/v1/blobs/${code}`).length,
    1,
    "fetched once",
  );
});

test("a snapshot that is not there, or would write outside its folder, ends the launch in words", async () => {
  await bench.startRunner();
  server.launch("1.1.1", sh("exit 0"), { code: "0".repeat(64) });
  const { hash } = server.blob("x");
  const evil = server.blob(
    JSON.stringify([{ executable: false, hash, path: "../../evil", size: 1 }]),
  );
  server.launch("1.2.1", sh("exit 0"), { code: evil.hash });
  assert.match((await server.untilExit("1.1.1")).detail, /^code could not be laid out: .*404/);
  assert.match((await server.untilExit("1.2.1")).detail, /unsafe_tree.*contains "\.\."/);
});

test("a kill while data is fetched ends the launch; the allocation is over without a process", async () => {
  await bench.startRunner();
  let fetching = false;
  server.intercept = (_, path) => {
    if (!path.startsWith("/api/v1/blobs/")) return undefined;
    fetching = true;
    return 503;
  };
  server.launch("1.1.1", sh("exit 0"), { code: "0".repeat(64) });
  await bench.server.until("the fetch", () => fetching);
  server.order("1.1.1", { kill: true, reason: "killed by ada" });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.processes, exit.yielded], ["processes", [], false]);
  assert.match(exit.detail, /before any process was started: killed by ada/);
});
