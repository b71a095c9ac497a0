/**
 * What the program reaches for that no record holds: other machines, and programs that it starts. Whoever repeats the run
 * from its record does not have what came from there. Node tells it to whoever subscribes, and nothing is wrapped; which
 * files are opened, and programs that are waited for (`spawnSync`), it tells nobody.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { basename } from "node:path";

const SHOWN_MAX = 20;
/** This machine, and sockets that are files. */
const HERE = /^(?:localhost|127\..*|::1|::ffff:127\..*|)$/;

export class Outside {
  /** More was seen than `facts` has told. */
  changed = false;
  readonly #seen = { network: new Set<string>(), programs: new Set<string>() };
  readonly #handlers = {
    "net.client.socket": (message: unknown) => this.#socket(message),
    child_process: (message: unknown) => this.#program(message),
  };

  watch(): this {
    for (const [channel, handler] of Object.entries(this.#handlers)) subscribe(channel, handler);
    return this;
  }
  silence(): void {
    for (const [channel, handler] of Object.entries(this.#handlers)) unsubscribe(channel, handler);
  }

  facts(): Readonly<Record<string, string>> {
    this.changed = false;
    return Object.fromEntries(
      Object.entries(this.#seen).flatMap(([kind, names]) =>
        names.size === 0 ? [] : [[kind, listed([...names])]],
      ),
    );
  }

  #note(kind: "network" | "programs", what: string): void {
    const seen = this.#seen[kind];
    if (seen.has(what) || seen.size >= 10 * SHOWN_MAX) return;
    seen.add(what);
    this.changed = true;
  }

  /** Only those that came about: of another nothing was read. */
  #socket(message: unknown): void {
    const { socket } = message as { socket: Socket };
    let name = "";
    socket.once("lookup", (_error, _address, _family, host) => {
      name = host;
    });
    socket.once("connect", () => {
      const { remoteAddress = "", remotePort } = socket;
      if (!HERE.test(remoteAddress))
        this.#note("network", `${name || remoteAddress}:${remotePort}`);
    });
  }

  #program(message: unknown): void {
    const { process: child } = message as { process: { spawnfile?: string | null } };
    // Its name is there once it was started.
    queueMicrotask(() => {
      if (child.spawnfile) this.#note("programs", basename(child.spawnfile));
    });
  }
}

function listed(names: readonly string[]): string {
  const more = names.length - SHOWN_MAX;
  const shown = names.slice(0, SHOWN_MAX).join(", ");
  return more <= 0 ? shown : `${shown} and ${more} more`;
}
