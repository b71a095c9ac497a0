/** Since when nobody uses a task that serves: each kind is asked in its own way, through its socket. */
export interface IdleSource {
  /**
   * @returns milliseconds since 1970; null = somebody uses it
   * @throws when it does not answer, which proves nothing either way
   */
  idleSince(): Promise<number | null>;
}

/** @param socket on which the program listens @param nowMs wall time */
export type NewIdleSource = (socket: string, nowMs: () => number) => IdleSource;
