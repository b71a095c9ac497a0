/**
 * Walks the chain of changes from its beginning (or from a place that was verified before) and names the first
 * event that does not fit. Pure but for the hash function: rows come from a database or from an exported file.
 *
 * A row fits when its number follows the one before and its hash is that of the hash before and its own fields.
 * So a changed, missing, added or exchanged row is found at itself or at the next one. What a chain cannot
 * know is how it once ended, or that somebody computed all of it anew; for that there are anchors: places that
 * were noted elsewhere (by a person, or by the server in its memory) and have to be in the chain still.
 */
import { type ChainTip, linkHash } from "./write-batch.ts";

export { CHAIN_START } from "./write-batch.ts";

/** A change as it is stored, every field as exact text: what was tampered with may be no valid number or time. */
export interface ChainRow {
  readonly seq: string;
  /** RFC 3339 in UTC with milliseconds, as it was hashed; with microseconds where somebody put some. */
  readonly at: string;
  readonly actor: string;
  readonly experimentId: number | null;
  readonly subject: string;
  readonly what: string;
  readonly cause: string;
  /** 64 hexadecimal digits in an untouched log. */
  readonly hash: string;
}

export interface Anchor {
  readonly seq: number;
  /** Hexadecimal. */
  readonly hash: string;
  /** Who remembers it. */
  readonly noted: "by the caller" | "by the running server";
}

export interface Misfit {
  readonly kind: "sequence" | "hash" | "anchor" | "truncated";
  /** The place in the chain where it breaks. */
  readonly seq: number;
  readonly expected: string;
  readonly found: string;
  /** The same for people. */
  readonly text: string;
  /** The row that was found at that place, if any. */
  readonly row: ChainRow | null;
}

export class ChainWalk {
  #seq: number;
  #hash: Buffer;
  #checked = 0;
  readonly #anchors: readonly Anchor[];

  /** @param start what is taken as verified; @param anchors those at or after it are checked */
  constructor(start: ChainTip, anchors: readonly Anchor[] = []) {
    this.#seq = start.seq;
    this.#hash = start.hash;
    this.#anchors = anchors;
  }

  /** Where the walk stands: the last row that fits. */
  get last(): ChainTip {
    return { seq: this.#seq, hash: this.#hash };
  }

  get checked(): number {
    return this.#checked;
  }

  /** The anchors at the very place where the walk starts. */
  begin(): Misfit | undefined {
    return this.#atAnchor(null);
  }

  /** @returns what does not fit; the walk is over then */
  take(row: ChainRow): Misfit | undefined {
    const seq = this.#seq + 1;
    if (row.seq !== String(seq)) return outOfSequence(seq, row);
    const hash = linkHash(this.#hash, {
      seq,
      at: row.at,
      actor: row.actor,
      experimentId: row.experimentId,
      subject: row.subject,
      what: row.what,
      cause: row.cause,
    });
    const expected = hash.toString("hex");
    if (row.hash !== expected)
      return {
        kind: "hash",
        seq,
        expected,
        found: row.hash,
        text:
          `event ${seq} carries the hash ${row.hash}, but its fields and the event before it give ${expected}: ` +
          "one of its fields or its hash was changed, or another event was put in its place",
        row,
      };
    this.#seq = seq;
    this.#hash = hash;
    this.#checked += 1;
    return this.#atAnchor(row);
  }

  /** After the last row there is: anchors that were not reached are missing. */
  end(): Misfit | undefined {
    const missing = this.#anchors.find((anchor) => anchor.seq > this.#seq);
    if (!missing) return undefined;
    return {
      kind: "truncated",
      seq: this.#seq + 1,
      expected: `event ${missing.seq} with the hash ${missing.hash} (noted ${missing.noted})`,
      found: `nothing after event ${this.#seq}`,
      text: `the log ends with event ${this.#seq}, but event ${missing.seq} was noted ${missing.noted}: its end was cut off`,
      row: null,
    };
  }

  #atAnchor(row: ChainRow | null): Misfit | undefined {
    const found = this.#hash.toString("hex");
    const anchor = this.#anchors.find((a) => a.seq === this.#seq && a.hash !== found);
    if (!anchor) return undefined;
    return {
      kind: "anchor",
      seq: this.#seq,
      expected: anchor.hash,
      found,
      text:
        `event ${this.#seq} has the hash ${found}, but ${anchor.hash} was noted ${anchor.noted}: ` +
        "the log up to here was written anew, or the note is of another log",
      row,
    };
  }
}

function outOfSequence(seq: number, row: ChainRow): Misfit {
  const found = `event ${row.seq}`;
  const missing = /^[0-9]+$/.test(row.seq) && Number(row.seq) > seq;
  return {
    kind: "sequence",
    seq,
    expected: `event ${seq}`,
    found,
    text: missing
      ? `event ${seq} is missing: the next one there is has the number ${row.seq}`
      : `where event ${seq} should be there is one with the number ${row.seq}`,
    row,
  };
}

const MICROSECONDS_IN_A_MILLISECOND = 1000n;
/** The times that a Date can hold. */
const DATE_MS_MAX = 8_640_000_000_000_000n;

/** @param microseconds since 1970 as the database has them; null where the time is not finite */
export function exactTime(microseconds: string | null): string {
  if (microseconds === null) return "not a finite time";
  const us = BigInt(microseconds);
  const rest =
    ((us % MICROSECONDS_IN_A_MILLISECOND) + MICROSECONDS_IN_A_MILLISECOND) %
    MICROSECONDS_IN_A_MILLISECOND;
  const ms = (us - rest) / MICROSECONDS_IN_A_MILLISECOND;
  if (ms > DATE_MS_MAX || ms < -DATE_MS_MAX) return `${microseconds} microseconds since 1970`;
  const text = new Date(Number(ms)).toISOString();
  return rest === 0n ? text : text.replace("Z", `${String(rest).padStart(3, "0")}Z`);
}
