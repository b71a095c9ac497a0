/** The rule about acknowledgements: whatever a spool is told to forget can be read at the server. */
import { parseId } from "../base/ids.ts";
import type { RunnerEvent } from "../protocol/runner-wire.ts";
import type { SpoolStream } from "../runner/spool.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import type { SimContext } from "./sim-context.ts";

const RULE = "what is acknowledged is durable";

/** Looks over the shoulder of a spool of events. */
export function watchSpool(
  context: SimContext,
  ledger: MemoryLedger,
  of: { readonly allocation: string; readonly spool: SpoolStream },
): void {
  const { allocation, spool } = of;
  const ack = spool.ack.bind(spool);
  spool.ack = (seq) => {
    const count = Math.min(seq, spool.lastSeq) - spool.ackedSeq;
    if (count > 0) {
      const { first, payloads } = spool.peek(Number.MAX_SAFE_INTEGER, count);
      for (const [index, payload] of payloads.entries())
        check(context, ledger, allocation, {
          ...(JSON.parse(payload.toString("utf8")) as RunnerEvent),
          seq: first + index,
        });
    }
    ack(seq);
  };
}

function check(
  context: SimContext,
  ledger: MemoryLedger,
  allocation: string,
  event: RunnerEvent,
): void {
  const id = parseId(allocation);
  const row = id && ledger.allocation(id);
  const trial = id?.trial === undefined ? undefined : ledger.trial(id.experiment, id.trial);
  const what = `${event.type} ${event.seq} of ${allocation}`;
  if (!row || !trial) return context.broken(RULE, `${what}: no such allocation`);
  if (row.acked < event.seq)
    return context.broken(RULE, `${what}: the ledger has events up to ${row.acked}`);
  if (event.type === "report") {
    const found = ledger.table("reports").get(`${trial.id} ${row.run} ${event.seq}`);
    if (found?.step !== event.step) context.broken(RULE, `${what}: not in the ledger`);
  }
  if (event.type === "exited" && row.state !== "ended")
    context.broken(RULE, `${what}: the ledger has it ${row.state}`);
}
