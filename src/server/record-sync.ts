/**
 * Parts of records that runners bring, stored before the turn that acknowledges them: so what is acknowledged is durable,
 * and the decision loop, which has no use for them, carries none of their weight.
 */
import type pg from "pg";
import { calendarTime } from "../base/clock.ts";
import { parseId } from "../base/ids.ts";
import type { SyncRequest } from "../protocol/runner-wire.ts";
import { storeRecord } from "../store/record-store.ts";

export async function storeRecords(
  pool: pg.Pool,
  request: SyncRequest,
  nowMs: number,
): Promise<void> {
  for (const { id, events } of request.allocations) {
    const { experiment, trial, run } = parseId(id) ?? {};
    if (experiment === undefined || trial === undefined || run === undefined) continue;
    for (const event of events) {
      if (event.type !== "record") continue;
      const { source, environment, own, atMs } = event;
      const at = calendarTime(atMs, nowMs);
      await storeRecord(pool, { experiment, trial, run, source, environment, own, at });
    }
  }
}
