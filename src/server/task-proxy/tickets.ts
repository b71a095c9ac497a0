/**
 * The way from the app to a task's own origin: a link that holds once and for a minute. In memory alone, because a restart
 * of the server within that minute costs no more than a second click.
 */
import { randomBytes } from "node:crypto";
import { sha256 } from "../access.ts";

export const TICKET_LIFETIME_MS = 60_000;
const TICKETS_MAX = 10_000;

/** Who may see what. */
export interface Admission {
  /** Of which allocation alone. */
  readonly allocation: string;
  /** Of the person's token or session, with which it ends. */
  readonly tokenId: string;
}

export class Tickets {
  readonly #nowMs: () => number;
  /** By the hash of what is in the link; the oldest first. */
  readonly #open = new Map<string, Admission & { readonly untilMs: number }>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  issue(admission: Admission): { ticket: string; expiresAt: Date } {
    const ticket = randomBytes(32).toString("base64url");
    const untilMs = this.#nowMs() + TICKET_LIFETIME_MS;
    for (const [key, { untilMs: end }] of this.#open)
      if (end < this.#nowMs() || this.#open.size >= TICKETS_MAX) this.#open.delete(key);
      else break;
    this.#open.set(keyOf(ticket), { ...admission, untilMs });
    return { ticket, expiresAt: new Date(untilMs) };
  }

  /** Takes it out of the world. @returns undefined when it was used, is over, or is none of ours */
  take(ticket: string): Admission | undefined {
    const key = keyOf(ticket);
    const found = this.#open.get(key);
    this.#open.delete(key);
    if (found === undefined || found.untilMs < this.#nowMs()) return undefined;
    return { allocation: found.allocation, tokenId: found.tokenId };
  }
}

const keyOf = (ticket: string): string => sha256(ticket).toString("hex");
