/**
 * A server in a process of its own that can be killed, over a given database and folder, without a runner: the test
 * speaks for that. Prints its address, the runner's token and a one-time token.
 */
import pino from "pino";
import { realClock } from "../../base/real-clock.ts";
import { idleEngine } from "../http/test-server.ts";
import { startServer } from "../server.ts";

const [dataDir = "", databaseUrl = ""] = process.argv.slice(2);
let runnerToken = "";
const server = await startServer({
  ...{ dataDir, databaseUrl, clock: realClock, host: "127.0.0.1", port: 0 },
  ...{ version: "0.0.0", user: "ada", log: pino({ level: "error" }, pino.destination(2)) },
  pools: [
    {
      name: "default",
      engine: idleEngine(2, (token) => {
        runnerToken = token;
      }),
    },
  ],
  onStopWanted: () => undefined,
});
const { url, oneTimeToken } = server;
process.stdout.write(`${JSON.stringify({ url, runnerToken, oneTimeToken })}\n`);
