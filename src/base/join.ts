/**
 * Two byte streams made one: what comes out of either goes into the other, no faster than that one takes it. When one
 * closes, what it has said last is still delivered, and then the other goes too; when one breaks, so does the other,
 * because a stream that was cut must not look like one that has ended.
 *
 * For Node's sockets, of which it knows no more than this.
 */
import type { Clock } from "./clock.ts";

export interface Joinable<S> {
  pipe(to: S): unknown;
  once(event: string, listener: (hadError: boolean) => void): unknown;
  resume(): unknown;
  end(): unknown;
  destroy(): unknown;
  readonly writableFinished: boolean;
  /** Bytes that its peer has not taken yet. */
  readonly writableLength: number;
  readonly destroyed: boolean;
}

/** For a peer that has heard everything to close; destroyed at once, a connection with unread bytes would take back what it has sent. */
const LINGER_MS = 5_000;
/** For a peer to take something of what was said last. One that reads no more would hold its connection, and who waits for that, for ever. */
const STUCK_MS = 30_000;

export function join<S extends Joinable<S>>(one: S, other: S, clock: Pick<Clock, "after">): void {
  follow(one, other, clock);
  follow(other, one, clock);
  one.pipe(other);
  other.pipe(one);
}

function follow<S extends Joinable<S>>(first: S, then: S, clock: Pick<Clock, "after">): void {
  const close = (hadError: boolean): void => {
    if (then.destroyed) return;
    if (hadError) return void then.destroy();
    const linger = (): void => {
      then.once(
        "close",
        clock.after(LINGER_MS, () => then.destroy()),
      );
    };
    then.resume();
    if (then.writableFinished) linger();
    else {
      then.once("finish", linger);
      destroyOnceStuck(then, clock);
    }
    then.end();
  };
  if (first.destroyed) close(true);
  else first.once("close", close);
}

function destroyOnceStuck<S extends Joinable<S>>(peer: S, clock: Pick<Clock, "after">): void {
  let left = peer.writableLength;
  const look = (): void => {
    if (peer.writableLength === left) return void peer.destroy();
    left = peer.writableLength;
    cancel = clock.after(STUCK_MS, look);
  };
  let cancel = clock.after(STUCK_MS, look);
  peer.once("finish", () => cancel());
  peer.once("close", () => cancel());
}
