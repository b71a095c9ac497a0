/** Training code at the socket: targets, checkpoints, restore, yields, several ranks, and bad manners. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
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
  await bench.startRunner();
});
afterEach(() => bench.close());

/** Counts up; its state is a file with the sum of all steps. */
const TRAIN = `
import { readFileSync, writeFileSync } from "node:fs";
import { init } from "contrail";
const trial = await init();
let sum = 0;
const restore = (folder) => { sum = Number(readFileSync(folder + "/sum", "utf8")); };
const save = (folder) => writeFileSync(folder + "/sum", String(sum));
for await (const step of trial.steps({ restore, save })) {
  sum += step;
  trial.report(step, { sum, size: trial.size });
}
console.log("data", JSON.stringify(trial.data));
`;
const node = [process.execPath, "train.ts"];

test("a program that says nothing for longer than its deadline is ended, its children too", async () => {
  server.launch("3.1.1", sh("trap '' TERM; sleep 600 & echo ready; while :; do sleep 1; done"), {
    ...{ progressDeadlineMs: 3_000, killGraceMs: 200 },
  });
  const exit = await server.untilExit("3.1.1");
  assert.ok(exit.silentMs !== undefined && exit.silentMs > 3_000, String(exit.silentMs));
  assert.deepEqual(exit.signalsSent, ["SIGTERM", "SIGKILL"]);
  assert.deepEqual(exit.processes, [{ rank: 0, code: null, signal: "SIGKILL" }]);
  const { pid } = server.events("3.1.1")[0] as { pid: number };
  assert.deepEqual(await findProcesses({ groups: [pid], marker: null }), []);
});

test("a program that reports is left alone, however long it takes", async () => {
  const code = server.tree({ "train.ts": TRAIN });
  server.launch("3.1.1", node, { code, progressDeadlineMs: 60_000 });
  server.order("3.1.1", { target: 3 });
  await server.until("the wait", () => server.types("3.1.1").includes("waiting"));
  server.order("3.1.1", { yield: "stop", reason: "over" });
  assert.equal((await server.untilExit("3.1.1")).silentMs, undefined);
});

test("a trial trains to its target, is checkpointed, waits, pauses, and goes on from there", async () => {
  const code = server.tree({ "train.ts": TRAIN });
  const rows = server.tree({ "rows.csv": "1,2\n" });
  const data = { rows: { snapshot: rows }, note: { value: { a: [1] } } };
  server.launch("3.1.1", node, { code, data });
  server.order("3.1.1", { target: 3 });
  await server.until("the wait", () => server.types("3.1.1").includes("waiting"));
  server.order("3.1.1", { yield: "pause", reason: "paused at the rung" });
  const exit = await server.untilExit("3.1.1");
  assert.deepEqual(server.types("3.1.1"), [
    "started",
    "report",
    "report",
    "report",
    "checkpoint",
    "waiting",
    "exited",
  ]);
  assert.deepEqual([exit.yielded, exit.processes[0]!.code, exit.signalsSent], [true, 0, []]);
  const checkpoint = server.events("3.1.1")[4]!;
  assert.ok(checkpoint.type === "checkpoint");
  assert.equal(checkpoint.step, 3);
  assert.equal(server.blobs.get(checkpoint.tree[0]!.hash)?.toString(), "6");
  await server.until("its output", () => server.logs("3.1.1").length === 1);
  const dataset = join(bench.state, "datasets", rows);
  assert.equal(
    server.output("3.1.1", "stdout").toString(),
    `data ${JSON.stringify({ rows: dataset, note: { a: [1] } })}\n`,
  );
  assert.deepEqual(readdirSync(dataset), ["rows.csv"]);

  const tree = server.tree({ sum: "6" });
  server.launch("3.1.2", node, { code, data, restore: { step: 3, tree } });
  server.order("3.1.2", { target: 5 });
  await server.until("the wait", () => server.types("3.1.2").includes("waiting"));
  const sums = server
    .events("3.1.2")
    .flatMap((event) => (event.type === "report" ? event.metrics.sum : []));
  assert.deepEqual(sums, [10, 15]);
  server.order("3.1.2", { target: 6 });
  server.order("3.1.2", { target: 6 });
  await server.until(
    "the next wait",
    () => server.types("3.1.2").filter((type) => type === "waiting").length === 2,
  );
  server.order("3.1.2", { yield: "stop" });
  assert.equal((await server.untilExit("3.1.2")).yielded, true);
});

test("a wait or an exit does not overtake a checkpoint whose blobs are still on their way", async () => {
  let held = true;
  let asked = 0;
  server.intercept = (method, path) => {
    if (method !== "PUT" || !path.includes("/blobs/")) return undefined;
    asked += 1;
    return held ? 503 : undefined;
  };
  server.launch("3.1.1", node, { code: server.tree({ "train.ts": TRAIN }) });
  server.order("3.1.1", { target: 2 });
  await server.until(
    "the reports",
    () => server.types("3.1.1").filter((type) => type === "report").length === 2,
  );
  server.order("3.1.1", { yield: "pause" });
  await bench.server.until("tries to send it", () => asked > 2);
  assert.deepEqual(server.types("3.1.1"), ["started", "report", "report"]);
  held = false;
  await server.untilExit("3.1.1");
  const rest = server.types("3.1.1").slice(3);
  assert.equal(rest[0], "checkpoint");
  assert.equal(rest.at(-1), "exited");
});

test("a program that hears nothing is paused by SIGTERM; one that does not listen, after its grace", async () => {
  server.launch("1.1.1", sh("echo here; sleep 1000"), { yieldGraceMs: 300 });
  server.launch("1.2.1", [process.execPath, "deaf.ts"], {
    code: server.tree({
      "deaf.ts": `import { init } from "contrail"; const t = await init(); t.report(1, {}); for (;;) {}`,
    }),
    yieldGraceMs: 300,
    killGraceMs: 300,
  });
  await server.until(
    "both",
    () => server.logs("1.1.1").length === 1 && server.types("1.2.1").includes("report"),
  );
  server.order("1.1.1", { yield: "pause" });
  server.order("1.2.1", { yield: "pause" });
  for (const id of ["1.1.1", "1.2.1"]) {
    const exit = await server.untilExit(id);
    assert.deepEqual(exit.processes, [{ rank: 0, code: null, signal: "SIGTERM" }]);
    assert.deepEqual([exit.signalsSent, exit.yielded], [["SIGTERM"], false]);
  }
});

test("several ranks meet at one port; when one fails, the others are stopped", async () => {
  const script = "echo $RANK $WORLD_SIZE $LOCAL_RANK $CONTRAIL_RANK $MASTER_ADDR $MASTER_PORT; ";
  // It fails when the others have said who they are: they share a folder.
  const fail = `touch said-$RANK; [ $RANK = 1 ] || exec sleep 1000
    until [ -e said-0 ] && [ -e said-2 ]; do sleep 0.05; done; exit 9`;
  server.launch("1.1.1", sh(script + fail), { ranks: 3, slots: ["gpu:0", "gpu:2", "gpu:5"] });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual(exit.processes[0], { rank: 1, code: 9, signal: null });
  const others = exit.processes.slice(1).toSorted((a, b) => a.rank - b.rank);
  assert.deepEqual(others, [
    { rank: 0, code: null, signal: "SIGTERM" },
    { rank: 2, code: null, signal: "SIGTERM" },
  ]);
  assert.match(exit.detail, /rank 1 ended first, with code 9/);
  await server.until("output of all", () =>
    [0, 1, 2].every((rank) => server.output("1.1.1", "stdout", rank).length > 0),
  );
  const words = [0, 1, 2].map((rank) =>
    server.output("1.1.1", "stdout", rank).toString().trim().split(" "),
  );
  assert.deepEqual(
    words.map(([r, w, l, c, a]) => [r, w, l, c, a]),
    [0, 1, 2].map((r) => [`${r}`, "3", `${r}`, `${r}`, "127.0.0.1"]),
  );
  assert.equal(new Set(words.map((word) => word[5])).size, 1);
});

test("hostile lines cost their sender some lines of log and nobody else anything", async () => {
  const script = `
import { createConnection } from "node:net";
import { once } from "node:events";
const open = () => createConnection(process.env.CONTRAIL_SOCKET);
const bad = open();
bad.on("error", () => {});
bad.write("not json\\n[1]\\n\\xff\\n{\\"type\\":\\"report\\",\\"step\\":1,\\"metrics\\":{}}\\n");
bad.write(Buffer.from([0xff, 0xfe, 0x0a]));
bad.write('{"type":"hello","rank":7}\\n{"type":"hello","rank":0,"sdk":"x"}\\n');
bad.write('{"type":"report","step":-1,"metrics":{}}\\n{"type":"report","step":1,"metrics":[1]}\\n{"type":"surprise"}\\n');
bad.write('{"type":"checkpoint","step":1,"path":"/etc","metadata":{}}\\n');
for (let i = 0; i < 17; i++) bad.write("y".repeat(1024 * 1024));
bad.write("\\n");
bad.write('{"type":"report","step":5,"metrics":{"good":1,"a\\\\u0000b":2,"flag":true,"nested":{"x":1},"big":1e400}}\\n');
const late = open();
late.write('{"type":"hello","rank":1,"sdk":"x"}\\n{"type":"report","step":9,"metrics":{"x":1}}\\n');
late.end();
bad.end('{"type":"invalid_hyperparameters","reason":"too large"}\\n');
bad.resume();
await once(bad, "close");
`;
  server.launch("1.1.1", [process.execPath, "bad.mjs"], {
    code: server.tree({ "bad.mjs": script }),
    ranks: 2,
    slots: ["cpu:0", "cpu:1"],
  });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual(
    exit.processes.map(({ code }) => code),
    [0, 0],
  );
  const reports = server.events("1.1.1").filter((event) => event.type === "report");
  // Both ranks run the script; each of its reports is heard once.
  assert.deepEqual(
    reports.map(({ step }) => step),
    [5, 5],
  );
  assert.deepEqual(reports[0]!.metrics, { good: 1, big: "Infinity" });
  assert.deepEqual(Object.keys(reports[0]!.refused ?? {}), ["a\u2400b", "flag", "nested"]);
  assert.equal(
    server.types("1.1.1").filter((type) => type === "invalid_hyperparameters").length,
    2,
  );
  await server.until("the notes", () => server.logs("1.1.1").length === exit.logLines);
  const notes = server.output("1.1.1", "stderr").toString();
  for (const part of [
    "is not JSON",
    "is not a JSON object",
    "is not UTF-8",
    "report before hello",
    "hello from rank 7",
    "step must be a whole number from 0, not -1",
    "metrics must be an object of numbers, not [1]",
    'has type "surprise"',
    "/etc does not lie below",
    "is longer than 16777216 bytes",
  ])
    assert.ok(notes.includes(part), `${part} is not in: ${notes}`);
  assert.match(
    server.output("1.1.1", "stderr", 1).toString(),
    /report from rank 1; rank 0 speaks for all/,
  );
});

test("whichever rank finds that the hyperparameters cannot work is heard", async () => {
  const program = `
    import { init } from "contrail";
    const trial = await init();
    for await (const step of trial.steps()) {
      if (trial.rank === 1) await trial.invalidHyperparameters("too wide for rank 1");
      await new Promise((done) => setTimeout(done, 20));
    }
  `;
  server.launch("3.1.1", node, { code: server.tree({ "train.ts": program }), ranks: 2 });
  const exit = await server.untilExit("3.1.1");
  assert.match(exit.detail, /rank 1 ended first/);
  const said = server
    .events("3.1.1")
    .flatMap((event) => (event.type === "invalid_hyperparameters" ? [event.reason] : []));
  assert.deepEqual(said, ["too wide for rank 1"]);
});

test("a pause in the middle is taken by all ranks after the same step, however far each has come", async () => {
  const program = `
    import { writeFileSync } from "node:fs";
    import { init } from "contrail";
    const trial = await init();
    let last = 0;
    const save = (folder) => writeFileSync(folder + "/last", String(last));
    for await (const step of trial.steps({ save })) {
      last = step;
      await new Promise((done) => setTimeout(done, trial.rank === 0 || step > 100 ? 5 : 1));
      trial.report(step, { step });
    }
    console.log("left after", last);
  `;
  const code = server.tree({ "train.ts": program });
  // Those in front wait for nobody, so the slow one has a hundred steps to make up for.
  server.launch("3.1.1", node, { code, ranks: 3, yieldGraceMs: 60_000 });
  server.order("3.1.1", { target: 1_000_000 });
  await server.until(
    "some steps",
    () => server.types("3.1.1").filter((type) => type === "report").length > 5,
  );
  server.order("3.1.1", { target: 1_000_000, yield: "pause", reason: "somebody needs the slots" });
  const exit = await server.untilExit("3.1.1");
  assert.deepEqual(exit.signalsSent, []);
  assert.equal(exit.yielded, true);
  assert.deepEqual(
    exit.processes.map(({ code }) => code),
    [0, 0, 0],
  );
  const saved = server.events("3.1.1").findLast((event) => event.type === "checkpoint");
  assert.ok(saved?.type === "checkpoint");
  await server.until("their output", () => server.logs("3.1.1").length === 3);
  for (const rank of [0, 1, 2])
    assert.equal(
      server.output("3.1.1", "stdout", rank).toString(),
      `left after ${saved.step}\n`,
      `rank ${rank}`,
    );
});

test("what is killed or paused before its runner hears of it ends there, and nothing is fetched for it", async () => {
  const code = server.tree({ "a.txt": "a" });
  const cancelled = { "5.1.1": { kill: true }, "5.2.1": { yield: "pause" } } as const;
  await bench.stopRunner();
  // A server that has trouble with what it would need.
  server.intercept = (_, path) => (path.includes("/blobs/") ? 503 : undefined);
  for (const [id, orders] of Object.entries(cancelled)) {
    server.launch(id, sh("true"), { code });
    server.order(id, orders);
  }
  await bench.startRunner();
  const exits = await Promise.all(Object.keys(cancelled).map((id) => server.untilExit(id)));
  assert.deepEqual(
    exits.map(({ kind, processes, yielded }) => ({ kind, processes, yielded })),
    [false, true].map((yielded) => ({ kind: "processes", processes: [], yielded })),
  );
  assert.deepEqual(
    server.requests.filter((request) => request.includes("/blobs/")),
    [],
  );
});
