/**
 * How one leaves a shell and lets it run: Enter, `~`, `.`, as everybody knows it from ssh. Whatever else is typed goes
 * through as it is, the tilde of a path too; `~~` after Enter is one tilde.
 */
export class Escape {
  #state: "middle" | "line" | "tilde" = "line";

  /** @returns what is to be passed on, and whether the person leaves */
  take(bytes: Uint8Array): { readonly pass: Uint8Array; readonly leave: boolean } {
    const pass: number[] = [];
    for (const byte of bytes) {
      if (this.#state === "tilde") {
        this.#state = "middle";
        if (byte === DOT) return { pass: Uint8Array.from(pass), leave: true };
        pass.push(TILDE);
        if (byte === TILDE) continue;
      } else if (this.#state === "line" && byte === TILDE) {
        this.#state = "tilde";
        continue;
      }
      pass.push(byte);
      this.#state = byte === RETURN || byte === NEWLINE ? "line" : "middle";
    }
    return { pass: Uint8Array.from(pass), leave: false };
  }
}

const TILDE = 0x7e;
const DOT = 0x2e;
const RETURN = 0x0d;
const NEWLINE = 0x0a;
