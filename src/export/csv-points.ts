/**
 * Points as CSV (RFC 4180): a line of names, then a line a point. `float()` of Python reads every value as it was.
 *
 * Written digit by digit into bytes. Text that is put together and encoded afterwards took five times as long, and most
 * of the whole export.
 */
import { POINT_COLUMNS, type PointBatch, type PointEncoder, wholeAt } from "./point-batch.ts";

export function csvPoints(): PointEncoder {
  const lines = new Lines();
  return {
    begin: () => Buffer.from(`${POINT_COLUMNS.join(",")}\n`),
    batch(points) {
      for (let i = 0; i < points.length; i++) {
        lines.reserve(points.name[i] as string);
        writeLine(lines, points, i);
      }
      return lines.take();
    },
    end: () => new Uint8Array(),
  };
}

function writeLine(to: Lines, points: PointBatch, i: number): void {
  to.whole(points.experiment[i] as number);
  to.comma();
  to.whole(points.trial[i] as number);
  to.comma();
  to.whole(points.run[i] as number);
  to.comma();
  to.whole(wholeAt(points.seqHalves, i));
  to.comma();
  to.whole(wholeAt(points.stepHalves, i));
  to.comma();
  to.time(wholeAt(points.timeHalves, i));
  to.comma();
  to.name();
  to.comma();
  to.number(points.value[i] as number);
  to.ascii(points.superseded[i] === 1 ? ",true\n" : ",false\n");
}

/** More than a line has without its name: three numbers of 32 bits, two of 64, a time and a value. */
const LINE_BYTES = 256;
const DAY_MS = 86_400_000;
const COMMA = 0x2c;
const ZERO = 0x30;

/** A piece of memory that lines are written into, again and again; each writing expects that there is room. */
class Lines {
  #bytes = Buffer.allocUnsafe(1024 * 1024);
  #at = 0;
  #name = "";
  #nameBytes: Uint8Array = new Uint8Array();
  #day = Number.NaN;
  /** The date, up to the T. */
  #date = "";

  /** Makes room for a line, whose name is remembered: most follow one of the same. */
  reserve(name: string): void {
    if (name !== this.#name) {
      this.#name = name;
      this.#nameBytes = Buffer.from(field(name));
    }
    if (this.#at + LINE_BYTES + this.#nameBytes.length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length + this.#nameBytes.length);
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }

  /** A copy of what was written since the last time. */
  take(): Uint8Array {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#at));
    this.#at = 0;
    return taken;
  }

  comma(): void {
    this.#bytes[this.#at++] = COMMA;
  }

  name(): void {
    this.#bytes.set(this.#nameBytes, this.#at);
    this.#at += this.#nameBytes.length;
  }

  ascii(text: string): void {
    for (let i = 0; i < text.length; i++) this.#bytes[this.#at++] = text.charCodeAt(i);
  }

  /** @param value up to 2^53 */
  whole(value: number): void {
    if (value < 0 || value >= 1e9) {
      this.ascii(String(value));
      return;
    }
    let digits = 1;
    for (let above = 10; value >= above; above *= 10) digits += 1;
    this.#digits(value, digits);
  }

  number(value: number): void {
    // JavaScript prints minus zero without its sign.
    this.ascii(Object.is(value, -0) ? "-0.0" : String(value));
  }

  /** As `toISOString` of a Date. */
  time(ms: number): void {
    const day = Math.floor(ms / DAY_MS);
    if (day !== this.#day) {
      const text = new Date(ms).toISOString();
      this.#date = text.slice(0, text.indexOf("T") + 1);
      this.#day = day;
    }
    let rest = ms - day * DAY_MS;
    this.ascii(this.#date);
    for (const [unit, digits, mark] of CLOCK) {
      const whole = Math.floor(rest / unit);
      rest -= whole * unit;
      this.#digits(whole, digits);
      this.#bytes[this.#at++] = mark;
    }
  }

  /** The last so many digits of a number below 2^31. */
  #digits(value: number, digits: number): void {
    let rest = value | 0;
    for (let at = this.#at + digits - 1; at >= this.#at; at--) {
      const above = (rest / 10) | 0;
      this.#bytes[at] = ZERO + rest - 10 * above;
      rest = above;
    }
    this.#at += digits;
  }
}

/** Milliseconds of each part of a day, its digits, and what stands after it. */
const CLOCK = [
  [3_600_000, 2, 0x3a],
  [60_000, 2, 0x3a],
  [1_000, 2, 0x2e],
  [1, 3, 0x5a],
] as const;

const field = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
