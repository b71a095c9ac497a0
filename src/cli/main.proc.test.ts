/** The program as a process: closed pipes, signals, streams. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Answer, type FakeServer, fakeServer } from "./test-host.ts";
import { aCheckpoint, aLog } from "./test-things.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
let server: FakeServer;
let folder: string;

before(async () => {
  server = await fakeServer();
  folder = mkdtempSync(join(tmpdir(), "contrail-main-test-"));
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: {
      PATH: process.env.PATH,
      CONTRAIL_CONFIG_DIR: folder,
      CONTRAIL_SERVER: server.url,
      CONTRAIL_TOKEN: "cu_t",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let err = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const ended = new Promise<{ code: number | null; signal: string | null; err: string }>((done) => {
    child.once("close", (code, signal) => done({ code, signal, err }));
  });
  return { child, ended };
}

test("a reader that stops reading ends the program without a word", async () => {
  const items = Array.from({ length: 1000 }, () => aLog({ text: "x".repeat(1000) }));
  let pages = 0;
  server.answer("GET /trials/3.2/logs", (_, response) => {
    // Without end: only the closed pipe can stop it.
    response.end(JSON.stringify({ items, next_cursor: `c${++pages}` }));
  });
  const { child, ended } = start("logs", "3.2");
  child.stdout.once("data", () => child.stdout.destroy());
  const { code, err } = await ended;
  assert.deepEqual([code, err], [141, ""]);
});

test("Ctrl-C ends a command that does not follow anything at once", async () => {
  const asked = new Promise<void>((resolve) => {
    server.answer("GET /slots", () => resolve());
  });
  const { child, ended } = start("slot", "list");
  await asked;
  child.kill("SIGINT");
  assert.equal((await ended).code, 130);
});

const HASH = "a".repeat(64);
const hashed = (text: string): string => createHash("sha256").update(text).digest("hex");
const blob =
  (text: string): Answer =>
  (_, response) =>
    void response.setHeader("content-length", text.length).end(text);
/** What is not whole in a folder. */
const parts = (within: string): string[] =>
  readdirSync(within).filter((name) => name.includes("contrail-part"));

/** A checkpoint of two files; the content of the second is the test's. */
function answerCheckpoint(): void {
  const tree = ["first", "second"].map((text) => ({
    ...{ path: `model/${text}`, size: text.length, hash: hashed(text), executable: false },
  }));
  server.answer(`GET /checkpoints/${HASH}`, { ...aCheckpoint({ id: HASH }), tree });
  server.answer(`GET /blobs/${hashed("first")}`, blob("first"));
}

test("a download that is interrupted leaves nothing under the names of its files, and the next one is whole", async () => {
  answerCheckpoint();
  for (const [name, isThere] of [
    ["new", false],
    ["there", true],
  ] as const) {
    const to = join(folder, name);
    if (isThere) mkdirSync(to);
    const half = new Promise<void>((resolve) => {
      server.answer(`GET /blobs/${hashed("second")}`, (_, response) => {
        response.setHeader("content-length", "6").write("sec", () => resolve());
      });
    });
    const { child, ended } = start("checkpoint", "download", HASH, "--to", to);
    await half;
    child.kill("SIGINT");
    assert.equal((await ended).code, 130);
    assert.deepEqual([existsSync(to), existsSync(join(to, "model"))], [isThere, false]);
    assert.deepEqual(parts(isThere ? to : folder), []);
    server.answer(`GET /blobs/${hashed("second")}`, blob("second"));
    const again = await start("checkpoint", "download", HASH, "--to", to).ended;
    assert.equal(again.code, 0, again.err);
    assert.deepEqual(readdirSync(to), ["model"]);
    assert.equal(readFileSync(join(to, "model", "second"), "utf8"), "second");
  }
  assert.deepEqual(parts(folder), []);
});

test("of two downloads into one folder the first to be whole wins, the other says so, and what a killed one left goes", async () => {
  answerCheckpoint();
  for (const [name, isThere] of [
    ["both-new", false],
    ["both-there", true],
  ] as const) {
    const to = join(folder, name);
    if (isThere) mkdirSync(to);
    const place = isThere ? to : folder;
    // A download that reached the second file, and then waits for its content until it is let go on.
    const halfWay = async () => {
      let goOn = (): void => {};
      let started: ReturnType<typeof start> | undefined;
      await new Promise<void>((resolve) => {
        server.answer(`GET /blobs/${hashed("second")}`, (_, response) => {
          goOn = () => response.end("ond");
          response.setHeader("content-length", "6").write("sec", () => resolve());
        });
        started = start("checkpoint", "download", HASH, "--to", to);
      });
      return { ...(started as ReturnType<typeof start>), goOn: () => goOn() };
    };
    const killed = await halfWay();
    killed.child.kill("SIGKILL");
    await killed.ended;
    const left = parts(place);
    assert.equal(left.length, 1);
    const first = await halfWay();
    const second = await halfWay();
    assert.equal(parts(place).length, 2);
    assert.ok(!parts(place).includes(left[0] ?? ""));
    first.goOn();
    const early = await first.ended;
    assert.equal(early.code, 0, early.err);
    assert.deepEqual(readdirSync(join(to, "model")).toSorted(), ["first", "second"]);
    second.goOn();
    const late = await second.ended;
    assert.equal(late.code, 1);
    assert.match(late.err, /exists and is not empty/);
    assert.deepEqual([readdirSync(to), parts(place)], [["model"], []]);
    assert.equal(readFileSync(join(to, "model", "second"), "utf8"), "second");
  }
});

test("Ctrl-C while following leaves in good order", async () => {
  const asked = new Promise<void>((resolve) => {
    server.answer("GET /trials/3.2/logs/stream", (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`id: 1\nevent: log\ndata: ${JSON.stringify([aLog()])}\n\n`, () => resolve());
    });
  });
  const { child, ended } = start("logs", "-f", "3.2");
  const line = new Promise<string>((resolve) =>
    child.stdout.once("data", (data) => resolve(String(data))),
  );
  await asked;
  assert.equal(await line, "epoch 1\n");
  child.kill("SIGINT");
  assert.deepEqual(await ended, { code: 130, signal: null, err: "" });
});

test("the version needs no server and no credentials", async () => {
  const { child, ended } = start("--version");
  let out = "";
  child.stdout.on("data", (data) => {
    out += data;
  });
  assert.equal((await ended).code, 0);
  assert.match(out, /^\d+\.\d+\.\d+\n$/);
});
