/**
 * The ranks of an agent's node: started one by one as the head says, their output and their ends carried to it, their
 * connections to the trial's socket carried through. Nothing is decided here.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { hostname } from "node:os";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { join } from "../../base/join.ts";
import type { FromAgent } from "../../protocol/node-wire.ts";
import type { NodeMachine } from "../machine.ts";
import type { Rank, RankEnd } from "../rank.ts";
import type { RankPlan } from "../rank-starter.ts";

export interface AgentRanksOptions {
  readonly clock: Clock;
  readonly machine: Pick<NodeMachine, "starter" | "oom" | "watch">;
  /** Everything but where ranks are met, which is known when the first is started. */
  readonly plan: Omit<RankPlan, "gang">;
  /** Another connection to the head. */
  readonly connect: (
    purpose:
      | { readonly as: "trial" }
      | { readonly as: "output"; readonly rank: number; readonly stream: "stdout" | "stderr" },
  ) => Promise<TLSSocket>;
  readonly tell: (message: FromAgent) => void;
  /** A line of the trial's output. */
  readonly note: (text: string) => void;
  /** What the head would not hear of any more. */
  readonly broke: (why: string) => void;
}

export class AgentRanks {
  readonly #options: AgentRanksOptions;
  readonly #server: Server;
  readonly #ranks = new Map<number, Rank>();
  readonly #signalled = new Map<number, Set<string>>();
  readonly #oomAtStart: number | null;
  /** The last that was asked for; the head asks for one after the other. */
  #starting: Promise<unknown> = Promise.resolve();
  readonly #wanted = new Map<number, AbortController>();
  #ending = false;

  constructor(options: AgentRanksOptions) {
    this.#options = options;
    this.#oomAtStart = options.machine.oom.count();
    this.#server = createServer((socket) => void this.#carry(socket));
  }

  /** From now on programs find the trial's socket. */
  listen(): Promise<void> {
    const { socket } = this.#options.plan;
    rmSync(socket, { force: true });
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(socket, () => {
        this.#server.off("error", reject);
        this.#server.on("error", () => {}); // Out of descriptors for one accept; the next may succeed.
        chmodSync(socket, 0o600);
        resolve();
      });
    });
  }

  /** @throws LaunchError, or the network's error */
  start(rank: number, gang: RankPlan["gang"]): Promise<number> {
    const starting = this.#start(rank, gang);
    this.#starting = starting.catch(() => {});
    return starting;
  }

  async #start(rank: number, gang: RankPlan["gang"]): Promise<number> {
    const { machine, plan, note } = this.#options;
    const wanted = new AbortController();
    this.#wanted.set(rank, wanted);
    const outputs = await this.#connectOutputs(rank);
    let started: Rank | undefined;
    const full = (): boolean => Object.values(outputs).some((each) => each.writableNeedDrain);
    for (const output of Object.values(outputs)) {
      output.resume(); // Nothing comes; its end is heard of.
      output.on("drain", () => !full() && started?.resume());
      output.on("close", () => started?.abandonPipes());
    }
    try {
      if (this.#ending) throw new Error("the node was given up before it started");
      started = await machine.starter.start({ ...plan, ...(gang && { gang }) }, rank, {
        sinks: {
          output: (stream, chunk) => {
            if (outputs[stream].writable && !outputs[stream].write(chunk)) started?.pause();
          },
          exited: (end) => this.#exited(rank, end),
          closed: () => {
            for (const output of Object.values(outputs)) output.end();
          },
        },
        before: [...this.#ranks.values()],
        ...{ signal: wanted.signal, tell: note },
      });
    } catch (error) {
      for (const output of Object.values(outputs)) output.end();
      throw error;
    }
    if (full()) started.pause();
    this.#ranks.set(rank, started);
    machine.watch(this.#groups);
    return started.pid;
  }

  /** The network's fault is not the rank's: without them the node is given up. */
  async #connectOutputs(rank: number): Promise<{ stdout: TLSSocket; stderr: TLSSocket }> {
    const { connect, broke } = this.#options;
    let stdout: TLSSocket | undefined;
    try {
      stdout = await connect({ as: "output", rank, stream: "stdout" });
      return { stdout, stderr: await connect({ as: "output", rank, stream: "stderr" }) };
    } catch (error) {
      stdout?.destroy();
      broke(`the output of rank ${rank} cannot be carried: ${(error as Error).message}`);
      throw error;
    }
  }

  /** A start of which nothing is there yet. */
  giveUp(rank: number): void {
    this.#wanted.get(rank)?.abort(new Error("it is wanted no more"));
  }

  signal(rank: number, name: NodeJS.Signals): void {
    const sent = this.#signalled.get(rank) ?? new Set();
    this.#signalled.set(rank, sent.add(name));
    this.#ranks.get(rank)?.signal(name);
  }

  /** Ends what outlived the ranks, and whatever of them runs. @returns how many there were */
  async sweep(graceMs: number): Promise<number> {
    const { machine, plan } = this.#options;
    const { socket } = plan;
    const outlived = await machine.starter.endAll({ socket, groups: this.#groups, graceMs });
    machine.watch([]);
    return outlived;
  }

  /** Ends everything at once, what is about to start as well; nothing starts any more. */
  async end(): Promise<void> {
    this.#ending = true;
    for (const rank of this.#wanted.keys()) this.giveUp(rank);
    await this.#starting;
    await this.sweep(0);
    this.#server.close();
    rmSync(this.#options.plan.socket, { force: true });
    for (const rank of this.#ranks.values()) rank.abandonPipes();
  }

  get #groups(): number[] {
    return [...this.#ranks.values()].flatMap(({ group }) => group ?? []);
  }

  /** Whether memory ran out is counted by the kernel of this node. */
  #exited(rank: number, end: RankEnd): void {
    const { machine, tell } = this.#options;
    const ours = this.#signalled.get(rank)?.has("SIGKILL") === true;
    const outOfMemory =
      end.outOfMemory ??
      (end.signal === "SIGKILL" && !ours ? machine.oom.explains(this.#oomAtStart) : null);
    const who = outOfMemory === null ? null : `${outOfMemory} (on ${hostname()})`;
    tell({ type: "exited", rank, end: { ...end, outOfMemory: who } });
  }

  async #carry(socket: Socket): Promise<void> {
    socket.on("error", () => {}); // The program died; its end is carried all the same.
    socket.pause();
    let far: TLSSocket;
    try {
      far = await this.#options.connect({ as: "trial" });
    } catch (error) {
      socket.destroy();
      return this.#options.broke(`a rank cannot be heard: ${(error as Error).message}`);
    }
    join<Socket>(socket, far, this.#options.clock);
  }
}
