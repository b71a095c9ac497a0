/** Lines of programs' output for people: inert, marked with trial and rank where there are several. */
import type { LogEntry } from "../protocol/api.ts";
import { inertLog } from "./inert.ts";
import type { Paint } from "./paint.ts";

export interface LogLook {
  readonly paint: Paint;
  /** Name the trial before each line. */
  readonly trials: boolean;
  readonly times: boolean;
}

/** A line that the runner had to split is put together again when its pieces follow each other. */
export class LogWriter {
  readonly #look: LogLook;
  #open = "";

  constructor(look: LogLook) {
    this.#look = look;
  }

  /** The text to write for one entry. */
  text(entry: LogEntry): string {
    const { paint, trials, times } = this.#look;
    const source = `${entry.trial} ${entry.run} ${entry.rank} ${entry.stream}`;
    const goesOn = this.#open === source;
    const marks = [
      times ? entry.at.slice(11, 23) : "",
      trials ? entry.trial : "",
      entry.rank > 0 ? `[${entry.rank}]` : "",
    ].filter((mark) => mark !== "");
    const mark = marks.length > 0 && !goesOn ? `${paint.dim(marks.join(" "))} ` : "";
    const before = this.#open !== "" && !goesOn ? "\n" : "";
    this.#open = entry.complete ? "" : source;
    const body = inertLog(entry.text);
    const shown = entry.stream === "stderr" ? paint.yellow(body) : body;
    return `${before}${mark}${shown}${entry.complete ? "\n" : ""}`;
  }

  /** Ends a line that was left open. */
  end(): string {
    const text = this.#open === "" ? "" : "\n";
    this.#open = "";
    return text;
  }
}

/** The bytes as the program wrote them. */
export function rawBytes(entry: LogEntry): Uint8Array {
  const bytes =
    entry.bytes === undefined ? Buffer.from(entry.text) : Buffer.from(entry.bytes, "base64");
  return entry.complete ? Buffer.concat([bytes, Buffer.from("\n")]) : bytes;
}
