/**
 * Sends what the spools hold, and keeps the leases.
 *
 * Two streams: events, which decisions wait for, and logs, which may be many. Of each one request is in flight, and up to
 * two more for whoever would hold up the others (`uplink-stream.ts`). An event that arrives while nothing is in flight leaves
 * at once; what arrives meanwhile makes the next batch, so batches grow exactly as fast as the server is slow. Every 2 s
 * all allocations are named, with or without events, and those that may still have a process: that renews the lease, and
 * tells a server that had given this runner up what is left here of that time.
 */
import type { Clock } from "../base/clock.ts";
import { logsReply, type SyncReply, syncReply } from "../protocol/runner-wire.ts";
import { logLineOf, refusedLine } from "./log-record.ts";
import { type AnswerForm, answerOf, type ServerClient, ServerFailure } from "./server-client.ts";
import {
  BATCH_MAX_BYTES,
  type How,
  type Part,
  REFUSALS,
  type UplinkSource,
  UplinkStream,
} from "./uplink-stream.ts";

export interface UplinkOptions {
  readonly client: Pick<ServerClient, "json" | "runnerId">;
  readonly clock: Clock;
  readonly boot: string;
  readonly sources: () => readonly UplinkSource[];
  readonly ordersAfter: () => number;
  /** The highest lease that was heard of. */
  readonly lease: () => number;
  /** Allocations of which a process may live. */
  readonly holds: () => readonly string[];
  /** @param askedUnder the lease that the request named */
  readonly replied: (reply: SyncReply, askedUnder: number) => void;
  /** For the runner's own log: trouble, and its end. */
  readonly say: (text: string) => void;
}

const HEARTBEAT_MS = 2_000;
const EVENTS_MAX = 5_000;
const LOGS_PER_ALLOCATION_MAX_BYTES = 256 * 1024;
const LOG_LINES_MAX = 20_000;
/** Lines that arrive within this time travel together. */
const LOGS_GATHER_MS = 50;
/** Looks again for logs that the server did not acknowledge. */
const LOGS_AGAIN_MS = 10_000;
const TIMEOUT_MS = 10_000;
/** Slowest line, or server, that a long body is allowed. */
const MIN_BYTES_PER_MS = 100;

export class Uplink {
  readonly #options: UplinkOptions;
  readonly #events: UplinkStream;
  readonly #logs: UplinkStream;
  #listedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: UplinkOptions) {
    this.#options = options;
    const { clock, say, sources } = options;
    this.#events = new UplinkStream({
      ...{ name: "events", clock, say, sources, heartbeatMs: HEARTBEAT_MS, gatherMs: 0 },
      ...{ eachMaxBytes: BATCH_MAX_BYTES, countMax: EVENTS_MAX, speaksEmpty: true },
      send: (parts, how) => this.#sync(parts, how),
      substitute: (source, payload, refusal) => source.substitute(payload, refusal),
    });
    this.#logs = new UplinkStream({
      ...{ name: "logs", clock, say, sources },
      ...{ heartbeatMs: LOGS_AGAIN_MS, gatherMs: LOGS_GATHER_MS, speaksEmpty: false },
      ...{ eachMaxBytes: LOGS_PER_ALLOCATION_MAX_BYTES, countMax: LOG_LINES_MAX },
      send: (parts, how) => this.#ship(parts, how),
      substitute: (_source, payload, { message }) => refusedLine(payload, message),
    });
  }

  start(): void {
    this.#events.start();
    this.#logs.start();
  }

  eventsReady(): void {
    this.#events.wake();
  }

  logsReady(): void {
    this.#logs.wake();
  }

  /** Ends all loops; what is in flight is waited for. */
  async stop(): Promise<void> {
    await Promise.all([this.#events.stop(), this.#logs.stop()]);
  }

  /** One request for events. */
  async #sync(parts: readonly Part[], { apart, patience }: How): Promise<void> {
    const { clock, boot, ordersAfter, replied } = this.#options;
    const lease = this.#options.lease();
    const full = !apart && clock.monotonicMs() - this.#listedAtMs >= HEARTBEAT_MS - 50;
    const holds = full ? `,"holds":${JSON.stringify(this.#options.holds())}` : "";
    const head = `"boot":${JSON.stringify(boot)},"ordersAfter":${ordersAfter()},"lease":${lease}`;
    const body = [`{${head}${holds},"allocations":[`];
    const chunks: Buffer[] = [];
    const listed = new Set(parts.map((part) => part.source));
    for (const part of parts) {
      body.push(
        `${body.length > 1 || chunks.length > 0 ? "," : ""}${named(part.source)}"events":[`,
      );
      chunks.push(Buffer.from(body.splice(0).join("")));
      part.payloads.forEach((payload, index) => {
        if (index > 0) chunks.push(COMMA);
        chunks.push(payload);
      });
      body.push("]}");
    }
    for (const source of apart ? [] : this.#options.sources()) {
      if (listed.has(source) || (!full && source.counted)) continue;
      body.push(`${listed.size > 0 ? "," : ""}${named(source)}"events":[]}`);
      listed.add(source);
    }
    body.push("]}");
    chunks.push(Buffer.from(body.join("")));
    let reply: SyncReply;
    try {
      reply = await this.#post("sync", Buffer.concat(chunks), patience, syncReply);
    } catch (error) {
      // It may be refused for who is only listed: the next goes without.
      const refused = error instanceof ServerFailure && REFUSALS.has(error.kind);
      if (full && refused) this.#listedAtMs = clock.monotonicMs();
      throw error;
    }
    if (full) this.#listedAtMs = clock.monotonicMs();
    const offered = new Set(
      parts.filter(({ payloads }) => payloads.length > 0).map((part) => part.source),
    );
    for (const source of listed) hear(source, reply, offered.has(source));
    replied(reply, lease);
  }

  /** One request for lines. */
  async #ship(parts: readonly Part[], { patience }: How): Promise<void> {
    const body = JSON.stringify({
      boot: this.#options.boot,
      allocations: parts.map(({ source, first, payloads }) => ({
        id: source.id,
        fence: source.fence,
        lines: payloads.map((payload, index) => logLineOf(first + index, payload)),
      })),
    });
    const reply = await this.#post("logs", Buffer.from(body), patience, logsReply);
    for (const { source } of parts) source.logsAcked(reply.acked[source.id] ?? 0);
  }

  async #post<T>(name: string, body: Buffer, patience: number, form: AnswerForm<T>): Promise<T> {
    const { client } = this.#options;
    const path = `/api/v1/runners/${encodeURIComponent(client.runnerId)}/${name}`;
    const timeoutMs = Math.round(TIMEOUT_MS + body.length / MIN_BYTES_PER_MS) * patience;
    return answerOf(form, await client.json({ method: "POST", path, body, timeoutMs }), path);
  }
}

/** @param offered whether the request carried events of this source */
function hear(source: UplinkSource, reply: SyncReply, offered: boolean): void {
  const acked = reply.acked[source.id];
  const gone = reply.gone.includes(source.id);
  const empty = source.events.lastSeq === source.events.ackedSeq;
  if (acked !== undefined) source.eventsAcked(acked);
  // Asked, and no number came back: the server has heard nothing of it that we do not know ourselves.
  else if (!gone && !source.counted && (offered || empty))
    source.eventsAcked(source.events.ackedSeq);
  // The rest is of no use only where something was offered and nothing of it taken.
  const useless = acked === undefined && (offered || (!source.counted && empty));
  if (gone) source.disowned(!useless);
}

const COMMA = Buffer.from(",");
const named = (source: UplinkSource): string =>
  `{"id":${JSON.stringify(source.id)},"fence":${source.fence},`;
