/** One answer that several wait for. It is given up when nobody waits for it any more, not with the first who leaves. */
export class SharedAnswer<T> {
  readonly #answer: Promise<T>;
  readonly #nobody = new AbortController();
  #waiting = 0;

  constructor(find: (signal: AbortSignal) => Promise<T>) {
    this.#answer = find(this.#nobody.signal);
    this.#answer.catch(() => undefined);
  }

  get givenUp(): boolean {
    return this.#nobody.signal.aborted;
  }

  /**
   * Who leaves as the last waits until what was begun for it has ended, too: nothing of it is left behind.
   * @throws what `find` throws, or the signal's reason
   */
  async wait(signal: AbortSignal): Promise<T> {
    this.#waiting += 1;
    const left = Promise.withResolvers<never>();
    const leave = (): void => left.reject(signal.reason as Error);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([this.#answer, left.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
      this.#waiting -= 1;
      if (this.#waiting === 0 && signal.aborted) {
        this.#nobody.abort(signal.reason);
        await this.#answer.catch(() => undefined);
      }
    }
  }
}

/** What several may want at one time, by key: each is found once for all who do, and anew for who comes later. */
export class SharedAnswers<T> {
  readonly #current = new Map<string, SharedAnswer<T>>();

  /** @throws what `find` throws, or the signal's reason */
  async get(
    key: string,
    signal: AbortSignal,
    find: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const answer = this.#current.get(key) ?? this.#begin(key, find);
      try {
        return await answer.wait(signal);
      } catch (error) {
        signal.throwIfAborted();
        // Who came while it was being given up begins again.
        if (!answer.givenUp) throw error;
      }
    }
  }

  #begin(key: string, find: (signal: AbortSignal) => Promise<T>): SharedAnswer<T> {
    const answer = new SharedAnswer(async (signal) => {
      try {
        return await find(signal);
      } finally {
        this.#current.delete(key);
      }
    });
    this.#current.set(key, answer);
    return answer;
  }
}
