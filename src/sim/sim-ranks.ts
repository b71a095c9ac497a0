/** The processes of one allocation, with the rules of `src/runner/rank-set.ts` and `sweep.ts`, on the node's process table. */
import { keyed, type Random } from "../base/random.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import type { RankSetOptions, StartedRanks } from "../runner/rank-set.ts";
import { LOCAL_RUNNER } from "../server/world.ts";
import { chance } from "./draws.ts";
import type { NodeDisk } from "./node-disk.ts";
import type { ProcessTable, SimProcess } from "./process-table.ts";
import type { SimContext } from "./sim-context.ts";
import type { SimSocket } from "./sim-socket.ts";
import type { Life, SimClock } from "./timeline.ts";
import { Training } from "./training.ts";

/** What it needs of the node it is on. */
export interface RanksNode {
  /** Of its runner. */
  readonly id: string;
  readonly context: SimContext;
  readonly disk: NodeDisk;
  readonly processes: ProcessTable;
  readonly sockets: ReadonlyMap<string, SimSocket>;
}

export interface SimRanksOptions extends Omit<RankSetOptions, "clock" | "starter" | "oom"> {
  /** The runner's. */
  readonly life: Life;
  readonly clock: SimClock;
}

/** A slot's name over all nodes. */
export const slotId = (runner: string, onNode: string): string =>
  runner === LOCAL_RUNNER ? onNode : `${runner}/${onNode}`;

/** As in the real ones. */
const LAST_BYTES_MS = 1_000;
const FOLLOW_MS = 50;
const LOOK_MAX_MS = 1_000;
const SIGNAL_MS_MAX = 20;
/** Of a container, or of a process on another node. */
const SLOW_START_MS = 3_000;

export class SimRanks {
  readonly #node: RanksNode;
  readonly #options: SimRanksOptions;
  readonly #random: Random;
  readonly #ranks: SimProcess[] = [];
  #id = "";
  #early: (() => void)[] | null = [];
  /** One of those has failed. */
  #failed = false;
  #giveUp: () => void = () => undefined;
  #outOfMemory: string | null = null;
  /** The first rank has left its loop. */
  #left = false;
  #pipesHeld = false;
  #paused = false;
  #printed: (() => void)[] = [];
  #swept = false;

  constructor(node: RanksNode, options: SimRanksOptions) {
    this.#node = node;
    this.#options = options;
    this.#random = keyed(node.context.scenario.seed, "ranks", options.folder);
  }

  get groups(): readonly number[] {
    return this.#swept ? [] : this.#ranks.map((rank) => rank.pid);
  }

  async start(launch: LaunchSpec): Promise<StartedRanks> {
    this.#id = launch.allocation;
    const { faults } = this.#node.context;
    let fault: string | null = null;
    for (let rank = 0; rank < launch.ranks && this.#goesOn; rank++) {
      const slow = chance(this.#random, 0.1);
      const ready = this.#patience(1 + this.#random.below(slow ? SLOW_START_MS : 10));
      await Promise.race([ready, ...(slow ? [this.#givenUp()] : [])]);
      // Others are about to be there, and come whatever is decided meanwhile.
      if (slow && !this.#goesOn) break;
      if (chance(this.#random, faults.spawnFails)) {
        fault =
          "entrypoint: train could not be started: the machine has no room for another process";
        break;
      }
      this.#ranks.push(this.#spawn(launch, rank));
      // A program may be quicker than the answer to who started it.
      if (rank === 0) {
        await this.#patience(this.#random.below(10));
        this.#options.first(this.#ranks[0]!.pid);
      }
      this.#options.changed();
    }
    return { pids: this.#ranks.map(({ pid }) => pid), fault, environment: {} };
  }

  reconsider(): void {
    if (!this.#goesOn) this.#giveUp();
  }

  get #goesOn(): boolean {
    return !this.#failed && this.#options.goesOn(this.#ranks.length > 0);
  }

  #givenUp(): Promise<void> {
    return new Promise((resolve) => {
      this.#giveUp = resolve;
    });
  }

  #spawn(launch: LaunchSpec, rank: number): SimProcess {
    const { processes, context, sockets, disk } = this.#node;
    const { life, socketPath } = this.#options;
    const socket = () => sockets.get(socketPath);
    let ended: { outOfMemory: boolean } = { outOfMemory: false };
    let connection = 0;
    const ignoresTerm = context.behaviour(launch.trial) === "ignores SIGTERM";
    const process = processes.start({
      ...{ allocation: launch.allocation, slots: this.#slotsOf(launch), rank, ignoresTerm },
      onExit: (code, signal) => {
        if (rank === 0 && code === 0) this.#othersFollow();
        // The kernel closes it, after what was written to it.
        if (connection > 0) socket()?.deliver(() => socket()?.events.closed(connection));
        context.timeline.reach(life, () => this.#exited(rank, code, signal, ended.outOfMemory));
      },
    });
    if (rank > 0) {
      if (this.#left) this.#follows(process);
      return process;
    }
    const program = new Training(
      {
        timeline: context.timeline,
        scenario: context.scenario,
        send: (message) =>
          socket()?.deliver(() => socket()?.events.message(message, rank, connection)),
        hello: async () => {
          const open = socket();
          if (!open || !(await open.answered())) return undefined;
          open.onOrders = (orders) => process.alive && program.heard(orders);
          const { welcome, connection: made } = open.greet(rank);
          connection = made;
          return welcome.type === "welcome" ? welcome : undefined;
        },
        checkpoint: (step) =>
          new Promise((resolve) => {
            const open = socket();
            const answer = (kept: boolean): void => {
              if (!kept) context.notKept.add(this.#id);
              resolve(kept);
            };
            if (disk.full || !open?.open) {
              context.timeline.after(1, () => answer(false));
              return;
            }
            const path = `${launch.trial} at ${step}`;
            open.deliver(() =>
              open.events
                .checkpoint({ type: "checkpoint", step, path, metadata: {} })
                .then((fault) => {
                  if (fault === null) this.#noteTakenOver(step);
                  answer(fault === null);
                }),
            );
          }),
        print: (text) => this.#print(rank, text),
        exit: (code, signal, outOfMemory = false) => {
          ended = { outOfMemory };
          processes.end(process, code, signal ?? null);
        },
      },
      process,
      launch,
    );
    this.#pipesHeld = program.behaviour === "holds stdout open";
    if (program.behaviour === "leaves a child")
      processes.start({
        ...{ allocation: launch.allocation, slots: this.#slotsOf(launch), rank: null },
        ignoresTerm: chance(this.#random, 0.5),
        onExit: () => undefined,
      });
    program.start();
    return process;
  }

  /** A runner is told of slots as its node calls them; the rules know them as the server does. */
  #slotsOf({ slots }: LaunchSpec): string[] {
    return slots.map((slot) => slotId(this.#node.id, slot));
  }

  #noteTakenOver(step: number): void {
    const { takenOver } = this.#node.context;
    takenOver.set(this.#id, (takenOver.get(this.#id) ?? new Set()).add(step));
  }

  /** Ranks leave their loop together, also who comes only then. */
  #othersFollow(): void {
    this.#left = true;
    for (const rank of this.#ranks.slice(1)) this.#follows(rank);
  }

  #follows(rank: SimProcess): void {
    this.#node.context.timeline.after(5, () => this.#node.processes.end(rank, 0, null));
  }

  release(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const tell of early) tell();
  }

  signal(ranks: readonly number[], name: NodeJS.Signals): void {
    for (const rank of ranks) this.#send(this.#ranks[rank], name);
  }

  #send(process: SimProcess | undefined, name: NodeJS.Signals): void {
    if (!process || (name === "SIGTERM" && process.ignoresTerm)) return;
    const { timeline } = this.#node.context;
    timeline.after(1 + this.#random.below(SIGNAL_MS_MAX), () =>
      this.#node.processes.end(process, null, name),
    );
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const print of this.#printed.splice(0)) print();
  }

  async sweep(options: {
    readonly graceMs: number;
    readonly lift: () => void;
    readonly drained: () => Promise<void>;
  }): Promise<{ outlived: number; outOfMemory: string | null }> {
    const signalled = new Set<number>();
    const left = () => this.#node.processes.of(this.#id);
    await this.#patience(5);
    if (left().length > 0 && options.graceMs > 0) await this.#patience(FOLLOW_MS);
    const sinceMs = this.#options.clock.monotonicMs();
    let waitMs = 10;
    while (left().length > 0) {
      const patient = this.#options.clock.monotonicMs() - sinceMs < options.graceMs;
      for (const process of left()) {
        if (!patient || !signalled.has(process.pid))
          this.#send(process, patient ? "SIGTERM" : "SIGKILL");
        signalled.add(process.pid);
      }
      await this.#patience(waitMs);
      waitMs = Math.min(waitMs * 2, LOOK_MAX_MS);
    }
    this.#swept = true;
    this.#options.changed();
    options.lift();
    this.resume();
    await Promise.race([
      this.#patience(LAST_BYTES_MS),
      options.drained().then(() => (this.#pipesHeld ? new Promise(() => undefined) : undefined)),
    ]);
    return { outlived: signalled.size, outOfMemory: this.#outOfMemory };
  }

  #exited(
    rank: number,
    code: number | null,
    signal: NodeJS.Signals | null,
    outOfMemory: boolean,
  ): void {
    const tell = () =>
      this.#options.exited({
        ...{ rank, code, signal },
        outOfMemory: outOfMemory ? "the kernel's OOM killer" : null,
      });
    if (this.#early === null) return tell();
    this.#early.push(tell);
    this.#failed ||= code !== 0;
    this.reconsider();
  }

  #print(rank: number, text: string): void {
    const { life, outputOf } = this.#options;
    const take = () => outputOf(rank).take("stdout", Buffer.from(text));
    const print = () => this.#node.context.timeline.reach(life, take);
    if (this.#paused) this.#printed.push(print);
    else print();
  }

  #patience(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(ms, resolve);
    });
  }
}
