/** The engine of one machine, whose programs are processes, by the contract of node engines. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { realClock } from "../../src/base/real-clock.ts";
import { localEngine } from "../../src/engines/local/local-engine.ts";
import { findProcesses } from "../../src/runner/process-scan.ts";
import { nodeEngineContract } from "./node-engine-contract.ts";

/** Other servers of this machine may have allocations of the same number. */
const MARK = `E2E_MARK=${randomUUID()}`;
const [name = "", value = ""] = MARK.split("=");

const carriesMark = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").includes(MARK);
  } catch {
    return false; // Gone meanwhile.
  }
};

nodeEngineContract("local", () => ({
  engine: localEngine({ clock: realClock, environment: { ...process.env, [name]: value } }),
  launch: {},
  left: async (id) => {
    const marker = `CONTRAIL_ALLOCATION=${id}`;
    return (await findProcesses({ groups: [], marker })).filter(carriesMark).length;
  },
}));
