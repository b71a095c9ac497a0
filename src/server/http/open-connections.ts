/**
 * Connections that outlive the request that opened them, and what each was let in by: a token that was looked at once would
 * otherwise let its bearer hear everything until the connection breaks. All are looked at together every few seconds, and
 * each token is asked of the database once for all of its connections.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Logger } from "pino";
import type { Clock } from "../../base/clock.ts";

/** How long a person who has signed out, or an allocation that is over, may be served at most. */
const LOOK_MS = 3_000;

export interface LetInBy {
  /** Names a person's token or session. */
  readonly tokenId: string;
  /** Absent = it ends with the token alone. */
  readonly allocation?: string;
}

export interface OpenConnectionsOptions {
  /** Whether the person's token or session still holds. */
  readonly tokenHolds: (tokenId: string) => Promise<boolean>;
  /** Whether its program may be reached. */
  readonly allocationServes: (allocation: string) => boolean;
  readonly clock: Clock;
  readonly log: Pick<Logger, "error">;
}

interface Open extends LetInBy {
  readonly socket: Socket;
}

export class OpenConnections {
  readonly #options: OpenConnectionsOptions;
  /** By what is over when they need not be looked at any more. */
  readonly #open = new Map<Socket | ServerResponse, Open>();
  readonly #held = new Map<
    string,
    { readonly untilMs: number; readonly holds: Promise<boolean> }
  >();
  #cancelLook: () => void;
  #closed = false;
  #failing = false;

  constructor(options: OpenConnectionsOptions) {
    this.#options = options;
    this.#cancelLook = options.clock.after(LOOK_MS, () => this.#lookOnAndOn());
  }

  close(): void {
    this.#closed = true;
    this.#cancelLook();
  }

  /** The next look waits for this one. That it cannot look, for want of a database, is said once until it can again. */
  #lookOnAndOn(): void {
    const { clock, log } = this.#options;
    void this.#look()
      .then(
        () => {
          this.#failing = false;
        },
        (error) => {
          if (!this.#failing) log.error({ err: error }, "open connections were not looked at");
          this.#failing = true;
        },
      )
      .then(() => {
        if (!this.#closed) this.#cancelLook = clock.after(LOOK_MS, () => this.#lookOnAndOn());
      });
  }

  /** Cuts the connection within seconds of the end of what let it in. @param until what is over when it need not be looked at any more */
  watch(socket: Socket, letInBy: LetInBy, until: Socket | ServerResponse = socket): void {
    // Gone while it was let in: that it closes is not said again.
    if (socket.destroyed || until.destroyed) return;
    this.#open.set(until, { socket, ...letInBy });
    until.once("close", () => this.#open.delete(until));
  }

  /** Whether a token still holds; asked of the database every few seconds at most. */
  holds(tokenId: string): Promise<boolean> {
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#held.get(tokenId);
    if (known !== undefined && known.untilMs > nowMs) return known.holds;
    const holds = this.#options.tokenHolds(tokenId);
    // One that could not be asked is asked again.
    holds.catch(() => this.#held.delete(tokenId));
    this.#held.set(tokenId, { untilMs: nowMs + LOOK_MS, holds });
    return holds;
  }

  /** Connections that have outlived what they were let in by. */
  async #look(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [tokenId, { untilMs }] of this.#held)
      if (untilMs <= nowMs) this.#held.delete(tokenId);
    for (const { socket, tokenId, allocation } of this.#open.values()) {
      const serves = allocation === undefined || this.#options.allocationServes(allocation);
      if (!serves || !(await this.holds(tokenId))) socket.destroy();
    }
  }
}
