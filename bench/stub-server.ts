/**
 * The real server as a process, on an engine that starts nothing: its runner is whoever asks for the token,
 * which here is the benchmark itself. So everything between the wire and the disk is what users run,
 * and as many slots as one likes cost nothing.
 *
 * `node bench/stub-server.ts DATA_DIR SLOTS [RESTORABLE_MS]`; DATABASE_URL as ever; says one line of JSON when it is ready, ends with
 * its stdin.
 */
import { once } from "node:events";
import pino from "pino";
import { realClock } from "../src/base/real-clock.ts";
import type { Engine } from "../src/engines/engine.ts";
import { startServer } from "../src/server/server.ts";

const [dataDir, slots, restorableMs] = process.argv.slice(2);
if (dataDir === undefined || slots === undefined)
  throw new Error("stub-server DATA_DIR SLOTS [RESTORABLE_MS]");

export interface StubReady {
  readonly url: string;
  readonly runnerToken: string;
  readonly oneTimeToken: string;
}

let runnerToken = "";
const engine: Engine = {
  name: "stub",
  capacity: async () => ({
    node: "bench",
    slots: Array.from({ length: Number(slots) }, (_, index) => ({
      id: `cpu:${index}`,
      kind: "cpu" as const,
      name: "stub",
      memoryBytes: null,
      device: null,
    })),
    reason: "as many as the benchmark asked for",
  }),
  async ensureRunner(spec) {
    runnerToken = spec.token;
    return { pid: process.pid, boot: "stub", adopted: true };
  },
  observe: () => ({ state: "alive", pid: process.pid, boot: "stub" }),
  stopRunner: async () => undefined,
};

const ended = once(process.stdin.resume(), "end");
const server = await startServer({
  dataDir,
  host: "127.0.0.1",
  port: 0,
  databaseUrl: process.env.DATABASE_URL || undefined,
  clock: realClock,
  log: pino({ level: "error" }, pino.destination({ dest: 2, sync: true })),
  pools: [{ name: "default", engine }],
  version: "bench",
  user: "bench",
  ...(restorableMs === undefined ? {} : { restorableMs: Number(restorableMs) }),
  onStopWanted: (_trials, why) => {
    process.stderr.write(`the server wants to stop: ${why}\n`);
    process.exit(1);
  },
});
const ready: StubReady = { url: server.url, runnerToken, oneTimeToken: server.oneTimeToken };
process.stdout.write(`${JSON.stringify(ready)}\n`);
await ended;
await server.stop("keep");
process.exit(0);
