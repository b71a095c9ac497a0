/** Rules about what a spool is told to forget: it can be read at the server, and it came in an order that can be true. */
import { parseId } from "../base/ids.ts";
import type { SpoolStream } from "../runner/spool.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import type { SimContext } from "./sim-context.ts";

const RULE = "what is acknowledged is durable";
const ORDER_RULE = "a program speaks after it was started";

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
      const stored = rowsOf(ledger, allocation);
      // Numbers of the spool's own count, which the events carry, too.
      for (const [index, payload] of payloads.entries()) {
        const event = { allocation, seq: first + index, payload };
        check(context, { ledger, stored }, event);
        checkOrder(context, event);
      }
    }
    ack(seq);
  };
}

const REPORT = Buffer.from('{"type":"report"');
const EXITED = Buffer.from('{"type":"exited"');
const STARTED = Buffer.from('{"type":"started"');
const WAITING = Buffer.from('{"type":"waiting"');
const begins = (payload: Buffer, text: Buffer): boolean =>
  payload.compare(text, 0, text.length, 0, text.length) === 0;

/** What is stored of an allocation, and of what a person did to its experiment. */
function rowsOf(ledger: MemoryLedger, allocation: string) {
  const id = parseId(allocation);
  const row = id && ledger.allocation(id);
  const trial = id?.trial === undefined ? undefined : ledger.trial(id.experiment, id.trial);
  const marks = id && ledger.table("experiment_marks").get(String(id.experiment));
  return { row, trial, marks };
}

function check(
  context: SimContext,
  { ledger, stored }: { ledger: MemoryLedger; stored: ReturnType<typeof rowsOf> },
  event: { readonly allocation: string; readonly seq: number; readonly payload: Buffer },
): void {
  const { allocation, seq, payload } = event;
  const { row, trial, marks } = stored;
  const broken = (why: string) =>
    context.broken(
      RULE,
      `event ${seq} of ${allocation} (${payload.toString("utf8", 0, 60)}…): ${why}`,
    );
  if (!row || !trial) return broken("no such allocation");
  if (row.acked < seq) return broken(`the ledger has events up to ${row.acked}`);
  // A runner that was out of reach speaks of what a person has deleted for good in the meantime.
  if (marks?.emptied_at != null) return;
  if (begins(payload, REPORT)) {
    const found = ledger.table("reports").get(`${trial.id} ${row.run} ${seq}`);
    const { step } = JSON.parse(payload.toString("utf8")) as { step: number };
    if (found?.step !== step) broken("it is not in the ledger");
  }
  if (begins(payload, EXITED) && row.state !== "ended") broken(`the ledger has it ${row.state}`);
}

function checkOrder(
  context: SimContext,
  { allocation, seq, payload }: { allocation: string; seq: number; payload: Buffer },
): void {
  if (begins(payload, STARTED)) context.saidStarted.add(allocation);
  if (!begins(payload, REPORT) && !begins(payload, WAITING)) return;
  if (!context.saidStarted.has(allocation))
    context.broken(
      ORDER_RULE,
      `event ${seq} of ${allocation} (${payload.toString("utf8", 0, 60)}…) came before it`,
    );
}
