/**
 * Starts a runner: the only file here that makes real clocks and reads the command line. The engine
 * starts it detached (see engines/local); it ends on SIGTERM, and by itself never.
 */
import { randomUUID } from "node:crypto";
import { ftruncateSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { realClock as clock } from "../base/real-clock.ts";
import { identify } from "../engines/process-identity.ts";
import { writePrivate } from "../engines/runner-record.ts";
import { TRIAL_ENV } from "../protocol/trial-socket.ts";
import { lockFile } from "../store/file-lock.ts";
import { startGuardian } from "./guardian.ts";
import { NodeMachine } from "./machine.ts";
import { Runner } from "./runner.ts";
import { ServerClient } from "./server-client.ts";
import { openStateFolder } from "./state-folder.ts";

/** Beyond this the log begins again; it tells about the runner only, never about a trial. */
const LOG_MAX_BYTES = 4 * 1024 * 1024;
const EXIT_LOCKED = 3;

let logBytes = 0;
function say(text: string): void {
  const line = `${new Date().toISOString()} ${text}\n`;
  if (logBytes + line.length > LOG_MAX_BYTES) {
    logBytes = 0;
    try {
      ftruncateSync(2, 0); // Works where stderr is the log file; elsewhere somebody else keeps it.
    } catch {}
  }
  logBytes += line.length;
  process.stderr.write(line);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      state: { type: "string" },
      runner: { type: "string" },
      "token-file": { type: "string" },
      "server-file": { type: "string" },
      "repo-root": { type: "string" },
    },
  });
  const need = (name: keyof typeof values): string => {
    const value = values[name];
    if (value === undefined || value === "") throw new Error(`runner: --${name} is missing`);
    return value;
  };
  const path = need("state");
  const runnerId = need("runner");
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const lock = lockFile(join(path, "lock"));
  if (lock === undefined) {
    say(`another runner works in ${path}`);
    process.exit(EXIT_LOCKED);
  }
  const boot = randomUUID();
  const repoRoot = need("repo-root");
  const state = openStateFolder(path, repoRoot);
  const client = new ServerClient({
    ...{ fetch, clock, runnerId },
    serverFile: need("server-file"),
    tokenFile: need("token-file"),
  });
  const guardian = startGuardian(`${TRIAL_ENV.socket}=${state.sockets}/`, clock);
  const machine = new NodeMachine({
    ...{ clock, client, state, guardian, repoRoot },
    environment: process.env,
    nodeBinary: process.execPath,
  });
  const runner = new Runner({ clock, client, machine, boot, say });
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    say(`${signal}: ending all trials`);
    runner.stop().then(
      () => process.exit(0),
      (error: Error) => {
        say(`stopping failed: ${error.stack ?? error.message}`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", () => {});
  await runner.start();
  writePrivate(
    join(path, "runner.json"),
    JSON.stringify({ ...identify(process.pid), runnerId, boot }),
  );
  say(`runner ${runnerId} works in ${path} as process ${process.pid}`);
}

process.on("uncaughtException", (error) => {
  // A fault of ours in one place must not end the training of all the others.
  say(`unexpected: ${error.stack ?? error.message}`);
});
process.on("unhandledRejection", (error) => say(`unexpected: ${(error as Error)?.stack ?? error}`));

main().catch((error: Error) => {
  say(`the runner could not start: ${error.stack ?? error.message}`);
  process.exit(1);
});
