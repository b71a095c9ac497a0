/**
 * Ways from the server to the program of one task that serves. A few connections to the server lie ready; when the server
 * says something on one, the program's socket is opened, the two are joined, and another is laid down. So the server
 * never has to reach this node, and each stream has the kernel's order and back-pressure for itself.
 */
import { connect, type Socket } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { join } from "../../base/join.ts";
import { TUNNEL_PROTOCOL, tunnelPath } from "../../protocol/task-tunnel.ts";
import { Backoff } from "../backoff.ts";
import { type ServerClient, ServerFailure } from "../server-client.ts";

export interface TaskTunnelOptions {
  readonly client: Pick<ServerClient, "upgrade" | "runnerId">;
  readonly clock: Clock;
  readonly allocation: string;
  /** Where its program listens, or will. */
  readonly socketPath: string;
  readonly say: (text: string) => void;
}

/** Lying ready; each is laid down by a lane of its own. */
const SPARES = 6;
/** Joined at once; the server takes no more either. */
const JOINED_MAX = 256;
/** A server that is gone without a word is found out by the kernel after this and some seconds. */
const KEEP_ALIVE_MS = 20_000;
/** One that was cut sooner than this counts as a failure, or something that cuts each at once would be asked without a pause. */
const LIVED_MS = 1_000;

export class TaskTunnel {
  readonly #options: TaskTunnelOptions;
  readonly #abort = new AbortController();
  readonly #open = new Set<Socket>();
  #joined = 0;
  #failing = false;
  #started = false;

  constructor(options: TaskTunnelOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (let lane = 0; lane < SPARES; lane++) void this.#lane();
  }

  close(): void {
    this.#abort.abort(new Error("the task is over"));
    for (const socket of this.#open) socket.destroy();
  }

  async #lane(): Promise<void> {
    const { signal } = this.#abort;
    const backoff = new Backoff(this.#options.clock);
    signal.addEventListener("abort", () => backoff.cut(), { once: true });
    while (!signal.aborted) {
      if (this.#joined >= JOINED_MAX) {
        await backoff.wait();
        continue;
      }
      const slow = await this.#spare(backoff);
      if (slow !== null && !signal.aborted) await backoff.wait({ slow });
    }
  }

  /** One way from its beginning to its first byte. @returns null when it was used; else how to wait before the next */
  async #spare(backoff: Backoff): Promise<boolean | null> {
    const { client, clock, allocation, say } = this.#options;
    const { signal } = this.#abort;
    const path = tunnelPath(client.runnerId, allocation);
    let socket: Socket;
    try {
      socket = await client.upgrade(path, TUNNEL_PROTOCOL, signal);
    } catch (error) {
      if (signal.aborted) return false;
      if (!this.#failing) say(`${allocation}: no way to its program: ${(error as Error).message}`);
      this.#failing = true;
      return error instanceof ServerFailure && !["unreachable", "broken"].includes(error.kind);
    }
    this.#failing = false;
    const beganMs = clock.monotonicMs();
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#hold(socket);
    const isUsed = await firstByte(socket);
    if (isUsed) this.#join(socket);
    if (isUsed || clock.monotonicMs() - beganMs > LIVED_MS) {
      backoff.reset();
      return null;
    }
    return false;
  }

  #join(way: Socket): void {
    const program = connect({ path: this.#options.socketPath });
    this.#hold(program);
    this.#joined += 1;
    way.once("close", () => {
      this.#joined -= 1;
    });
    join(way, program, this.#options.clock);
  }

  #hold(socket: Socket): void {
    this.#open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#open.delete(socket));
    if (this.#abort.signal.aborted) socket.destroy();
  }
}

/** @returns whether something was said; false when it was closed before */
function firstByte(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const decide = (said: boolean) => (): void => {
      socket.off("readable", look);
      socket.off("close", closed);
      resolve(said);
    };
    const closed = decide(false);
    const said = decide(true);
    const look = (): void => {
      if (socket.readableLength > 0) return said();
      // Nothing and no more to come.
      if (socket.readableEnded) socket.destroy();
      else socket.read(0);
    };
    socket.on("readable", look);
    socket.once("end", () => socket.destroy());
    socket.once("close", closed);
    look();
  });
}
