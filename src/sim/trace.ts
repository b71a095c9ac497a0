/** What happened, a line an event, and the hash of all lines: two runs are the same when their hashes are. */
import { createHash } from "node:crypto";

export class Trace {
  readonly #hash = createHash("sha256");
  readonly #print: ((line: string) => void) | null;
  readonly #on: boolean;
  lines = 0;

  /** @param print each line as it comes; null = only hashed; undefined = not even that, which is faster */
  constructor(print?: ((line: string) => void) | null) {
    this.#on = print !== undefined;
    this.#print = print ?? null;
  }

  /** Lines are composed only where somebody wants them. */
  get on(): boolean {
    return this.#on;
  }

  say(atMs: number, who: string, text: string): void {
    if (!this.#on) return;
    const line = `${(atMs / 1000).toFixed(3).padStart(9)} ${who.padEnd(8)} ${text}`;
    this.#hash.update(line).update("\n");
    this.lines += 1;
    this.#print?.(line);
  }

  hash(): string {
    return this.#hash.digest("hex");
  }
}
