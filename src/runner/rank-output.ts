/**
 * The output of one rank on its way into the log stream: cut into lines, stamped, spooled; and the
 * end of its stderr, kept in memory for `out-of-memory.ts`.
 *
 * An unfinished line is let go after a second, so that a progress bar is seen while it grows.
 */
import type { Clock } from "../base/clock.ts";
import { encodeLogRecord, LineSplitter } from "./log-record.ts";
import { LAST_WORDS_BYTES } from "./out-of-memory.ts";

const UNFINISHED_MS = 1_000;

export class RankOutput {
  readonly #rank: number;
  readonly #clock: Clock;
  readonly #append: (records: readonly Buffer[]) => void;
  readonly #splitters: Readonly<Record<"stdout" | "stderr", LineSplitter>>;
  readonly #cancel: { stdout?: (() => void) | undefined; stderr?: (() => void) | undefined } = {};
  #atMs = 0;
  #batch: Buffer[] = [];
  #stderrEnd = Buffer.alloc(0);

  constructor(options: {
    rank: number;
    clock: Clock;
    append: (records: readonly Buffer[]) => void;
  }) {
    this.#rank = options.rank;
    this.#clock = options.clock;
    this.#append = options.append;
    this.#splitters = { stdout: this.#splitter("stdout"), stderr: this.#splitter("stderr") };
  }

  take(stream: "stdout" | "stderr", chunk: Buffer): void {
    this.#atMs = this.#clock.nowMs();
    if (stream === "stderr") {
      const end = Buffer.concat([this.#stderrEnd, chunk.subarray(-LAST_WORDS_BYTES)]);
      this.#stderrEnd = end.subarray(-LAST_WORDS_BYTES);
    }
    const splitter = this.#splitters[stream];
    splitter.push(chunk);
    this.#spool();
    if (splitter.holds && this.#cancel[stream] === undefined)
      this.#cancel[stream] = this.#clock.after(UNFINISHED_MS, () => this.#letGo(stream));
  }

  /** A line of the runner itself, on the rank's stderr. */
  note(text: string): void {
    this.#letGo("stderr");
    this.take("stderr", Buffer.from(`contrail: ${text}\n`));
  }

  /** Nothing more will come. */
  end(): void {
    this.#letGo("stdout");
    this.#letGo("stderr");
  }

  get stderrEnd(): string {
    return this.#stderrEnd.toString("latin1");
  }

  #letGo(stream: "stdout" | "stderr"): void {
    this.#cancel[stream]?.();
    this.#cancel[stream] = undefined;
    this.#atMs = this.#clock.nowMs();
    this.#splitters[stream].flush();
    this.#spool();
  }

  #splitter(stream: "stdout" | "stderr"): LineSplitter {
    return new LineSplitter((bytes, complete) => {
      this.#batch.push(
        encodeLogRecord({ atMs: this.#atMs, rank: this.#rank, stream, complete, bytes }),
      );
    });
  }

  #spool(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#append(batch);
  }
}
