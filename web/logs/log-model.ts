/**
 * The lines of a trial's output, or an experiment's, as a list of which only the part in sight is here, however long it is.
 *
 * Without a filter every line has its place (its run and number in it), so any part is fetched by itself and a million
 * lines cost as much as a thousand. With a filter nobody knows the places of the lines that match before all
 * were looked at, so those come page by page as the reader goes down. New lines are appended as the live stream
 * brings them; after a cut it goes on after the last line that is known, so none is lost or shown twice.
 */
import type { LogEntry, LogExtent } from "../../src/protocol/api.ts";
import type { LogsQuery, Page } from "../../src/sdk/client.ts";

export type LogFilter = Pick<LogsQuery, "rank" | "stream" | "contains" | "since" | "until">;

export const isFiltered = (filter: LogFilter): boolean =>
  Object.values(filter).some((value) => value !== undefined);

export type LogSubject = { readonly experiment: number } | { readonly trial: string };

export interface LinePlace {
  readonly run: number;
  readonly line: number;
}

/** How lines are addressed and had: see log-source.ts. */
export interface LogSource {
  readonly extent: () => Promise<Pick<LogExtent, "runs">>;
  readonly page: (query: LogsQuery) => Promise<Page<LogEntry>>;
  readonly placeOf: (entry: LogEntry) => LinePlace;
  /** Asks for the lines from this one on. */
  readonly from: (place: LinePlace) => LogsQuery;
}

export interface LogModelOptions {
  readonly source: LogSource;
  readonly filter: LogFilter;
  /** Of what matches a filter, begin with the last lines instead of the first. */
  readonly fromEnd: boolean;
  readonly changed: () => void;
}

const PAGE = 500;
/** Texts of so many lines are kept; those far from what is looked at go first. */
const KEPT_MAX = 20_000;
/** Who looks for something that so many lines have has to look for something else. */
export const MATCHES_MAX = 50_000;
const TAIL = 1_000;

interface Run {
  readonly run: number;
  /** Lines of the runs before. */
  readonly before: number;
  readonly lines: number;
}

export class LogModel {
  readonly #options: LogModelOptions;
  /** By place; null = the log has no such line. */
  readonly #lines = new Map<number, LogEntry | null>();
  #runs: readonly Run[] = [];
  #total = 0;
  #cursor: string | undefined;
  #lastLine: LinePlace | undefined;
  #asking = false;
  #wanted: readonly [first: number, last: number] = [0, 0];
  #complete = false;
  #ready = false;
  #failure: unknown;

  constructor(options: LogModelOptions) {
    this.#options = options;
  }

  /** Lines that there are, or that are known to match. */
  get total(): number {
    return this.#total;
  }
  /** Where there is a filter: all lines that match are known. */
  get complete(): boolean {
    return this.#complete;
  }
  get isFull(): boolean {
    return isFiltered(this.#options.filter) && this.#total >= MATCHES_MAX;
  }
  /** The first answer is here. */
  get ready(): boolean {
    return this.#ready;
  }
  get failure(): unknown {
    return this.#failure;
  }
  get runs(): readonly Run[] {
    return this.#runs;
  }

  line(index: number): LogEntry | null | undefined {
    return this.#lines.get(index);
  }

  placeOf(entry: LogEntry): LinePlace {
    return this.#options.source.placeOf(entry);
  }

  /** @returns the place of a line, where places are known */
  indexOf({ run, line }: LinePlace): number | undefined {
    const own = this.#runs.find((one) => one.run === run);
    return own && line >= 1 && line <= own.lines ? own.before + line - 1 : undefined;
  }

  async start(): Promise<void> {
    await this.#asked(async () => {
      if (isFiltered(this.#options.filter)) await this.#more();
      else this.#setRuns((await this.#options.source.extent()).runs);
      this.#ready = true;
    });
  }

  /** These lines are looked at. */
  want(first: number, last: number): void {
    this.#wanted = [first, last];
    void this.#fill();
  }

  /** @returns what a live stream has to ask for to bring what comes next; undefined = not yet */
  next(): LogsQuery | undefined {
    const { filter } = this.#options;
    if (!this.#ready) return undefined;
    if (isFiltered(filter)) return this.#complete ? { ...filter, cursor: this.#cursor } : undefined;
    const last = this.#runs.at(-1);
    return last ? this.#options.source.from({ run: last.run, line: last.lines + 1 }) : {};
  }

  /** What a live stream brought, in order. */
  append(entries: readonly LogEntry[]): void {
    if (isFiltered(this.#options.filter)) this.#push(entries);
    else {
      for (const entry of entries) {
        const { run, line } = this.placeOf(entry);
        const last = this.#runs.at(-1);
        if (last && (run < last.run || (run === last.run && line <= last.lines))) continue;
        if (last?.run === run) this.#runs = [...this.#runs.slice(0, -1), { ...last, lines: line }];
        else this.#runs = [...this.#runs, { run, before: this.#total, lines: line }];
        this.#total = (this.#runs.at(-1)?.before ?? 0) + line;
        this.#lines.set(this.#total - 1, entry);
      }
      this.#forget();
    }
    this.#options.changed();
  }

  #setRuns(runs: LogExtent["runs"]): void {
    let before = 0;
    this.#runs = runs.map(({ run, lines }) => {
      const own = { run, before, lines };
      before += lines;
      return own;
    });
    this.#total = before;
  }

  async #fill(): Promise<void> {
    if (this.#asking || !this.#ready || this.#failure !== undefined) return;
    const [first, last] = this.#wanted;
    if (isFiltered(this.#options.filter)) {
      if (this.#complete || this.isFull || last < this.#total - PAGE / 4) return;
      await this.#asked(() => this.#more());
    } else {
      const missing = this.#firstMissing(first, last);
      if (missing === undefined) return;
      await this.#asked(() => this.#load(missing));
    }
    // Somebody may have gone on meanwhile.
    void this.#fill();
  }

  /** One request at a time: who scrolls through a million lines wants those where the scrolling ends. */
  async #asked(work: () => Promise<void>): Promise<void> {
    this.#asking = true;
    try {
      await work();
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#asking = false;
      this.#options.changed();
    }
  }

  /** After a failure: tries again. */
  async again(): Promise<void> {
    this.#failure = undefined;
    if (this.#ready) await this.#fill();
    else await this.start();
    // Where nothing was left to ask for, nobody else says that it is over.
    this.#options.changed();
  }

  #firstMissing(first: number, last: number): number | undefined {
    for (let i = Math.max(0, first); i <= last && i < this.#total; i++)
      if (!this.#lines.has(i)) return i;
    return undefined;
  }

  /** The lines around a place: those that are missing from it on, and some before it for who scrolls up. */
  async #load(missing: number): Promise<void> {
    let start = missing;
    while (start > 0 && missing - start < PAGE / 4 && !this.#lines.has(start - 1)) start--;
    const run = this.#runs.findLast(({ before }) => before <= start);
    if (!run) return;
    const { source } = this.#options;
    const place = { run: run.run, line: start - run.before + 1 };
    const { items } = await source.page({ ...source.from(place), limit: PAGE });
    let end = start;
    for (const entry of items) {
      const { run: of, line } = this.placeOf(entry);
      const own = this.#runs.find((one) => one.run === of);
      const index = own && own.before + line - 1;
      // What is newer than what is known comes by the stream.
      if (index === undefined || index >= this.#total) break;
      this.#lines.set(index, entry);
      end = index + 1;
    }
    // Nothing came for these: they are asked for once.
    const known = items.length === 0 ? Math.min(start + PAGE, this.#total) : end;
    for (let i = start; i < known; i++) if (!this.#lines.has(i)) this.#lines.set(i, null);
    this.#forget();
  }

  async #more(): Promise<void> {
    const { filter, source, fromEnd } = this.#options;
    if (fromEnd) {
      const { items } = await source.page({ ...filter, tail: TAIL });
      this.#push(items);
      this.#complete = true;
      return;
    }
    const query = { ...filter, cursor: this.#cursor, limit: PAGE };
    const { items, next_cursor } = await source.page(query);
    this.#push(items);
    this.#complete = next_cursor === null;
  }

  #push(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const place = this.placeOf(entry);
      const last = this.#lastLine;
      if (last && (place.run < last.run || (place.run === last.run && place.line <= last.line)))
        continue;
      this.#lastLine = place;
      this.#cursor = entry.cursor;
      if (this.#total < MATCHES_MAX) this.#lines.set(this.#total++, entry);
    }
  }

  #forget(): void {
    if (this.#lines.size <= KEPT_MAX) return;
    const [first, last] = this.#wanted;
    const middle = (first + last) / 2;
    for (const index of this.#lines.keys())
      if (Math.abs(index - middle) > KEPT_MAX / 4) this.#lines.delete(index);
  }
}
