/** Runs the seeds that it is sent, in a thread of its own. */
import { parentPort } from "node:worker_threads";
import { simulate } from "./simulation.ts";

// Failures are many here and part of the play; a replay of the one that matters has its stack.
Error.stackTraceLimit = 0;

parentPort?.on("message", (seeds: readonly number[]) => {
  void (async () => {
    for (const seed of seeds) parentPort?.postMessage(await simulate(seed));
    parentPort?.postMessage(null);
  })();
});
