/**
 * Reports of more metrics than a report may have, refused before they cost anybody else time.
 *
 * Reading a million values takes this process a second, in which nobody is answered. So a large body is scanned while it
 * arrives, without building anything, and refused at the first metric too many, which is some 200 kB
 * into it. Alternatives refused: a smaller limit for bodies, because the list of files of one checkpoint can be 20 MB long; a
 * thread that reads the whole text, because it takes the second from a machine of two cores all the same.
 */
import { ContrailError } from "../../protocol/errors.ts";
import { REPORT_METRICS_MAX } from "../../protocol/runner-wire.ts";

/** Smaller bodies are read at once: all of it takes some milliseconds. */
export const LARGE_BYTES = 512 * 1024;

export interface HugeReport {
  readonly allocation: string;
  readonly metrics: string;
}

/** @param body of a sync, not validated yet, so it may be anything @returns the first that is too large */
export function findHugeReport(body: unknown): HugeReport | undefined {
  for (const { id, events } of listOf((body as Loose<"allocations">)?.allocations))
    for (const { type, metrics } of listOf(events)) {
      if (type !== "report" || typeof metrics !== "object" || metrics === null) continue;
      const count = Object.keys(metrics).length;
      if (count > REPORT_METRICS_MAX)
        return { allocation: String(id).slice(0, ID_BYTES_MAX), metrics: String(count) };
    }
  return undefined;
}

/** @throws ContrailError too_large */
export function refuseHugeReport(found: HugeReport | undefined): void {
  if (found === undefined) return;
  const { allocation, metrics } = found;
  throw new ContrailError(
    "too_large",
    `a report of ${allocation} has ${metrics} metrics; the limit is ${REPORT_METRICS_MAX}`,
    {
      hint: "Report them in several parts at the same step, and put large tables into a checkpoint.",
    },
  );
}

type Loose<Name extends string> = { readonly [name in Name]?: unknown } | null | undefined;

/** The objects of a list, if it is one. */
const listOf = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];

const ID_BYTES_MAX = 64;
/** `{"allocations":[{"id":…,"events":[{"metrics":{` : how deep each stands. */
const ALLOCATION_DEPTH = 3;
const EVENT_DEPTH = 5;
const METRICS_DEPTH = 6;
const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];
const [OPEN_LIST, CLOSE_LIST, OPEN, CLOSE] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Counts the names in each `metrics` of a sync's text. It trusts nothing and decides nothing but that one refusal: a text
 * that is no JSON, or writes its keys with escapes, goes on to the parser.
 */
export class HugeReportScan {
  #depth = 0;
  #inString = false;
  /** The string broke off behind a backslash. */
  #escaped = false;
  /** The string that was read last, its first bytes, where it may be a key or an id that matters. */
  #text = "";
  /** The last key in an allocation and in an event. */
  #allocationKey = "";
  #eventKey = "";
  #id = "an allocation";
  #names = 0;

  /** @returns the report that is too large, once its limit is passed */
  push(bytes: Buffer): HugeReport | undefined {
    // Strings are most of a text, and a native search jumps to the end of each.
    const strings = new StringEnds(bytes);
    let at = 0;
    while (at < bytes.length) {
      if (this.#inString) {
        at = this.#readString(bytes, at, strings);
        continue;
      }
      const byte = bytes[at++];
      if (byte === QUOTE) {
        this.#inString = true;
        this.#text = "";
      } else if (byte === COLON) {
        if (this.#depth === METRICS_DEPTH && this.#eventKey === "metrics") {
          this.#names += 1;
          if (this.#names > REPORT_METRICS_MAX)
            return { allocation: this.#id, metrics: `more than ${REPORT_METRICS_MAX}` };
        } else if (this.#depth === ALLOCATION_DEPTH) this.#allocationKey = this.#text;
        else if (this.#depth === EVENT_DEPTH) this.#eventKey = this.#text;
      } else if (byte === OPEN || byte === OPEN_LIST) {
        this.#depth += 1;
        if (this.#depth === METRICS_DEPTH) this.#names = 0;
      } else if (byte === CLOSE || byte === CLOSE_LIST) this.#depth -= 1;
    }
    return undefined;
  }

  /** @returns where what is behind the string begins, or the end of the bytes */
  #readString(bytes: Buffer, from: number, strings: StringEnds): number {
    let at = from;
    if (this.#escaped) {
      this.#escaped = false;
      at += 1;
    }
    const end = strings.after(at);
    const isBackslash = bytes[end] === BACKSLASH;
    // With the backslash, so that no key that is written with escapes looks like one that is not.
    this.#keep(bytes, at, isBackslash ? end + 1 : end);
    if (isBackslash) this.#escaped = true;
    else if (bytes[end] === QUOTE) {
      this.#inString = false;
      if (this.#depth === ALLOCATION_DEPTH && this.#allocationKey === "id") {
        this.#id = this.#text;
        this.#allocationKey = "";
      }
    }
    return end + 1;
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    const left = ID_BYTES_MAX - this.#text.length;
    if (left > 0 && (this.#depth === ALLOCATION_DEPTH || this.#depth === EVENT_DEPTH))
      this.#text += bytes.toString("latin1", from, Math.min(to, from + left));
  }
}

/** Where a string ends, or is interrupted by a backslash. Each byte is looked at once for either. */
class StringEnds {
  readonly #bytes: Buffer;
  #backslash = -1;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The first quote or backslash at or after `at`; the number of bytes where there is none. */
  after(at: number): number {
    if (this.#backslash < at) this.#backslash = this.#next(BACKSLASH, at);
    return Math.min(this.#next(QUOTE, at), this.#backslash);
  }

  #next(byte: number, at: number): number {
    const found = this.#bytes.indexOf(byte, at);
    return found < 0 ? this.#bytes.length : found;
  }
}
