/**
 * Another node of the job as its head knows it: what is asked of the agent there, and what it has told. A rank on it is a rank
 * like any other to the rest of the runner. When the agent is lost, so are its ranks, which is nobody's failure.
 */
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import type { JsonObject } from "../../base/json.ts";
import { type FromAgent, fromAgent, type Meeting, type ToAgent } from "../../protocol/node-wire.ts";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import type { Rank, RankEnd, RankSinks } from "../rank.ts";
import { LaunchError } from "../rank-process.ts";
import { Channel } from "./link.ts";

/** What went away by itself, as a node does: nothing that anybody did wrong. */
export class NodeLost extends Error {
  override name = "NodeLost";
}

/** Where things lie on that node. */
export interface FarWorkspace {
  readonly data: JsonObject;
  readonly restore: { readonly step: number; readonly path: string } | null;
  readonly checkpoints: string;
}

export interface FarNodeOptions {
  readonly clock: Clock;
  readonly socket: TLSSocket;
  readonly node: number;
  readonly name: string;
  readonly leaseMs: number;
  /** The engine takes it away. */
  readonly leaving: (reason: string) => void;
  /** It is lost; not where it was let go. */
  readonly gone: (why: string) => void;
}

interface Waiter<T> {
  readonly done: (value: T) => void;
  readonly failed: (error: Error) => void;
}

export class FarNode {
  readonly node: number;
  readonly name: string;
  readonly #channel: Channel<FromAgent, ToAgent>;
  readonly #ranks = new Map<number, FarRank>();
  readonly #starts = new Map<number, Waiter<number>>();
  #preparing: (Waiter<FarWorkspace> & { readonly tell: (text: string) => void }) | null = null;
  #sweeping: ((outlived: number) => void) | null = null;
  #lost: string | null = null;
  #left = false;
  #workspace: FarWorkspace | null = null;
  readonly #options: FarNodeOptions;

  constructor(options: FarNodeOptions) {
    const { clock, socket, leaseMs } = options;
    this.#options = options;
    this.node = options.node;
    this.name = options.name;
    this.#channel = new Channel({
      ...{ clock, socket, leaseMs, schema: fromAgent },
      heard: (message) => this.#heard(message),
      closed: (why) => this.#isLost(why),
    });
  }

  /** What it has prepared. */
  get workspace(): FarWorkspace | null {
    return this.#workspace;
  }

  /** @throws LaunchError; NodeLost; the signal's reason */
  async prepare(
    launch: LaunchSpec,
    nodes: number,
    { signal, tell }: { readonly signal: AbortSignal; readonly tell: (text: string) => void },
  ): Promise<void> {
    if (this.#lost !== null) throw new NodeLost(this.#lost);
    signal.throwIfAborted();
    const prepared = new Promise<FarWorkspace>((done, failed) => {
      this.#preparing = { done, failed, tell };
      signal.addEventListener("abort", () => failed(signal.reason), { once: true });
    });
    this.#channel.send({ type: "prepare", launch, nodes });
    this.#workspace = await prepared;
  }

  /**
   * @param signal gives up a start of which nothing is there yet, once that node has said so
   * @throws LaunchError; or the signal's reason
   */
  async start(
    rank: number,
    meeting: Meeting,
    { sinks, signal: wanted }: { readonly sinks: RankSinks; readonly signal?: AbortSignal },
  ): Promise<Rank> {
    const far = new FarRank(sinks, (signal) =>
      this.#channel.send({ type: "signal", rank, signal }),
    );
    if (this.#lost !== null) {
      far.lose(this.#lost);
      return far;
    }
    this.#ranks.set(rank, far);
    const started = new Promise<number>((done, failed) => this.#starts.set(rank, { done, failed }));
    this.#channel.send({ type: "start", rank, meeting });
    const giveUp = (): void => this.#channel.send({ type: "unstart", rank });
    wanted?.addEventListener("abort", giveUp, { once: true });
    try {
      far.pid = await started;
    } catch (error) {
      wanted?.throwIfAborted();
      throw error;
    } finally {
      wanted?.removeEventListener("abort", giveUp);
    }
    return far;
  }

  /** One stream of a rank's output. */
  takeOutput(rank: number, stream: "stdout" | "stderr", socket: TLSSocket): void {
    const far = this.#ranks.get(rank);
    if (far === undefined || this.#lost !== null) socket.destroy();
    else far.read(stream, socket, () => this.#isLost(`the output of rank ${rank} broke off`));
  }

  /** Ends what still runs there. @returns how many there were; of one that is lost nobody knows, and 0 is said */
  async sweep(graceMs: number): Promise<number> {
    if (this.#lost !== null) return 0;
    return await new Promise((resolve) => {
      this.#sweeping = resolve;
      this.#channel.send({ type: "sweep", graceMs });
    });
  }

  /** The allocation is over. Resolves when it has left. */
  async over(): Promise<void> {
    if (this.#lost !== null) return;
    const { socket } = this.#options;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    this.#channel.send({ type: "over" });
    this.#left = true;
    await closed;
  }

  destroy(): void {
    this.#left = true;
    this.#options.socket.destroy();
  }

  #heard(message: FromAgent): void {
    switch (message.type) {
      case "tell":
        return this.#preparing?.tell(message.text);
      case "prepared": {
        const { data, restore, checkpoints } = message;
        return this.#preparing?.done({ data, restore, checkpoints });
      }
      case "unprepared":
        return this.#preparing?.failed(new LaunchError(`on ${this.name}: ${message.detail}`));
      case "started":
        return this.#starts.get(message.rank)?.done(message.pid);
      case "unstarted":
        return this.#starts
          .get(message.rank)
          ?.failed(new LaunchError(`on ${this.name}: ${message.detail}`));
      case "exited":
        return this.#ranks.get(message.rank)?.end(message.end as RankEnd);
      case "swept":
        return this.#sweeping?.(message.outlived);
      case "leaving":
        return this.#options.leaving(`${message.reason} (${this.name})`);
      case "beat":
        return;
    }
  }

  #isLost(why: string): void {
    if (this.#lost !== null) return;
    this.#lost = `node ${this.name} was lost: ${why}`;
    this.#options.socket.destroy();
    this.#preparing?.failed(new NodeLost(this.#lost));
    for (const rank of this.#ranks.values()) rank.lose(this.#lost);
    for (const start of this.#starts.values()) start.done(0);
    this.#sweeping?.(0);
    if (!this.#left) this.#options.gone(this.#lost);
  }
}

class FarRank implements Rank {
  pid = 0;
  /** It leads one there, where the agent sees to it. */
  readonly group = null;
  readonly #sinks: RankSinks;
  readonly #tell: (signal: NodeJS.Signals) => void;
  readonly #outputs: TLSSocket[] = [];
  #open = 2;
  #paused = false;
  #over = false;

  constructor(sinks: RankSinks, tell: (signal: NodeJS.Signals) => void) {
    this.#sinks = sinks;
    this.#tell = tell;
  }

  signal(name: NodeJS.Signals): void {
    if (!this.#over) this.#tell(name);
  }

  pause(): void {
    this.#paused = true;
    for (const output of this.#outputs) output.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const output of this.#outputs) output.resume();
  }

  abandonPipes(): void {
    for (const output of this.#outputs) output.destroy();
  }

  read(stream: "stdout" | "stderr", output: TLSSocket, broke: () => void): void {
    let ended = false;
    this.#outputs.push(output);
    output.on("data", (chunk: Buffer) => this.#sinks.output(stream, chunk));
    output.on("end", () => {
      ended = true;
    });
    output.on("close", () => {
      this.#open -= 1;
      if (this.#open === 0) this.#sinks.closed();
      if (!ended && !this.#over) broke();
    });
    if (!this.#paused) output.resume();
  }

  end(end: RankEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#sinks.exited(end);
  }

  lose(lost: string): void {
    this.end({ code: null, signal: null, lost });
    this.abandonPipes();
    if (this.#outputs.length < 2) this.#sinks.closed();
  }
}
