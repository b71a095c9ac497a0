/**
 * The ranks of one allocation, processes or containers: started together, signalled together, and over only when
 * nothing that they started is left.
 */
import type { Clock } from "../base/clock.ts";
import { identify, machineBoot } from "../engines/process-identity.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import type { RankEnded } from "./allocation-exit.ts";
import { whenRoom, within } from "./backoff.ts";
import { type OomWatch, saidOutOfMemory } from "./out-of-memory.ts";
import type { Rank, RankEnd } from "./rank.ts";
import type { RankOutput } from "./rank-output.ts";
import { LaunchError } from "./rank-process.ts";
import type { RankStarter } from "./rank-starter.ts";
import type { RendezvousPort } from "./rendezvous-port.ts";
import { writeProcessNote } from "./state-folder.ts";
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
  /** Whether ranks are still to be started. @param begun some are there, and may wait for the others */
  readonly goesOn: (begun: boolean) => boolean;
  readonly exited: (end: RankEnded) => void;
  /** One of them runs; the others are still to be started. */
  readonly first: (pid: number) => void;
  /** The process groups changed. */
  readonly changed: () => void;
  readonly say: (text: string) => void;
  /** A line of the trial's output. */
  readonly tell: (text: string) => void;
}

export interface StartedRanks {
  /** In order of rank, from 0; fewer than asked for where the starting did not go on. */
  readonly pids: readonly number[];
  /** Why one of them could not be started. */
  readonly fault: string | null;
  /** What the first of them got, or would have got. */
  readonly environment: Readonly<Record<string, string>>;
}

export class RankSet {
  readonly #options: RankSetOptions;
  readonly #ranks: Rank[] = [];
  readonly #pipesClosed: Promise<void>[] = [];
  /** Ends that came before all ranks were started. */
  #early: (() => void)[] | null = [];
  /** One of those has failed, and will end the others. */
  #failed = false;
  #starting = new AbortController();
  /** While they are started: how long after a pause those that are there wait for one that cannot be started; else null. */
  #patienceMs: number | null = null;
  #cancelPatience: (() => void) | null = null;
  #givenUp = false;
  #oomAtStart: number | null = null;
  #rendezvous: RendezvousPort | null = null;
  /** A rank failed without our doing, and the kernel says nothing: what it printed last may tell why. */
  #askLastWords = false;
  /** No output is read now, of whoever is started meanwhile either. */
  #paused = false;
  #swept = false;

  constructor(options: RankSetOptions) {
    this.#options = options;
  }

  /** Process groups that may have members. */
  get groups(): readonly number[] {
    return this.#swept ? [] : this.#ranks.flatMap(({ group }) => group ?? []);
  }

  /** Starts them one after the other. Ends are told only after `release`. */
  async start(launch: LaunchSpec, prepared: PreparedWorkspace): Promise<StartedRanks> {
    const { clock, starter, oom, socketPath, tell } = this.#options;
    this.#oomAtStart = oom.count();
    this.#patienceMs = launch.yieldGraceMs;
    let fault: string | null = null;
    let environment: Readonly<Record<string, string>> = {};
    try {
      this.#starting = new AbortController();
      const way = { clock, tell, signal: this.#starting.signal };
      const plan = await whenRoom(() => starter.plan(launch, prepared, socketPath), way);
      this.#rendezvous = plan.rendezvous;
      environment = starter.environment(plan, 0);
      for (let rank = 0; rank < launch.ranks && this.#goesOn; rank++) {
        const output = this.#options.outputOf(rank);
        let closed = () => {};
        const pipes = new Promise<void>((resolve) => {
          closed = resolve;
        });
        const sinks = {
          output: (stream: "stdout" | "stderr", chunk: Buffer) => output.take(stream, chunk),
          exited: (end: RankEnd) => this.#exited(rank, end),
          closed,
        };
        this.#starting = new AbortController();
        const { signal } = this.#starting;
        const before = this.#ranks;
        const started = await starter.start(plan, rank, { sinks, before, signal, tell });
        if (this.#paused) started.pause();
        this.#ranks.push(started);
        this.#pipesClosed.push(pipes);
        if (rank === 0) this.#options.first(started.pid);
        this.#note();
        this.#options.changed();
        this.reconsider();
      }
    } catch (error) {
      if (error !== this.#starting.signal.reason) fault = faultOf(error as Error);
    }
    this.#patienceMs = null;
    this.#cancelPatience?.();
    if (this.#ranks.length === 0) {
      // No sweep will come.
      this.#rendezvous?.release();
      await starter.clear(socketPath);
    }
    return { pids: this.#ranks.map(({ pid }) => pid), fault, environment };
  }

  /** What the starting depends on has changed. */
  reconsider(): void {
    if (!this.#goesOn) return this.#starting.abort(new Error("the starting does not go on"));
    if (this.#patienceMs === null || !this.#isPaused) return;
    this.#cancelPatience ??= this.#options.clock.after(this.#patienceMs, () => {
      this.#cancelPatience = null;
      this.#givenUp = this.#isPaused;
      if (this.#givenUp) this.reconsider();
    });
  }

  /** They would not have been begun by now. */
  get #isPaused(): boolean {
    return !this.#options.goesOn(false);
  }

  get #goesOn(): boolean {
    return !this.#failed && !this.#givenUp && this.#options.goesOn(this.#ranks.length > 0);
  }

  /** From now on ends are told, those that came meanwhile first. */
  release(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const tell of early) tell();
  }

  /** @param ranks those that are alive */
  signal(ranks: readonly number[], name: NodeJS.Signals): void {
    for (const rank of ranks) this.#ranks[rank]!.signal(name);
  }

  pause(): void {
    this.#paused = true;
    for (const rank of this.#ranks) rank.pause();
  }

  resume(): void {
    this.#paused = false;
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
    const { graceMs } = options;
    const outlived = await starter.endAll({ socket: socketPath, groups: this.groups, graceMs });
    this.#swept = true;
    this.#rendezvous?.release();
    changed();
    options.lift();
    const read = Promise.all([options.drained(), ...this.#pipesClosed]);
    await within(clock, starter.lastBytesMs, read);
    for (const rank of this.#ranks) rank.abandonPipes();
    await starter.clear(socketPath);
    return { outlived, outOfMemory: this.#lastWords() };
  }

  #exited(rank: number, end: RankEnd): void {
    const tell = () => {
      const { oom, signalsSent, exited } = this.#options;
      const sent = signalsSent();
      const unexpected = end.signal === "SIGKILL" && !sent.includes("SIGKILL");
      const outOfMemory =
        end.outOfMemory ??
        (end.outOfMemory === undefined && unexpected ? oom.explains(this.#oomAtStart) : null);
      const ours = end.signal !== null && sent.includes(end.signal);
      this.#askLastWords ||= end.code !== 0 && !ours && outOfMemory === null;
      exited({ ...end, rank, outOfMemory });
    };
    if (this.#early === null) return tell();
    this.#early.push(tell);
    this.#failed ||= end.code !== 0;
    this.reconsider();
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
    if (this.groups.length === 0) return;
    try {
      const groups = this.groups.map((group) => ({
        group,
        started: identify(group)?.started ?? null,
      }));
      writeProcessNote(this.#options.folder, { machineBoot: machineBoot(), groups });
    } catch (error) {
      // The guardian and the marker find them too.
      this.#options.say(`its process groups could not be noted: ${(error as Error).message}`);
    }
  }
}

const faultOf = (error: Error): string =>
  error instanceof LaunchError ? error.message : `the ranks could not be started: ${error.message}`;
