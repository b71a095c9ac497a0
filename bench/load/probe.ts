/**
 * Looks into a Node process from inside: loaded ahead of a server or a runner (`NODE_OPTIONS=--import …`), it
 * writes once in a while what is left after a full collection of garbage, and what kinds of handle are open.
 * From outside nobody can tell a leak from a heap that has not been swept lately, and timers are not seen at all.
 *
 * One JSON object a line, in the folder BENCH_PROBE_FOLDER, under the process's number.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export interface Inside {
  readonly nowMs: number;
  /** argv[1]: which program this is. */
  readonly program: string;
  /** After a full collection: objects, and memory outside the heap that they hold. */
  readonly heapBytes: number;
  readonly externalBytes: number;
  /** Handles that keep the process alive, by kind: Timeout, TCPSocketWrap, … */
  readonly handles: Readonly<Record<string, number>>;
}

const folder = process.env.BENCH_PROBE_FOLDER;
if (folder !== undefined) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const everyMs = Number(process.env.BENCH_PROBE_EVERY_MS ?? 30_000);
  setInterval(() => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    const handles: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) handles[kind] = (handles[kind] ?? 0) + 1;
    const inside: Inside = {
      nowMs: Date.now(),
      program: process.argv[1] ?? "",
      heapBytes: heapUsed,
      externalBytes: external,
      handles,
    };
    appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(inside)}\n`);
  }, everyMs).unref();
}
