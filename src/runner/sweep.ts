/**
 * Makes sure that nothing of an allocation is left: what outlived the ranks gets SIGTERM, a grace,
 * then SIGKILL, again and again until it is gone. Slots are given back by this fact alone, so a
 * process that not even SIGKILL ends (it hangs in a driver) keeps its slot for as long as it lives.
 */
import type { Clock } from "../base/clock.ts";
import { sleep } from "../base/clock.ts";
import { findProcesses, type ScanFor, signalPid } from "./process-scan.ts";

/** Children of a rank that just ended usually follow by themselves. */
const FOLLOW_MS = 50;
const LOOK_MAX_MS = 1_000;

export interface SweepOptions extends ScanFor {
  readonly clock: Clock;
  /** Between SIGTERM and SIGKILL; 0 goes to SIGKILL at once. */
  readonly graceMs: number;
}

/** @returns how many processes had to be signalled */
export async function sweep(options: SweepOptions): Promise<number> {
  const { clock, graceMs } = options;
  const signalled = new Set<number>();
  let left = await look(options);
  if (left.length > 0 && graceMs > 0) {
    await sleep(clock, FOLLOW_MS);
    left = await look(options);
  }
  const since = clock.monotonicMs();
  let waitMs = 10;
  while (left.length > 0) {
    const name = clock.monotonicMs() - since >= graceMs ? "SIGKILL" : "SIGTERM";
    for (const pid of left) {
      // SIGTERM once: some programs take the second one as an order to stop cleaning up.
      if (name === "SIGKILL" || !signalled.has(pid)) signalPid(pid, name);
      signalled.add(pid);
    }
    const untilKill = name === "SIGTERM" ? since + graceMs - clock.monotonicMs() : LOOK_MAX_MS;
    await sleep(clock, Math.max(1, Math.min(waitMs, untilKill)));
    waitMs = Math.min(waitMs * 2, LOOK_MAX_MS);
    left = await look(options);
  }
  return signalled.size;
}

/** Whom we cannot look for, out of files or memory, is not gone for that: until somebody can say, the slots stay taken. */
async function look(options: SweepOptions): Promise<number[]> {
  for (;;) {
    try {
      return await findProcesses(options);
    } catch {
      await sleep(options.clock, LOOK_MAX_MS);
    }
  }
}
