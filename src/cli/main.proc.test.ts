/** The program as a process: closed pipes, signals, streams. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type FakeServer, fakeServer } from "./test-host.ts";
import { aLog } from "./test-things.ts";

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
