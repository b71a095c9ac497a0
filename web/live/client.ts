/** The API as the page speaks it: the same client as everywhere, signed in by the cookie that only the browser holds. */
import { realClock } from "../../src/base/real-clock.ts";
import { Client } from "../../src/sdk/client.ts";
import { RemoteError } from "../../src/sdk/remote-error.ts";

export const clock = realClock;

export const client = new Client({
  url: location.origin,
  clock,
  newKey: () => crypto.randomUUID(),
  fetch: (input, init) => globalThis.fetch(input, { ...init, credentials: "same-origin" }),
  // The page says that the server is away, and asks again by itself.
  attemptsMax: 2,
});

export const isSignedOut = (error: unknown): boolean =>
  error instanceof RemoteError && error.status === 401;

export const isAway = (error: unknown): boolean =>
  error instanceof RemoteError && error.class === "retry_later";
