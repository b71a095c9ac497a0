/** What happened, a line an event, and the hash of all lines: two runs are the same when their hashes are. */
import { createHash, type Hash } from "node:crypto";

export class Trace {
  /** Only where there is something to hash. */
  readonly #hash: Hash | null;
  readonly #print: ((line: string) => void) | null;
  lines = 0;

  /** @param print each line as it comes; null = only hashed; undefined = not even that, which is faster */
  constructor(print?: ((line: string) => void) | null) {
    this.#hash = print === undefined ? null : createHash("sha256");
    this.#print = print ?? null;
  }

  /** Lines are composed only where somebody wants them. */
  get on(): boolean {
    return this.#hash !== null;
  }

  say(atMs: number, who: string, text: string): void {
    if (!this.#hash) return;
    const line = `${(atMs / 1000).toFixed(3).padStart(9)} ${who.padEnd(8)} ${text}`;
    this.#hash.update(line).update("\n");
    this.lines += 1;
    this.#print?.(line);
  }

  /** Empty where none was kept. */
  hash(): string {
    return this.#hash?.digest("hex") ?? "";
  }
}
