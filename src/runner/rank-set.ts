/**
 * The ranks of one allocation as processes: started together, signalled together, and over only when
 * nothing that they started is left.
 */
import type { Clock } from "../base/clock.ts";
import { identify, machineBoot } from "../engines/process-identity.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import type { RankExit } from "./allocation.ts";
import { within } from "./backoff.ts";
import { type OomWatch, saidOutOfMemory } from "./out-of-memory.ts";
import { signalGroup } from "./process-scan.ts";
import type { RankOutput } from "./rank-output.ts";
import { LaunchError, type RankProcess } from "./rank-process.ts";
import type { RankStarter } from "./rank-starter.ts";
import { writeProcessNote } from "./state-folder.ts";
import { sweep } from "./sweep.ts";
import type { PreparedWorkspace } from "./workspace.ts";

export interface RankSetOptions {
  readonly clock: Clock;
  readonly starter: RankStarter;
  readonly oom: OomWatch;
  /** The allocation's folder. */
  readonly folder: string;
  readonly socketPath: string;
  readonly outputOf: (rank: number) => RankOutput;
  readonly signalsSent: () => readonly string[];
  readonly exited: (exit: RankExit, outOfMemory: string | null) => void;
  /** The process groups changed. */
  readonly changed: () => void;
  readonly say: (text: string) => void;
}

export interface StartedRanks {
  /** In order of rank, from 0. */
  readonly pids: readonly number[];
  /** Why not all of them could be started. */
  readonly fault: string | null;
}

/** How long pipes and sockets may stay open after every process is gone, because somebody unknown holds them. */
const LAST_BYTES_MS = 1_000;

export class RankSet {
  readonly #options: RankSetOptions;
  readonly #ranks: RankProcess[] = [];
  readonly #pipesClosed: Promise<void>[] = [];
  /** Ends that came before all ranks were started. */
  #early: (() => void)[] | null = [];
  #oomAtStart: number | null = null;
  /** A rank failed without our doing, and the kernel says nothing: what it printed last may tell why. */
  #askLastWords = false;
  #swept = false;

  constructor(options: RankSetOptions) {
    this.#options = options;
  }

  /** Process groups that may have members. */
  get groups(): readonly number[] {
    return this.#swept ? [] : this.#ranks.map((rank) => rank.pid);
  }

  /** Starts them one after the other. Ends are told only after `release`. */
  async start(launch: LaunchSpec, prepared: PreparedWorkspace): Promise<StartedRanks> {
    const { starter, oom, socketPath } = this.#options;
    this.#oomAtStart = oom.count();
    let fault: string | null = null;
    try {
      const plan = await starter.plan(launch, prepared, socketPath);
      for (let rank = 0; rank < launch.ranks; rank++) {
        const output = this.#options.outputOf(rank);
        let closed = () => {};
        const pipes = new Promise<void>((resolve) => {
          closed = resolve;
        });
        const process = await starter.start(plan, rank, {
          output: (stream, chunk) => output.take(stream, chunk),
          exited: (code, signal) => this.#exited({ rank, code, signal }),
          closed,
        });
        this.#ranks.push(process);
        this.#pipesClosed.push(pipes);
        this.#note();
        this.#options.changed();
      }
    } catch (error) {
      const known = error instanceof LaunchError;
      fault = known ? error.message : `the ranks could not be started: ${(error as Error).message}`;
    }
    return { pids: this.#ranks.map(({ pid }) => pid), fault };
  }

  /** From now on ends are told, those that came meanwhile first. */
  release(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const tell of early) tell();
  }

  /** @param ranks those that are alive; the pid of one that has ended may be somebody else's by now */
  signal(ranks: readonly number[], name: NodeJS.Signals): void {
    for (const rank of ranks) signalGroup(this.#ranks[rank]!.pid, name);
  }

  pause(): void {
    for (const rank of this.#ranks) rank.pause();
  }

  resume(): void {
    for (const rank of this.#ranks) rank.resume();
  }

  /**
   * Ends what outlived the ranks and reads what is still in the pipes.
   * @param options.lift called when every process is gone: what is left to read is little
   * @param options.drained resolves when the sockets have been read too
   */
  async sweep(options: {
    readonly graceMs: number;
    readonly lift: () => void;
    readonly drained: () => Promise<void>;
  }): Promise<{ outlived: number; outOfMemory: string | null }> {
    const { clock, starter, socketPath, changed } = this.#options;
    const marker = starter.marker(socketPath);
    const outlived = await sweep({ clock, graceMs: options.graceMs, groups: this.groups, marker });
    this.#swept = true;
    changed();
    options.lift();
    await within(clock, LAST_BYTES_MS, Promise.all([options.drained(), ...this.#pipesClosed]));
    for (const rank of this.#ranks) rank.abandonPipes();
    return { outlived, outOfMemory: this.#lastWords() };
  }

  #exited(exit: RankExit): void {
    const tell = () => {
      const { oom, signalsSent, exited } = this.#options;
      const sent = signalsSent();
      const unexpected = exit.signal === "SIGKILL" && !sent.includes("SIGKILL");
      const kernel = unexpected ? oom.explains(this.#oomAtStart) : null;
      const ours = exit.signal !== null && sent.includes(exit.signal);
      this.#askLastWords ||= exit.code !== 0 && !ours && kernel === null;
      exited(exit, kernel);
    };
    if (this.#early === null) tell();
    else this.#early.push(tell);
  }

  #lastWords(): string | null {
    if (!this.#askLastWords) return null;
    for (const rank of this.#ranks.keys()) {
      const said = saidOutOfMemory(this.#options.outputOf(rank).stderrEnd);
      if (said !== null) return said;
    }
    return null;
  }

  #note(): void {
    const groups = this.#ranks.map(({ pid }) => ({
      group: pid,
      started: identify(pid)?.started ?? null,
    }));
    try {
      writeProcessNote(this.#options.folder, { machineBoot: machineBoot(), groups });
    } catch (error) {
      // The guardian and the marker find them too.
      this.#options.say(`its process groups could not be noted: ${(error as Error).message}`);
    }
  }
}
