/**
 * Loaded before the server's own program, in tests alone: at SIGUSR2 it collects garbage and writes down in the file
 * that FAULTS_MEMORY names how many bytes are held. What a process has of the system (RSS) also counts what nobody
 * holds any more, and differs by tens of megabytes from one look to the next.
 */
import { renameSync, writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const file = process.env.FAULTS_MEMORY ?? "";

process.on("SIGUSR2", () => {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${file}.next`, String(heapUsed + external));
  renameSync(`${file}.next`, file);
});
