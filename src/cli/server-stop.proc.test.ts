/** Stopping a server whose end somebody else has begun: it lives, and answers no more. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Clock } from "../base/clock.ts";
import { realClock } from "../base/real-clock.ts";
import { EXIT } from "./exit-code.ts";
import { stopServer } from "./server-stop.ts";
import { fakeServer } from "./test-host.ts";

/** A process like a server's that answers nothing and ends when its stdin does. */
async function silentServer() {
  const dataDir = mkdtempSync(join(tmpdir(), "contrail-stop-test-"));
  const gone = await fakeServer();
  await gone.close();
  const ends = "process.stdin.on('end', () => process.exit()).resume()";
  const child = spawn(process.execPath, ["-e", ends, "server/main"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = once(child, "exit");
  writeFileSync(join(dataDir, "server.json"), JSON.stringify({ pid: child.pid, url: gone.url }));
  return {
    dataDir,
    end: () => child.stdin.end(),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

const down = (dataDir: string, clock: Clock, onStep: () => void) =>
  stopServer(
    { dataDir, trials: "stop", token: "cu_t", onStep },
    { clock, env: {}, newKey: () => "k" },
  );

test("a server that is ending already is waited for, and is none that this stopped", async () => {
  await using server = await silentServer();
  assert.equal(await down(server.dataDir, realClock, server.end), undefined);
});

test("one that does not answer and does not end runs on", async () => {
  await using server = await silentServer();
  let nowMs = 0;
  const clock: Clock = { ...realClock, monotonicMs: () => (nowMs += 1_000) };
  await assert.rejects(
    down(server.dataDir, clock, () => undefined),
    { code: "unreachable", exitCode: EXIT.unreachable, message: /runs on: it could not be told/ },
  );
});
