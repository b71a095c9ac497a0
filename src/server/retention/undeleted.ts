/**
 * Files that cannot be deleted, in a walk over many: that one of them is somebody else's, or lies on bad ground, keeps none
 * of the others. They stay registered, so that the next walk comes to them again.
 */

/** The walk came to its end, and these are left. */
export class Undeleted extends Error {}

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
    if (this.#count === 0) return;
    const what = this.#count === 1 ? "a file" : `${this.#count} files`;
    const why = (this.#first as Error).message;
    throw new Undeleted(`${what} could not be deleted, everything else was: ${why}`, {
      cause: this.#first,
    });
  }
}
