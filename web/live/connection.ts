/**
 * The one manager of live connections. A feed is opened when somebody looks at it and closed a moment after the last
 * one has gone; all feeds are closed while the tab is hidden, because a browser grants a server six connections
 * and each open tab would hold some. What was missed is no loss: a feed starts with the whole present state.
 *
 * A reader that falls behind is thinned in two places, never the writer: the server sends what is newest when the
 * line is free again, and here looks are told at most every `NOTIFY_MS`.
 */
import { useSyncExternalStore } from "react";
import { pause } from "../../src/sdk/sse.ts";
import { clock, isAway, isSignedOut } from "./client.ts";
import { signedOut } from "./session.ts";

/** `away`: nobody answers; it is tried again and again, and the page shows what it last knew. */
export type ConnectionState = "connecting" | "live" | "away";

export interface FeedOptions<T> {
  /** Follows the server over cuts. Ends when there is nothing more to come. */
  readonly open: (how: {
    readonly signal: AbortSignal;
    readonly onCut: () => void;
  }) => AsyncIterable<T>;
  /** @returns true for what those who look are waiting for: it is told at once */
  readonly onItem: (item: T) => boolean | undefined;
  /** It will not come back: refused, or there is no such thing. */
  readonly onFailure: (error: unknown) => void;
  /** Told at the first item after it was closed or cut: what happened meanwhile was not heard. */
  readonly onBackAgain?: () => void;
}

const NOTIFY_MS = 200;
const LINGER_MS = 2_000;
const HIDDEN_MS = 10_000;
const RETRY_MS = 2_000;

const feeds = new Set<Feed<unknown>>();
let state: ConnectionState = "connecting";
const watchers = new Set<() => void>();

function setState(next: ConnectionState): void {
  if (next === state) return;
  state = next;
  for (const watcher of watchers) watcher();
}

export function useConnection(): ConnectionState {
  return useSyncExternalStore(
    (changed) => {
      watchers.add(changed);
      return () => watchers.delete(changed);
    },
    () => state,
  );
}

/** One stream of the server, open while it has watchers and the tab is seen. */
export class Feed<T> {
  readonly #options: FeedOptions<T>;
  readonly #watchers = new Set<() => void>();
  #connection: AbortController | undefined;
  #cancelClose: (() => void) | undefined;
  #cancelNotify: (() => void) | undefined;
  #over = false;
  #hasGap = false;
  /** Something changed while it was being told: it may have been told as it was before. */
  #isOutdated = false;

  constructor(options: FeedOptions<T>) {
    this.#options = options;
  }

  /** For useSyncExternalStore. */
  readonly subscribe = (changed: () => void): (() => void) => {
    this.#watchers.add(changed);
    this.#cancelClose?.();
    this.#cancelClose = undefined;
    feeds.add(this as Feed<unknown>);
    if (document.visibilityState === "visible") this.start();
    return () => {
      this.#watchers.delete(changed);
      // Between two pages that show the same there is a moment in which nobody looks.
      if (this.#watchers.size === 0)
        this.#cancelClose = clock.after(LINGER_MS, () => {
          feeds.delete(this as Feed<unknown>);
          this.stop();
        });
    };
  };

  start(): void {
    if (this.#connection || this.#over) return;
    const connection = new AbortController();
    this.#connection = connection;
    this.#isOutdated = false;
    void this.#follow(connection.signal).finally(() => {
      if (this.#connection !== connection) return;
      this.#connection = undefined;
      if (this.#isOutdated) this.again();
    });
  }

  /** What is over is asked for once more: somebody has changed it all the same. */
  again(): void {
    this.#isOutdated = true;
    this.#over = false;
    if (this.#watchers.size > 0) this.start();
  }

  stop(): void {
    if (this.#connection === undefined) return;
    this.#connection.abort();
    this.#connection = undefined;
    this.#hasGap = true;
  }

  /** Tells those who look, at most every NOTIFY_MS. */
  notify(): void {
    this.#cancelNotify ??= clock.after(NOTIFY_MS, () => this.#tell());
  }

  #tell(): void {
    this.#cancelNotify?.();
    this.#cancelNotify = undefined;
    for (const changed of this.#watchers) changed();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const onCut = (): void => {
      this.#hasGap = true;
      setState("away");
    };
    while (!signal.aborted) {
      try {
        for await (const item of this.#options.open({ signal, onCut })) {
          if (signal.aborted) return;
          setState("live");
          if (this.#options.onItem(item) === true) this.#tell();
          else this.notify();
          if (this.#hasGap) {
            this.#hasGap = false;
            this.#options.onBackAgain?.();
          }
        }
        this.#over = !signal.aborted;
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!isAway(error)) {
          this.#over = true;
          if (isSignedOut(error)) signedOut();
          else this.#options.onFailure(error);
          this.notify();
          return;
        }
        onCut();
        await pause(clock, RETRY_MS, signal);
      }
    }
  }
}

let cancelHide: (() => void) | undefined;
document.addEventListener("visibilitychange", () => {
  cancelHide?.();
  cancelHide = undefined;
  if (document.visibilityState === "visible") for (const feed of feeds) feed.start();
  else
    cancelHide = clock.after(HIDDEN_MS, () => {
      for (const feed of feeds) feed.stop();
      setState("connecting");
    });
});
