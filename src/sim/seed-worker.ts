/** Runs the seeds that it is sent, in a thread of its own. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort } from "node:worker_threads";
import { simulate } from "./simulation.ts";
import { SIZES } from "./sizes.ts";
import { Trace } from "./trace.ts";

// Failures are many here and part of the play; a replay of the one that matters has its stack.
Error.stackTraceLimit = 0;

interface Work {
  readonly seeds: readonly number[];
  readonly size?: keyof typeof SIZES;
}

/** Of runs whose garbage fills most of the room for young objects (`seed-runs.ts`): 10 kB an event. */
const EVENTS_OF_GARBAGE = 2_000;
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (how: { type: "minor" }) => void;
let garbage = 0;

/** Between two runs nothing is left to be copied; in the middle of one, whatever it holds. */
function tidy(events: number): void {
  garbage += events;
  if (garbage < EVENTS_OF_GARBAGE) return;
  garbage = 0;
  collect({ type: "minor" });
}

parentPort?.on("message", ({ seeds, size }: Work) => {
  void (async () => {
    for (const seed of seeds) {
      const outcome = await simulate(seed, new Trace(), size && SIZES[size]);
      parentPort?.postMessage(outcome);
      tidy(outcome.events);
    }
    parentPort?.postMessage(null);
  })();
});
parentPort?.postMessage(null);
