/** Capture beside real programs: what it tells, and that it holds nobody up and leaves nothing behind. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import type { FakeServer } from "../fake-server.ts";
import { sh, TestBench } from "../test-bench.ts";
import { Capture } from "./capture.ts";

let bench: TestBench;
let server: FakeServer;

beforeEach(async () => {
  bench = await TestBench.open();
  server = bench.server;
  await bench.startRunner();
});
afterEach(() => bench.close());

/** An interpreter of our own making, first on the program's path. */
function fakePython(script: string): Record<string, string> {
  const bin = join(bench.folder, "fake-bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "python3"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, "python3"), 0o755);
  return { PATH: `${bin}:${process.env.PATH}` };
}

test("the record comes before the end of a program that is over at once, as far as it got by then", async () => {
  server.launch("1.1.1", ["python3", "-c", "pass"]);
  await server.untilExit("1.1.1");
  const [record, ...more] = server.records("1.1.1");
  assert.deepEqual(more, []);
  assert.ok(record?.environment?.captured.cpu);
});

test("the record says which interpreter it is, and no secret", async () => {
  const seen = join(bench.folder, "seen");
  // Not over before its interpreter has answered, however long that takes.
  const script = `until [ -e ${seen} ]; do sleep 0.05; done; exec python3 -c pass`;
  server.launch("1.1.1", sh(script), { environment: { MY_TOKEN: "hunter2" } });
  await server.until("its record", () => server.records("1.1.1").length > 0);
  writeFileSync(seen, "");
  await server.untilExit("1.1.1");
  const [record, ...more] = server.records("1.1.1");
  assert.deepEqual(more, []);
  assert.equal(record?.source, "runner");
  assert.equal(record.environment?.captured.interpreter?.language, "python");
  assert.equal(record.own.captured.variables?.MY_TOKEN, "(masked)");
  assert.equal(record.own.captured.variables?.CONTRAIL_TOKEN, "(masked)");
  assert.ok(!JSON.stringify(record).includes("hunter2"));
});

test("an interpreter that does not answer costs its record, and the end of the run two seconds", async () => {
  const note = join(bench.folder, "probe-pid");
  const environment = fakePython(`case "$*" in *probe.py*) echo $$ > ${note}; sleep 1000;; esac`);
  server.launch("1.1.1", ["python3", "train.py"], { environment });
  await server.untilExit("1.1.1");
  const [record] = server.records("1.1.1");
  const why = record?.environment?.missing.find(({ what }) => what === "packages_observed")?.why;
  assert.match(why ?? "", /could not be asked: the run was over before the answer came/);
  assert.ok(record?.environment?.captured.cpu, "what else is known is there");
  const pid = readFileSync(note, "utf8").trim();
  assert.ok(!existsSync(`/proc/${pid}`), "nothing is left of it");
});

test("an interpreter that answers nonsense, fails or floods is said to have done so", async () => {
  const cases: [script: string, why: RegExp][] = [
    ["echo hello", /printed no answer/],
    ["echo broken >&2; exit 3", /exit code 3: broken/],
    ["printf '\\036contrail-probe {'", /JSON/],
  ];
  for (const [at, [script, why]] of cases.entries()) {
    const id = `1.${at + 1}.1`;
    server.launch(id, ["python3", "train.py"], { environment: fakePython(script) });
    await server.untilExit(id);
    const gap = server.records(id)[0]?.environment?.missing.find((m) => m.what === "interpreter");
    assert.match(gap?.why ?? "", why);
  }
});

test("a later run of the same code asks nobody, until a folder of packages changes", async () => {
  const count = join(bench.folder, "asked");
  const site = join(bench.folder, "site");
  mkdirSync(site);
  const answer = JSON.stringify({
    ...{ interpreter: { version: "3" }, packages: [], faults: [] },
    places: [site],
  });
  const environment = fakePython(
    `echo x >> ${count}; printf '\\036contrail-probe %s\\n' '${answer}'`,
  );
  const asked = async (id: string): Promise<number> => {
    server.launch(id, ["env", "python3", "-c", "pass"], { environment });
    await server.untilExit(id);
    // The program itself is one, too.
    return readFileSync(count, "utf8").split("x").length - 1;
  };
  assert.equal(await asked("1.1.1"), 2);
  assert.equal(await asked("1.1.2"), 3);
  mkdirSync(join(site, "new-1.0.dist-info"));
  assert.equal(await asked("1.1.3"), 5);
});

test("what an interpreter said counts for the folder it was asked in, and for no other run where it lies in that", async () => {
  const capture = new Capture({ environment: process.env, setpriv: null, nowMs: () => 0 });
  const environment = fakePython(
    `printf '\\036contrail-probe {"interpreter":{"version":"%s","prefix":"%s"},"packages":[],"faults":[],"places":[]}\\n' "$(basename "$PWD")" "$PWD"`,
  );
  const asked = async (run: string, place: string) => {
    const folder = join(bench.folder, run);
    for (const each of ["a", "b"]) mkdirSync(join(folder, each), { recursive: true });
    const entrypoint = ["/bin/sh", "-c", `cd ${place} && env python3 train.py`];
    const launch = { entrypoint, code: null, slots: [], restore: null } as unknown as LaunchSpec;
    const { signal } = new AbortController();
    const { interpreter } = (await capture.take({ launch, folder, environment, signal }))
      .environment.captured;
    assert.equal(interpreter?.prefix, join(folder, place));
    return interpreter?.version;
  };
  assert.equal(await asked("one", "a"), "a");
  assert.equal(await asked("one", "b"), "b");
  assert.equal(await asked("two", "a"), "a");
  assert.equal(await asked("two", "a"), "a");
});

test("trials that begin at once ask once, whatever their seeds, and not in vain where the first of them is over", async () => {
  const count = join(bench.folder, "asked-once");
  const go = join(bench.folder, "go");
  const answer = JSON.stringify({
    ...{ interpreter: { version: "3" }, packages: [], faults: [], places: [] },
  });
  const python = fakePython(
    `case "$*" in *probe.py*) echo x >> ${count}; until [ -e ${go} ]; do sleep 0.05; done; printf '\\036contrail-probe %s\\n' '${answer}';; *) [ "$PYTHONHASHSEED" = 1 ] || until [ -e ${go} ]; do sleep 0.05; done;; esac`,
  );
  const seeds = ["1", "2", "3", "4"];
  for (const seed of seeds)
    server.launch(`1.${seed}.1`, ["env", "python3", "-c", "pass"], {
      environment: { ...python, PYTHONHASHSEED: seed },
    });
  await server.untilExit("1.1.1");
  writeFileSync(go, "");
  for (const seed of seeds) await server.untilExit(`1.${seed}.1`);
  assert.equal(readFileSync(count, "utf8").split("x").length - 1, 1);
  const versions = seeds.map(
    (seed) => server.records(`1.${seed}.1`)[0]?.environment?.captured.interpreter?.version,
  );
  assert.deepEqual(versions, [undefined, "3", "3", "3"]);
});

test("what the program itself tells is a part of its own", async () => {
  const hello = '{"type":"hello","rank":0,"sdk":"x"}';
  const facts = { frameworks: { mine: "1", broken: null }, nonsense: { a: 1 }, determinism: 3 };
  const observed = JSON.stringify({ type: "observed", facts });
  const program = `import os, socket\ns = socket.socket(socket.AF_UNIX)\ns.connect(os.environ["CONTRAIL_SOCKET"])\ns.sendall(b'''${hello}\n${observed}\n''')\ns.makefile().readline()\n`;
  server.launch("1.1.1", ["python3", "-c", program]);
  await server.untilExit("1.1.1");
  const told = server.records("1.1.1").find(({ source }) => source === "program");
  assert.deepEqual(told?.own.captured, { frameworks: { mine: "1" } });
  assert.equal(told?.environment, null);
});

test("what the server refuses of a record holds up neither reports nor the end of its run", async () => {
  let refused = 0;
  server.intercept = (_method, path, body) => {
    if (!path.endsWith("/sync") || !body.includes("refuse this")) return undefined;
    refused += 1;
    return 400;
  };
  const lines = [
    { type: "hello", rank: 0, sdk: "x" },
    { type: "observed", facts: { frameworks: { mine: "refuse this" } } },
    { type: "report", step: 1, metrics: { loss: 1 } },
  ].map((line) => JSON.stringify(line));
  const program = `import os, socket\ns = socket.socket(socket.AF_UNIX)\ns.connect(os.environ["CONTRAIL_SOCKET"])\ns.sendall(b'''${lines.join("\n")}\n''')\ns.makefile().readline()\n`;
  server.launch("1.1.1", ["python3", "-c", program]);
  await server.untilExit("1.1.1");
  assert.ok(refused > 0);
  assert.ok(server.types("1.1.1").includes("report"));
  const told = server.records("1.1.1").find(({ source }) => source === "program");
  const gap = told?.own.missing.find(({ what }) => what === "record.program");
  assert.match(gap?.why ?? "", /the server refused it: .*400/);
});

test("a program that could not be started is recorded as far as it goes", async () => {
  server.launch("1.1.1", sh("exec no-such-program"));
  server.launch("1.2.1", ["no-such-program"]);
  await server.untilExit("1.1.1");
  await server.untilExit("1.2.1");
  for (const id of ["1.1.1", "1.2.1"]) {
    const [record] = server.records(id);
    assert.ok(record?.own.captured.variables?.PATH, id);
    assert.ok(record.environment?.missing.some(({ what }) => what === "interpreter"));
  }
});
