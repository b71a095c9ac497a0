/**
 * Ways to programs that serve, kept by the runners beside them. The server reaches no node: a runner connects to the server and
 * leaves a few connections lying here, each of them one byte stream to the socket of one allocation's program. Whoever
 * needs the program takes one, and the runner, seeing the first byte on it, lays down another.
 *
 * One connection for each stream, rather than many streams in one connection: order, back-pressure and the end of each are
 * then the kernel's, and a slow reader holds up nobody else.
 */
import type { Socket } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { TUNNEL_SPARES_MAX } from "../../protocol/task-tunnel.ts";

/** For a runner that has just lost its server, or many requests at once, to lay down another. */
const WAIT_MS = 10_000;
/** Of one allocation, in use or waited for. A page of a notebook needs some twenty. */
const TAKEN_MAX = 256;
/** A peer that is gone without a word is found out by the kernel after this and some seconds. */
export const KEEP_ALIVE_MS = 20_000;

interface Ways {
  readonly spare: Socket[];
  readonly taken: Set<Socket>;
  readonly waiting: Set<(socket: Socket) => void>;
}

export class Tunnels {
  readonly #clock: Clock;
  readonly #ways = new Map<string, Ways>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether one more may be left here. */
  hasRoom(allocation: string): boolean {
    return (this.#ways.get(allocation)?.spare.length ?? 0) < TUNNEL_SPARES_MAX;
  }

  /** Ways that lie here unused. */
  spare(allocation: string): number {
    return this.#ways.get(allocation)?.spare.length ?? 0;
  }

  /** A connection that a runner has made for this allocation; nothing was said on it yet. */
  offer(allocation: string, socket: Socket): void {
    const ways = this.#of(allocation);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      ways.taken.delete(socket);
      const at = ways.spare.indexOf(socket);
      if (at !== -1) ways.spare.splice(at, 1);
      this.#tidy(allocation, ways);
    });
    const [first] = ways.waiting;
    if (first !== undefined) return first(socket);
    // The runner speaks first only by leaving. Read, or its leaving would be noticed by whoever takes it.
    socket.resume();
    socket.once("end", () => socket.destroy());
    ways.spare.push(socket);
  }

  /** @returns a fresh byte stream to the program's socket, the caller's alone. @throws ContrailError; or the signal's reason */
  take(allocation: string, signal?: AbortSignal): Promise<Socket> {
    signal?.throwIfAborted();
    const ways = this.#of(allocation);
    if (ways.taken.size + ways.waiting.size >= TAKEN_MAX)
      throw new ContrailError(
        "unavailable",
        `${TAKEN_MAX} connections to allocation ${allocation} are open, which is the limit`,
        { hint: "Close some of its pages." },
      );
    for (let socket = ways.spare.shift(); socket !== undefined; socket = ways.spare.shift()) {
      if (socket.destroyed || socket.readableEnded) continue;
      socket.removeAllListeners("end");
      ways.taken.add(socket);
      return Promise.resolve(socket);
    }
    return this.#wait(allocation, ways, signal);
  }

  #wait(allocation: string, ways: Ways, signal: AbortSignal | undefined): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        ways.waiting.delete(got);
        cancel();
        signal?.removeEventListener("abort", aborted);
        this.#tidy(allocation, ways);
      };
      const got = (socket: Socket): void => {
        ways.taken.add(socket);
        end();
        resolve(socket);
      };
      const aborted = (): void => {
        end();
        reject(signal?.reason);
      };
      const cancel = this.#clock.after(WAIT_MS, () => {
        end();
        reject(
          new ContrailError(
            "unavailable",
            `the runner of allocation ${allocation} has laid no way to its program for ${WAIT_MS / 1000} s`,
            { hint: "It may be starting, or out of reach: contrail top shows its runner." },
          ),
        );
      });
      signal?.addEventListener("abort", aborted, { once: true });
      ways.waiting.add(got);
    });
  }

  /** Cuts every way to a program that has ended, whoever holds it. */
  cut(allocation: string): void {
    const ways = this.#ways.get(allocation);
    for (const socket of [...(ways?.spare ?? []), ...(ways?.taken ?? [])]) socket.destroy();
  }

  /** Ids of allocations to which there are ways. */
  allocations(): string[] {
    return [...this.#ways.keys()];
  }

  close(): void {
    for (const allocation of this.allocations()) this.cut(allocation);
  }

  #of(allocation: string): Ways {
    const found = this.#ways.get(allocation);
    if (found !== undefined) return found;
    const made: Ways = { spare: [], taken: new Set(), waiting: new Set() };
    this.#ways.set(allocation, made);
    return made;
  }

  #tidy(allocation: string, ways: Ways): void {
    if (ways.spare.length + ways.taken.size + ways.waiting.size > 0) return;
    if (this.#ways.get(allocation) === ways) this.#ways.delete(allocation);
  }
}
