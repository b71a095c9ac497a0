/**
 * Server-sent events over fetch: a parser by the HTML standard's rules, and a follower that comes
 * back after a cut with the last id it saw. EventSource itself was refused: Node's cannot send an
 * Authorization header.
 */
import type { Clock } from "../base/clock.ts";
import { RemoteError, unreachable } from "./remote-error.ts";

export interface ServerSentEvent {
  /** "message" where the server named none. */
  readonly event: string;
  readonly data: string;
  /** The id that holds after this event; "" before the first one. */
  readonly id: string;
}

/** One event may be this long; a longer one means that something else is talking. */
const EVENT_CHARS_MAX = 64 * 1024 * 1024;

/** Reads events out of the bytes of one connection. Comments and half an event at the end are dropped. */
export async function* parseEvents(
  body: AsyncIterable<Uint8Array>,
  onRetryMs: (ms: number) => void = () => {},
): AsyncGenerator<ServerSentEvent> {
  const lines = new Lines();
  let id = "";
  let event = "";
  let data: string[] = [];
  let dataChars = 0;
  for await (const chunk of body) {
    for (const line of lines.of(chunk)) {
      if (line === "") {
        if (data.length > 0) yield { event: event || "message", data: data.join("\n"), id };
        event = "";
        data = [];
        dataChars = 0;
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "data") {
        data.push(value);
        dataChars += value.length;
      } else if (field === "event") event = value;
      else if (field === "id" && !value.includes("\0")) id = value;
      else if (field === "retry" && /^\d+$/.test(value)) onRetryMs(Number(value));
    }
    if (lines.restChars + dataChars > EVENT_CHARS_MAX)
      throw new Error(`an event is longer than ${EVENT_CHARS_MAX} characters`);
  }
}

/**
 * Lines out of chunks. Only what is new is searched for their ends: an event of a megabyte is one line and comes in a
 * hundred chunks, and to search all of it again at each took longer than anything else that is done with it.
 */
class Lines {
  readonly #decoder = new TextDecoder();
  /** Of the line that has not ended. */
  #pieces: string[] = [];
  #afterReturn = false;
  /** How long that line is by now. */
  restChars = 0;

  /** @returns the lines that end in this chunk */
  of(chunk: Uint8Array): string[] {
    const decoded = this.#decoder.decode(chunk, { stream: true });
    // A lone CR ends a line; when CR LF is split over two chunks the LF belongs to the line before.
    const text = this.#afterReturn && decoded.startsWith("\n") ? decoded.slice(1) : decoded;
    if (decoded.length > 0) this.#afterReturn = decoded.endsWith("\r");
    const lines = text.split(/\r\n|\r|\n/);
    const rest = lines.pop() ?? "";
    const [first] = lines;
    if (first !== undefined) {
      lines[0] = this.#pieces.join("") + first;
      this.#pieces = [];
      this.restChars = 0;
    }
    if (rest !== "") this.#pieces.push(rest);
    this.restChars += rest.length;
    return lines;
  }
}

export interface FollowOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Opens one connection. @param lastEventId what the server should go on after, "" = from the start */
  readonly open: (lastEventId: string, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;
  /** The event after which nothing comes. */
  readonly endEvent: string;
  /** Told of each cut with the wait before the next attempt. */
  readonly onCut?: ((waitMs: number, error: unknown) => void) | undefined;
  /** A connection silent for this long (no event, no comment) is given up and opened anew. */
  readonly idleMsMax?: number;
  /** Gives up after this long without any connection. */
  readonly downMsMax?: number;
}

const WAIT_MS_MIN = 250;
const WAIT_MS_MAX = 5_000;

/** Follows a stream over cuts until its end event, the signal, or a refusal that waiting cannot cure. */
export async function* followEvents(options: FollowOptions): AsyncGenerator<ServerSentEvent> {
  const { clock, signal } = options;
  let lastEventId = "";
  let waitMs = WAIT_MS_MIN;
  let lastHeardMs = clock.monotonicMs();
  while (!signal?.aborted) {
    const connection = new AbortController();
    const abort = (): void => connection.abort();
    signal?.addEventListener("abort", abort, { once: true });
    let failure: unknown;
    try {
      const body = await options.open(lastEventId, connection.signal);
      lastHeardMs = clock.monotonicMs();
      const heard = (): void => {
        lastHeardMs = clock.monotonicMs();
        waitMs = WAIT_MS_MIN;
      };
      const watched = watchIdle(body, clock, options.idleMsMax ?? 60_000, abort, heard);
      for await (const event of parseEvents(watched, (ms) => {
        waitMs = Math.min(Math.max(ms, WAIT_MS_MIN), WAIT_MS_MAX);
      })) {
        lastEventId = event.id || lastEventId;
        yield event;
        if (event.event === options.endEvent) return;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error instanceof RemoteError && (error.class === "fix" || error.class === "give_up"))
        throw error;
      failure = error;
    } finally {
      signal?.removeEventListener("abort", abort);
      connection.abort();
    }
    if (clock.monotonicMs() - lastHeardMs > (options.downMsMax ?? 120_000))
      throw failure instanceof RemoteError ? failure : unreachable("the stream's address", failure);
    options.onCut?.(waitMs, failure);
    await pause(clock, waitMs, signal);
    waitMs = Math.min(waitMs * 2, WAIT_MS_MAX);
  }
}

async function* watchIdle(
  body: AsyncIterable<Uint8Array>,
  clock: Clock,
  idleMsMax: number,
  onIdle: () => void,
  heard: () => void,
): AsyncGenerator<Uint8Array> {
  let cancel = clock.after(idleMsMax, onIdle);
  try {
    for await (const chunk of body) {
      cancel();
      heard();
      yield chunk;
      cancel = clock.after(idleMsMax, onIdle);
    }
  } finally {
    cancel();
  }
}

/** Waits, or less long when `signal` fires; leaves no timer behind. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}
