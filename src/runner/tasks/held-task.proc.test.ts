/** What a runner keeps of a shell: its folder, all of it, and nothing in its place. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { canonicalTree } from "../../store/snapshot.ts";
import type { FakeServer } from "../fake-server.ts";
import { findProcesses } from "../process-scan.ts";
import { sh, TestBench } from "../test-bench.ts";

let bench: TestBench;
let server: FakeServer;

beforeEach(async () => {
  bench = await TestBench.open();
  server = bench.server;
  await bench.startRunner();
});
afterEach(() => bench.close());

const task = { kind: "shell", idleTimeoutMs: null } as const;
const checkpoints = (id: string) =>
  server.events(id).filter((event) => event.type === "checkpoint");

test("code that is tried out in a shell saves no checkpoint in place of the folder, by no way", async () => {
  const script = `
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { createInterface } from "node:readline";
import { init } from "contrail";
const trial = await init({ steps: 1 });
for await (const step of trial.steps({ save: (folder) => writeFileSync(folder + "/model", "m") }))
  trial.report(step, { loss: 1 });
const socket = createConnection(process.env.CONTRAIL_MARK);
const say = (message) => socket.write(JSON.stringify(message) + "\\n");
say({ type: "hello", rank: 0, sdk: "test" });
for await (const line of createInterface(socket)) {
  const heard = JSON.parse(line);
  if (heard.type === "welcome") {
    mkdirSync(heard.checkpointDir + "/mine");
    say({ type: "checkpoint", step: 1000, path: heard.checkpointDir + "/mine", metadata: {} });
  }
  if (heard.type === "checkpointed") { writeFileSync("heard", heard.error); break; }
}
spawn("sleep", ["600"], { detached: true, stdio: "ignore" }).unref();
process.exit(0);
`;
  const code = server.tree({ "train.ts": script });
  server.launch("1.1.1", [process.execPath, "train.ts"], { code, task });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual(
    exit.processes.map(({ code }) => code),
    [0],
    server.output("1.1.1", "stderr").toString(),
  );
  assert.deepEqual(
    checkpoints("1.1.1").map(({ step }) => step),
    [1],
  );
  const heard = [...server.blobs.values()].some((blob) =>
    blob.toString().startsWith("this is a shell: its folder is what is kept of it."),
  );
  assert.ok(heard, "what the program heard lies in the folder, which was kept");
  const marker = `CONTRAIL_MARK=${bench.state}/s/1.1.1.sock`;
  assert.deepEqual(await findProcesses({ groups: [], marker }), []);
});

test("a folder with names that a snapshot refuses goes on with all its files", async () => {
  const write =
    'printf one > README.md; printf two > readme.md; printf three > "back\\slash"; mkdir "no\\thing"';
  const latin = "printf four > \"$(printf 'caf\\351')\"";
  server.launch("1.1.1", sh(`${write}; ${latin}; ls`), { task });
  const exit = await server.untilExit("1.1.1");
  const [kept] = checkpoints("1.1.1");
  await server.until("the notes", () => server.logs("1.1.1").length === exit.logLines);
  const said = server.output("1.1.1", "stderr").toString();
  assert.ok(kept?.type === "checkpoint", said);
  assert.match(said, /left out of the folder: caf\ufffd: its name is not valid UTF-8/);
  const restore = { step: kept.step, tree: canonicalTree(kept.tree).hash };
  server.launch("1.1.2", sh('cat README.md readme.md "back\\slash"; ls -d "no\\thing"'), {
    task,
    restore,
  });
  const { logLines } = await server.untilExit("1.1.2");
  await server.until("its output", () => server.logs("1.1.2").length === logLines);
  assert.equal(server.output("1.1.2", "stdout").toString(), "onetwothreeno\\thing\n");
});
