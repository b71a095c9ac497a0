/**
 * One of the two streams of all allocations on its way to the server: who travels with whom.
 *
 * As a rule all that waits travels together. Something in a request may be what the server does not take, or cannot take
 * in time. So after a request that failed, each allocation of it travels once by itself, and one that fails by itself goes
 * apart: it has a request of its own beside those of the others, which go on. There its requests get smaller
 * until the culprit stands alone, and larger again; once all of it was taken, it travels with the others again. One that
 * was not answered in time is waited for longer and longer: there, too, it holds up only others like it.
 *
 * A culprit is not dropped but tried again, less and less often. Only where the server has said twice or for longer that it will never
 * take it, and between that took a request which names its allocation without it, something shorter is sent in its
 * place: a proxy or a server of another version refuses whatever comes, and what is whole in the spool is not to be
 * given up for that.
 */
import type { Clock } from "../base/clock.ts";
import { ServerFailure, type ServerFailureKind } from "./server-client.ts";
import type { SpoolStream } from "./spool.ts";
import { Lane } from "./uplink-lane.ts";

/** What is used of a stream that is to be heard. */
type Heard = Pick<SpoolStream, "lastSeq" | "ackedSeq" | "peek">;

/** What the server says to one record, again and again. */
export interface Refusal {
  readonly message: string;
  /** Since it said so first. */
  readonly forMs: number;
}

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
  /** An event that the server will never take; gives what is to be sent in its place, if anything may by now. */
  substitute(payload: Buffer, refusal: Refusal): Buffer | undefined;
}

/** What a request carries of one allocation. */
export interface Part {
  readonly source: UplinkSource;
  readonly first: number;
  /** None where the allocation is only named. */
  readonly payloads: readonly Buffer[];
  /** The last that there was when they were read. */
  readonly lastSeq: number;
}

export interface How {
  readonly apart: boolean;
  /** How many times longer than usual an answer may take. */
  readonly patience: number;
}

export interface UplinkStreamOptions {
  readonly name: "events" | "logs";
  readonly clock: Clock;
  readonly say: (text: string) => void;
  readonly sources: () => readonly UplinkSource[];
  /** Longest time between two looks. */
  readonly heartbeatMs: number;
  readonly gatherMs: number;
  readonly eachMaxBytes: number;
  readonly countMax: number;
  /** Whether there is something to say without any record, too. */
  readonly speaksEmpty: boolean;
  /** One request, and what follows from its answer. @throws ServerFailure */
  readonly send: (parts: readonly Part[], how: How) => Promise<void>;
  /** What is sent in place of something that the server will never take. */
  readonly substitute: (
    source: UplinkSource,
    payload: Buffer,
    refusal: Refusal,
  ) => Buffer | undefined;
}

export const BATCH_MAX_BYTES = 1024 * 1024;
const PATIENCE_MAX = 4;

/** An allocation that travels by itself. */
interface Loner {
  /** In one request, at most. */
  records: number;
  patience: number;
  failed: boolean;
  culprit?: Culprit;
  /** In the runner's log. */
  said?: string;
}

/** What was not taken when it stood alone. */
interface Culprit {
  readonly seq: number;
  /** Since when the server says that it never will; null = it does not say so. */
  readonly refusedMs: number | null;
  readonly substitute: Buffer | undefined;
}

export class UplinkStream {
  readonly #options: UplinkStreamOptions;
  readonly #together: Lane;
  readonly #apart: Lane;
  readonly #slow: Lane;
  /** Which source comes first; moves on, so that none waits for ever behind the others. */
  #turn = 0;
  #failed = false;
  /** Travelled together and were not taken: each travels by itself once. */
  readonly #doubted = new Set<string>();
  readonly #loners = new Map<string, Loner>();

  constructor(options: UplinkStreamOptions) {
    this.#options = options;
    const { name, clock, heartbeatMs, gatherMs, say } = options;
    this.#together = new Lane({
      ...{ name, clock, heartbeatMs, gatherMs, say },
      work: () => this.#sendTogether(),
    });
    // What is wrong is said of each culprit.
    const apart = { name, clock, heartbeatMs, gatherMs: 0, say: () => {} };
    this.#apart = new Lane({ ...apart, work: () => this.#sendApart({ slow: false }) });
    this.#slow = new Lane({ ...apart, work: () => this.#sendApart({ slow: true }) });
  }

  start(): void {
    this.#together.start();
    this.#apart.start();
    this.#slow.start();
  }

  wake(): void {
    const hasLoners = this.#loners.size > 0;
    // Or each record of a loner would send the others off with nothing to say.
    if (!hasLoners || this.#haveNews()) this.#together.wake();
    if (hasLoners) this.#wakeApart();
  }

  #wakeApart(): void {
    this.#apart.wake();
    this.#slow.wake();
  }

  #haveNews(): boolean {
    return this.#options
      .sources()
      .some((source) => !source.counted || (this.#waits(source) && !this.#loners.has(source.id)));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#together, this.#apart, this.#slow].map((lane) => lane.stop()));
  }

  /** @returns whether there is more to send at once: not where nothing moved on, or it would go out as fast as it is answered */
  async #sendTogether(): Promise<boolean | null> {
    const parts = this.#gather();
    if (parts.length === 0 && !this.#options.speaksEmpty)
      return this.#loners.size > 0 ? null : false;
    try {
      await this.#options.send(parts, { apart: false, patience: 1 });
    } catch (error) {
      if (this.#narrow(parts, error)) return true;
      throw error;
    }
    this.#failed = false;
    for (const { source } of parts) this.#doubted.delete(source.id);
    if (this.#doubted.size === 0 && !parts.some((part) => this.#movedOn(part))) return false;
    return this.#options
      .sources()
      .some((source) => this.#waits(source) && !this.#loners.has(source.id));
  }

  /** @returns whether to go on at once, with less */
  #narrow(parts: readonly Part[], error: unknown): boolean {
    const kind = kindOf(error);
    if (kind === null || FOR_ALL.has(kind)) return false;
    const isFirst = !this.#failed;
    this.#failed = true;
    const [part] = parts;
    if (part === undefined || (PASSING.has(kind) && isFirst)) return false;
    if (parts.length > 1) for (const { source } of parts) this.#doubted.add(source.id);
    else this.#setApart(part, { failed: true });
    return REFUSALS.has(kind);
  }

  #setApart({ source: { id }, payloads }: Part, { failed }: { readonly failed: boolean }): void {
    const records = failed ? half(payloads.length) : Number.POSITIVE_INFINITY;
    this.#doubted.delete(id);
    this.#loners.set(id, { records, patience: 1, failed });
    this.#wakeApart();
  }

  /** Takes from the spools in turn, each time beginning with another one. */
  #gather(): Part[] {
    const { eachMaxBytes, countMax } = this.#options;
    const sources = this.#options.sources();
    const start = this.#turn++ % Math.max(1, sources.length);
    const inTurn = [...sources.slice(start), ...sources.slice(0, start)].filter(
      (source) => this.#waits(source) && !this.#loners.has(source.id),
    );
    const doubted = inTurn.find(({ id }) => this.#doubted.has(id));
    if (doubted === undefined) this.#doubted.clear();
    const parts: Part[] = [];
    let left = BATCH_MAX_BYTES;
    let count = countMax;
    for (const source of doubted === undefined ? inTurn : [doubted]) {
      if (left <= 0 || count <= 0) break;
      const part = this.#read(source, Math.min(left, eachMaxBytes), count);
      if (part === null) continue;
      // Others would wait for it, and the server hear nothing of this runner.
      if (part.payloads[0]!.length > BATCH_MAX_BYTES) {
        this.#setApart(part, { failed: false });
        continue;
      }
      parts.push(part);
      for (const payload of part.payloads) left -= payload.length;
      count -= part.payloads.length;
    }
    return parts;
  }

  async #sendApart(lane: { readonly slow: boolean }): Promise<boolean> {
    const next = this.#nextLoner(lane);
    if (next === undefined) return false;
    const { source, loner } = next;
    const { send } = this.#options;
    if (loner.failed) {
      // Whoever does not take this takes nothing, and the record is not to blame.
      const { ackedSeq: lastSeq } = this.#spoolOf(source);
      await send([{ source, first: lastSeq + 1, payloads: [], lastSeq }], APART).catch((error) => {
        if (REFUSALS.has(error.kind))
          this.#tell(loner, `the server takes nothing of ${source.id}`, error);
        throw error;
      });
    }
    if (!this.#waits(source)) return true;
    const part = this.#read(
      source,
      BATCH_MAX_BYTES,
      Math.min(loner.records, this.#options.countMax),
    );
    if (part === null) return false;
    try {
      await send([part], { apart: true, patience: loner.patience });
    } catch (error) {
      if (this.#failsApart(loner, part, error)) return true;
      throw error;
    }
    Object.assign(loner, { records: loner.records * 2, patience: 1, failed: false });
    if (lane.slow) this.#apart.wake();
    const { ackedSeq } = this.#spoolOf(source);
    if (ackedSeq >= part.lastSeq) this.#rejoin(source.id, loner);
    return this.#movedOn(part);
  }

  /** The one that was not served for longest; those that have nothing to say any more travel with the others. */
  #nextLoner(lane: {
    readonly slow: boolean;
  }): { readonly source: UplinkSource; readonly loner: Loner } | undefined {
    const sources = new Map(this.#options.sources().map((source) => [source.id, source]));
    for (const [id, loner] of [...this.#loners]) {
      // The other lane's, which may be sending it now.
      if (loner.patience > 1 !== lane.slow) continue;
      const source = sources.get(id);
      this.#loners.delete(id);
      if (source !== undefined && this.#waits(source)) {
        this.#loners.set(id, loner);
        return { source, loner };
      }
      this.#rejoin(id, loner);
    }
    return undefined;
  }

  #rejoin(id: string, loner: Loner): void {
    this.#loners.delete(id);
    if (loner.said !== undefined) this.#options.say(`${this.#options.name} of ${id} go on`);
    this.#together.wake();
  }

  /** @returns whether to go on at once, with less */
  #failsApart(loner: Loner, { source, first, payloads }: Part, error: unknown): boolean {
    const kind = kindOf(error);
    if (kind === null || FOR_ALL.has(kind)) return false;
    const failure = error as ServerFailure;
    loner.failed = true;
    if (kind === "unanswered") {
      loner.patience = Math.min(loner.patience * 2, PATIENCE_MAX);
      this.#slow.wake();
    }
    if (payloads.length > 1) {
      loner.records = half(payloads.length);
      return REFUSALS.has(kind);
    }
    const before = loner.culprit?.seq === first ? loner.culprit : undefined;
    const refused = NEVER.has(kind);
    const does = refused ? "refuses" : "does not take";
    const what = `the server ${does} record ${first} of the ${this.#options.name} of ${source.id}`;
    if (before !== undefined) this.#tell(loner, what, failure);
    const nowMs = this.#options.clock.monotonicMs();
    const sinceMs = before?.refusedMs ?? null;
    const isToBlame = refused && sinceMs !== null && before?.substitute === undefined;
    const substitute = isToBlame
      ? this.#options.substitute(source, payloads[0]!, {
          message: failure.message,
          forMs: nowMs - sinceMs,
        })
      : before?.substitute;
    // A proxy that refuses what is too large may break off before its word arrives.
    const refusedMs = refused ? (sinceMs ?? nowMs) : kind === "broken" ? sinceMs : null;
    loner.culprit = { seq: first, refusedMs, substitute };
    return isToBlame && substitute !== undefined;
  }

  #tell(loner: Loner, what: string, { message }: Error): void {
    if (loner.said !== what) this.#options.say(`${what}, the others go on: ${message}`);
    loner.said = what;
  }

  #spoolOf(source: UplinkSource): UplinkSource["events"] {
    return source[this.#options.name];
  }

  #waits(source: UplinkSource): boolean {
    const { lastSeq, ackedSeq } = this.#spoolOf(source);
    return lastSeq > ackedSeq;
  }

  #movedOn({ source, first }: Part): boolean {
    return this.#spoolOf(source).ackedSeq >= first;
  }

  #read(source: UplinkSource, maxBytes: number, maxCount: number): Part | null {
    const { lastSeq } = this.#spoolOf(source);
    const { first, payloads } = this.#spoolOf(source).peek(maxBytes, maxCount);
    if (payloads.length === 0) return null;
    const culprit = this.#loners.get(source.id)?.culprit;
    const inPlace = culprit?.seq === first ? culprit.substitute : undefined;
    return {
      ...{ source, first, lastSeq },
      payloads: inPlace === undefined ? payloads : [inPlace, ...payloads.slice(1)],
    };
  }
}

const APART: How = { apart: true, patience: 1 };
/** Nothing that a request carries is the reason. */
const FOR_ALL: ReadonlySet<ServerFailureKind> = new Set(["unreachable", "unauthorized"]);
/** Once may be by chance: a commit that failed, a server that starts, or one that ends. */
const PASSING: ReadonlySet<ServerFailureKind> = new Set(["busy", "missing", "broken"]);
const NEVER: ReadonlySet<ServerFailureKind> = new Set(["too_large", "refused"]);
/** Waiting would not make it more welcome. */
export const REFUSALS: ReadonlySet<ServerFailureKind> = new Set([...NEVER, "forbidden"]);

const kindOf = (error: unknown): ServerFailureKind | null =>
  error instanceof ServerFailure ? error.kind : null;

const half = (count: number): number => Math.max(1, Math.floor(count / 2));
