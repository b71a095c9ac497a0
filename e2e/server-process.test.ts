/** The server as a process: how it says that it is ready, how it stops, what it refuses, what it keeps. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { withTestDatabase } from "../src/store/test-database.ts";
import { curveSearch, ROOT, type Stand, sharedStand, stand, until } from "./support.ts";

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly log: string;
}

/** Runs the server's program itself until it ends, or says that it is ready. */
function serverMain(
  it: Stand,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const main = join(ROOT, "src", "server", "main.ts");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { env: { ...it.env, ...env } });
    const said = { stdout: "", log: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said.stdout += text;
      if (text.includes("\n")) child.kill("SIGTERM");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said.log += text;
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...said }));
  });
}

/** Waits for exactly one: between fork and exec a child of it has its command line, too. */
async function endRunner(it: Stand, dataDir: string): Promise<void> {
  const runners = () =>
    it.processes().filter(({ command }) => command.includes(join(dataDir, "runner")));
  const [runner] = await until("it has one runner", () => runners().length === 1 && runners());
  process.kill(runner?.pid ?? 0, "SIGTERM");
  await until("its runner has ended", () => runners().length === 0);
}

const lastWords = ({ log }: Ended): string =>
  (JSON.parse(log.trim().split("\n").at(-1) ?? "{}") as { msg: string }).msg;

describe("the server's process", () => {
  const shared = sharedStand({ slots: 2 });

  test("says on stdout, once and in one line, that it is ready; SIGTERM then ends it with 0", async () => {
    const it = shared();
    const dataDir = await mkdtemp(join(it.folder, "e-"));
    const ended = await serverMain(it, ["--data-dir", dataDir, "--port", "0"]);
    assert.equal(ended.code, 0, ended.log);
    const ready = JSON.parse(ended.stdout);
    assert.deepEqual(Object.keys(ready).sort(), [
      "one_time_token",
      "pid",
      "ready",
      "url",
      "version",
    ]);
    assert.match(ready.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    // Its runner is meant to go on without it; this one has nothing to do.
    await endRunner(it, dataDir);
  });

  test("a second server on the same folder is refused and told by whom it is held", async () => {
    const it = shared();
    const ended = await serverMain(it, ["--data-dir", it.dataDir, "--port", "0"]);
    assert.equal(ended.code, 1);
    assert.equal(ended.stdout, "");
    const { pid, url } = it.server;
    assert.match(lastWords(ended), /^data_folder_locked: /);
    for (const word of [it.dataDir, `process id ${pid}`, url, "contrail down", "--data-dir"])
      assert.ok(lastWords(ended).includes(word), `${word} in: ${lastWords(ended)}`);
    assert.equal((await it.client.health()).status, "ready");
  });

  test("it listens on loopback, and beyond it only with an explicit flag and a warning", async () => {
    const it = shared();
    const port = Number(new URL(it.server.url).port);
    const others = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, family }) => !internal && family === "IPv4");
    for (const { address } of others)
      assert.equal(await connects(address, port), false, `${address}:${port} is closed`);
    const dataDir = join(it.folder, "f");
    for (const host of ["0.0.0.0", "::", others[0]?.address ?? "192.0.2.1"]) {
      const ended = await serverMain(it, ["--data-dir", dataDir, "--host", host, "--port", "0"]);
      assert.equal(ended.code, 1);
      assert.match(lastWords(ended), /can be reached from other machines.*--allow-remote/);
    }
    for (const [args, said] of [
      [["--port=-1"], /--port is -1; it must be a whole number from 0 to 65535/],
      [["--slots", "0"], /--slots is 0; it must be a whole number from 1 to 4096/],
      [["--nothing"], /Unknown option '--nothing'/],
    ] as const) {
      const ended = await serverMain(it, ["--data-dir", dataDir, ...args]);
      assert.equal(ended.code, 1);
      assert.match(lastWords(ended), said);
    }
    const open = await mkdtemp(join(it.folder, "g-"));
    const warned = await serverMain(it, [
      "--data-dir",
      open,
      "--host",
      "0.0.0.0",
      "--allow-remote",
      "--port",
      "0",
    ]);
    assert.equal(warned.code, 0, warned.log);
    assert.match(warned.log, /"level":40.*listening beyond loopback without TLS/);
    await endRunner(it, open);
  });
});

test("DATABASE_URL: the same on another database, which takes one server at a time", async () => {
  await using database = await withTestDatabase({ migrations: null });
  await using it = await stand({ slots: 2, databaseUrl: database.url });
  assert.equal((await it.client.server()).postgres, "external");
  const code = await it.codeFolder({}, ["curve.ts"]);
  const searcher = { name: "random", max_length: { epochs: 3 }, max_trials: 3 };
  const { id } = await it.submit(curveSearch(searcher), code);
  assert.equal((await it.ended(id)).state, "completed");
  const { rows } = await database.pool.query("select count(*)::int as points from metrics");
  assert.deepEqual(rows, [{ points: 3 * 3 * 2 }]);
  const dataDir = await mkdtemp(join(it.folder, "h-"));
  const second = await serverMain(it, ["--data-dir", dataDir, "--port", "0"]);
  assert.equal(second.code, 1);
  assert.match(lastWords(second), /another Contrail server writes to this database/);
});

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 });
    const end = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}
