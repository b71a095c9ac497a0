/**
 * Files that cannot be deleted, in a walk over many: that one of them is somebody else's, or lies on bad ground, keeps none
 * of the others. They stay registered, so that the next walk comes to them again.
 */

/** The walk came to its end, and these are left. */
export class Undeleted extends Error {
  readonly count: number;

  constructor(count: number, first: unknown) {
    const what = count === 1 ? "a file" : `${count} files`;
    super(`${what} could not be deleted, everything else was: ${(first as Error).message}`, {
      cause: first,
    });
    this.count = count;
  }

  /** @param other what another walk left */
  and(other: Undeleted | undefined): Undeleted {
    return other ? new Undeleted(this.count + other.count, this.cause) : this;
  }
}

export class Undeletable {
  #count = 0;
  #first: unknown;

  get count(): number {
    return this.#count;
  }

  /** @throws what it is given where that is no answer of the file system */
  note(error: unknown): void {
    if (typeof (error as NodeJS.ErrnoException).syscall !== "string") throw error;
    if (this.#count === 0) this.#first = error;
    this.#count += 1;
  }

  /** @throws Undeleted where there are any */
  tell(): void {
    if (this.#count > 0) throw new Undeleted(this.#count, this.#first);
  }
}
