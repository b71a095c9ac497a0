/** One column of a table, value by value, in memory that does not grow with them. */
import type { ColumnStatistics } from "../../protocol/api/dataset-statistics.ts";
import { CELL_CHARS_MAX } from "../../protocol/api/dataset-statistics.ts";
import { DistinctCount, QuantileSketch } from "./sketch.ts";

export const QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95] as const;

type Kind = "integer" | "number" | "boolean" | "time" | "text" | "other";

const INTEGER = /^[+-]?\d{1,15}$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$|^[+-]?(?:inf|Inf|Infinity)$/;
const BOOLEAN = /^(?:true|false|True|False|TRUE|FALSE)$/;
const TIME = /^\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/;
/** What people write into a cell that they leave empty. */
const MISSING = new Set(["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]);

export class ColumnSummary {
  readonly #kinds = new Set<Kind>();
  readonly #distinct = new DistinctCount();
  readonly #quantiles = new QuantileSketch();
  #count = 0;
  #missing = 0;
  #isCounted = true;
  #numbers = 0;
  #mean = 0;
  #squares = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #first: string | null = null;
  #last: string | null = null;

  /** A cell of a text file. */
  addText(cell: string): void {
    if (MISSING.has(cell)) this.#missing += 1;
    else if (INTEGER.test(cell)) this.#number(Number(cell), "integer", cell);
    else if (NUMBER.test(cell)) this.#number(numberOf(cell), "number", cell);
    else this.#text(cell, BOOLEAN.test(cell) ? "boolean" : TIME.test(cell) ? "time" : "text");
  }

  /** A value that has a type of its own. */
  addValue(value: unknown): void {
    if (value === null || value === undefined) this.#missing += 1;
    else if (typeof value === "number")
      if (Number.isNaN(value))
        // NaN is how many writers say that a number is missing.
        this.#missing += 1;
      else this.#number(value, Number.isInteger(value) ? "integer" : "number", String(value));
    else if (typeof value === "bigint") this.#number(Number(value), "integer", String(value));
    else if (typeof value === "boolean") this.#text(String(value), "boolean");
    else if (typeof value === "string") this.#text(value, "text");
    else if (value instanceof Date)
      this.#text(Number.isNaN(value.getTime()) ? "" : value.toISOString(), "time");
    else {
      // Bytes, lists and records: how many there are has to do.
      this.#count += 1;
      this.#isCounted = false;
      this.#kinds.add("other");
    }
  }

  addMissing(): void {
    this.#missing += 1;
  }

  #number(value: number, kind: Kind, text: string): void {
    this.#text(text, kind);
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (!Number.isFinite(value)) return;
    this.#numbers += 1;
    const delta = value - this.#mean;
    this.#mean += delta / this.#numbers;
    this.#squares += delta * (value - this.#mean);
    this.#quantiles.add(value);
  }

  #text(text: string, kind: Kind): void {
    this.#count += 1;
    this.#kinds.add(kind);
    this.#distinct.add(text);
    if (this.#first === null || text < this.#first) this.#first = text;
    if (this.#last === null || text > this.#last) this.#last = text;
  }

  result(name: string): ColumnStatistics {
    const type = this.#type();
    const isNumber = type === "integer" || type === "number";
    const isPlain = type !== "empty" && type !== "other";
    const quantiles = isNumber ? this.#quantiles.at(QUANTILES) : [];
    const { first, last } = { first: this.#first, last: this.#last };
    return {
      name: shortText(name),
      type,
      count: this.#count,
      missing: this.#missing,
      distinct: this.#isCounted ? this.#distinct.result() : null,
      min: isNumber ? wire(this.#min) : isPlain && first !== null ? shortText(first) : null,
      max: isNumber ? wire(this.#max) : isPlain && last !== null ? shortText(last) : null,
      mean: isNumber && this.#numbers > 0 ? wire(this.#mean) : null,
      // Of a sample, as most people's tools have it.
      std:
        isNumber && this.#numbers > 1 ? wire(Math.sqrt(this.#squares / (this.#numbers - 1))) : null,
      quantiles: quantiles.map((value, i) => ({ q: QUANTILES[i] as number, value: wire(value) })),
    };
  }

  #type(): ColumnStatistics["type"] {
    const kinds = [...this.#kinds];
    if (kinds.length === 0) return "empty";
    if (kinds.includes("other")) return "other";
    if (kinds.length === 1) return kinds[0] as Kind;
    return kinds.every((kind) => kind === "integer" || kind === "number") ? "number" : "text";
  }
}

const numberOf = (cell: string): number =>
  /inf/i.test(cell) ? (cell.startsWith("-") ? -1 : 1) * Number.POSITIVE_INFINITY : Number(cell);

const wire = (value: number): number | "NaN" | "Infinity" | "-Infinity" =>
  Number.isFinite(value) ? value : (String(value) as "NaN" | "Infinity" | "-Infinity");

/** As it may be stored and sent: cut between characters, without what a database cannot hold. */
export function shortText(text: string): string {
  const cut = text.length > CELL_CHARS_MAX ? `${text.slice(0, CELL_CHARS_MAX - 1)}…` : text;
  return cut.replaceAll("\0", "␀").toWellFormed();
}
