/**
 * Sends what the spools hold, and keeps the leases.
 *
 * Two loops, each with one request in flight: events, which decisions wait for, and logs, which may be
 * many. An event that arrives while nothing is in flight leaves at once; what arrives meanwhile makes
 * the next batch, so batches grow exactly as fast as the server is slow. Every 2 s all allocations
 * are named, with or without events, and those that may still have a process: that renews the lease, and tells a server
 * that had given this runner up what is left here of that time.
 *
 * A batch that the server will never take is halved until the culprit stands alone. It is not
 * dropped: its allocation waits and tries again, the others go on.
 */
import type { Clock } from "../base/clock.ts";
import { logsReply, type SyncReply, syncReply } from "../protocol/runner-wire.ts";
import { logLineOf } from "./log-record.ts";
import { type ServerClient, ServerFailure } from "./server-client.ts";
import type { SpoolStream } from "./spool.ts";
import { type BatchLimits, Lane } from "./uplink-lane.ts";

/** What is used of a stream that is to be heard. */
type Heard = Pick<SpoolStream, "lastSeq" | "ackedSeq" | "peek">;

export interface UplinkSource {
  readonly id: string;
  readonly fence: number;
  readonly events: Heard;
  readonly logs: Heard;
  /** False until the server has said how far it has heard this one; it is asked with every request. */
  readonly counted: boolean;
  /** The server holds all events up to `seq`. */
  eventsAcked(seq: number): void;
  logsAcked(seq: number): void;
  /** The server has no use for this allocation any more. @param known whether it keeps what it was sent */
  disowned(known: boolean): void;
  /** An event that the server will never take; gives what is to be sent in its place, if anything may. */
  substitute(payload: Buffer, failure: Pick<ServerFailure, "kind" | "message">): Buffer | undefined;
}

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
const BATCH_MAX_BYTES = 1024 * 1024;
const LOGS_PER_ALLOCATION_MAX_BYTES = 256 * 1024;
const LOG_LINES_MAX = 20_000;
/** Lines that arrive within this time travel together. */
const LOGS_GATHER_MS = 50;
/** Looks again for logs that the server refused or did not acknowledge. */
const LOGS_AGAIN_MS = 10_000;
const TIMEOUT_MS = 10_000;

interface Part {
  readonly stream: "events" | "logs";
  readonly source: UplinkSource;
  readonly first: number;
  readonly payloads: readonly Buffer[];
}

export class Uplink {
  readonly #options: UplinkOptions;
  readonly #events: Lane;
  readonly #logs: Lane;
  #listedAtMs = Number.NEGATIVE_INFINITY;
  /** By allocation: the record that is sent as something shorter. */
  readonly #substitutes = new Map<string, { readonly seq: number; readonly payload: Buffer }>();

  /** By allocation: the event that was refused alone, and whether a request without it, but of its allocation, was taken since. */
  readonly #suspects = new Map<string, { readonly seq: number; taken: boolean }>();

  constructor(options: UplinkOptions) {
    this.#options = options;
    const { clock, say } = options;
    this.#events = new Lane({
      ...{ name: "events", clock, say, heartbeatMs: HEARTBEAT_MS, gatherMs: 0 },
      work: (limits) => this.#sync(limits),
    });
    this.#logs = new Lane({
      ...{ name: "logs", clock, say, heartbeatMs: LOGS_AGAIN_MS, gatherMs: LOGS_GATHER_MS },
      work: (limits) => this.#ship(limits),
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

  /** Ends both loops; what is in flight is waited for. */
  async stop(): Promise<void> {
    await Promise.all([this.#events.stop(), this.#logs.stop()]);
  }

  /** One request for events. @returns whether there is more to send */
  async #sync(limits: BatchLimits): Promise<boolean> {
    const { client, clock, boot, ordersAfter, replied } = this.#options;
    const lease = this.#options.lease();
    const full = clock.monotonicMs() - this.#listedAtMs >= HEARTBEAT_MS - 50;
    const parts = this.#gather(
      "events",
      limits,
      BATCH_MAX_BYTES,
      Math.min(EVENTS_MAX, limits.records),
    );
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
    for (const source of this.#options.sources()) {
      if (listed.has(source) || (!full && source.counted)) continue;
      body.push(`${listed.size > 0 ? "," : ""}${named(source)}"events":[]}`);
      listed.add(source);
    }
    body.push("]}");
    chunks.push(Buffer.from(body.join("")));
    const path = `/api/v1/runners/${encodeURIComponent(client.runnerId)}/sync`;
    const reply = await this.#send(path, Buffer.concat(chunks), parts, limits, syncReply);
    if (full) this.#listedAtMs = clock.monotonicMs();
    const offered = new Set(parts.map((part) => part.source));
    for (const source of listed) {
      hear(source, reply, offered.has(source));
      this.#tryAgain(source, offered.has(source), limits);
    }
    replied(reply, lease);
    return this.#options
      .sources()
      .some((source) => source.events.lastSeq > source.events.ackedSeq && !limits.skips(source.id));
  }

  /**
   * One request for lines. @returns whether there is more to send at once: not where nothing was acknowledged that
   * had not been before, or the same lines would go out again as fast as they are answered
   */
  async #ship(limits: BatchLimits): Promise<boolean> {
    const { client } = this.#options;
    const parts = this.#gather(
      "logs",
      limits,
      LOGS_PER_ALLOCATION_MAX_BYTES,
      Math.min(LOG_LINES_MAX, limits.records),
    );
    if (parts.length === 0) return false;
    const body = JSON.stringify({
      boot: this.#options.boot,
      allocations: parts.map(({ source, first, payloads }) => ({
        id: source.id,
        fence: source.fence,
        lines: payloads.map((payload, index) => logLineOf(first + index, payload)),
      })),
    });
    const path = `/api/v1/runners/${encodeURIComponent(client.runnerId)}/logs`;
    const reply = await this.#send(path, body, parts, limits, logsReply);
    for (const { source } of parts) source.logsAcked(reply.acked[source.id] ?? 0);
    return parts.some(
      ({ source: { logs }, first }) => logs.ackedSeq >= first && logs.lastSeq > logs.ackedSeq,
    );
  }

  /** Takes from the spools in turn, each time beginning with another one. */
  #gather(
    stream: "events" | "logs",
    limits: BatchLimits,
    eachMaxBytes: number,
    countMax: number,
  ): Part[] {
    const sources = this.#options.sources();
    const start = limits.turn++;
    const parts: Part[] = [];
    let left = BATCH_MAX_BYTES;
    let count = countMax;
    for (
      let i = 0;
      i < sources.length && left > 0 && count > 0 && parts.length < limits.allocations;
      i++
    ) {
      const source = sources[(start + i) % sources.length]!;
      const spool = source[stream];
      if (spool.lastSeq === spool.ackedSeq || limits.skips(source.id)) continue;
      const { first, payloads } = spool.peek(Math.min(left, eachMaxBytes), count);
      if (payloads.length === 0) continue;
      const substitute = stream === "events" ? this.#substitutes.get(source.id) : undefined;
      parts.push({
        ...{ stream, source, first },
        payloads: substitute?.seq === first ? [substitute.payload, ...payloads.slice(1)] : payloads,
      });
      for (const payload of payloads) left -= payload.length;
      count -= payloads.length;
    }
    return parts;
  }

  async #send<T>(
    path: string,
    body: string | Uint8Array,
    parts: readonly Part[],
    limits: BatchLimits,
    schema: { parse(value: unknown): T },
  ): Promise<T> {
    try {
      const reply = schema.parse(
        await this.#options.client.json({ method: "POST", path, body, timeoutMs: TIMEOUT_MS }),
      );
      limits.grow();
      return reply;
    } catch (error) {
      if (
        error instanceof ServerFailure &&
        (error.kind === "too_large" || error.kind === "refused")
      )
        this.#refused(error, parts, limits);
      throw error;
    }
  }

  #refused(error: ServerFailure, parts: readonly Part[], limits: BatchLimits): void {
    const records = parts.reduce((sum, part) => sum + part.payloads.length, 0);
    if (parts.length > 1 || records > 1) {
      limits.shrink(parts.length, records);
      return;
    }
    const [part] = parts;
    if (part === undefined) return;
    const { stream, source, first, payloads } = part;
    this.#options.say(`the server refuses record ${first} of ${source.id}: ${error.message}`);
    if (stream === "events")
      this.#refusedEvent(error, { source, first, payload: payloads[0]! }, limits);
    // Nothing can be said in a line's place.
    else limits.quarantine(source.id);
    limits.reset();
  }

  #refusedEvent(
    error: ServerFailure,
    { source, first, payload }: Pick<Part, "source" | "first"> & { readonly payload: Buffer },
    limits: BatchLimits,
  ): void {
    const suspect = this.#suspects.get(source.id);
    const isKnown = suspect?.seq === first;
    const isToBlame = error.kind === "too_large" || (isKnown && suspect.taken);
    // What was put in its place already will not be taken either.
    const isReplaced = this.#substitutes.get(source.id)?.seq === first;
    const substitute = isReplaced || !isToBlame ? undefined : source.substitute(payload, error);
    if (substitute !== undefined)
      this.#substitutes.set(source.id, { seq: first, payload: substitute });
    else limits.quarantine(source.id);
    if (!isKnown) this.#suspects.set(source.id, { seq: first, taken: false });
  }

  /**
   * After a request that was taken: an event that was refused is sent once more at once. A proxy or a server of another
   * version refuses whatever comes, and what is whole in the spool is not to be given up for that.
   */
  #tryAgain({ id }: UplinkSource, wasOffered: boolean, limits: BatchLimits): void {
    const suspect = this.#suspects.get(id);
    if (suspect === undefined) return;
    if (wasOffered) this.#suspects.delete(id);
    else if (!suspect.taken) {
      suspect.taken = true;
      limits.release(id);
    }
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
