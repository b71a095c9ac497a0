/**
 * What somebody wants to have made, until it is. Where no answer came nobody knows whether it was: who presses once more
 * asks under the same key, and is given what was made then. Without it each press is a wish of its own, and makes another.
 */
import { useState } from "react";

export class Intent {
  #last: { readonly wanted: string; readonly key: string } | undefined;

  /** @param wanted all that tells it from another wish, such as the text; `make` is given the idempotency key */
  async once<T>(wanted: unknown, make: (key: string) => Promise<T>): Promise<T> {
    const text = JSON.stringify(wanted);
    const last =
      this.#last?.wanted === text ? this.#last : { wanted: text, key: crypto.randomUUID() };
    this.#last = last;
    const made = await make(last.key);
    this.#last = undefined;
    return made;
  }
}

/** Of this part of the page, for as long as it is shown. */
export function useIntent(): Intent {
  const [intent] = useState(() => new Intent());
  return intent;
}
