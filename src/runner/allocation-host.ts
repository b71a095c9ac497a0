/**
 * Performs what `allocation.ts` decides for one allocation: lays out its workspace, starts its ranks,
 * listens to them, and tells their end when nothing of them is left. Everything it has to say goes
 * into two spools; when the server has heard all of it, the folder may go.
 */
import type { Clock } from "../base/clock.ts";
import { identify, machineBoot } from "../engines/process-identity.ts";
import type { AllocationOrders, LaunchSpec } from "../protocol/runner-wire.ts";
import type { Orders, ToTrial } from "../protocol/trial-socket.ts";
import {
  type AllocationAction,
  type AllocationExit,
  type AllocationInput,
  type AllocationState,
  newAllocation,
  stepAllocation,
} from "./allocation.ts";
import { CheckpointKeeper } from "./checkpoint-keeper.ts";
import { EventQueue, type Place } from "./event-queue.ts";
import { type OomWatch, saidOutOfMemory } from "./out-of-memory.ts";
import { Pressure } from "./pressure.ts";
import { signalGroup } from "./process-scan.ts";
import { RankOutput } from "./rank-output.ts";
import { LaunchError, type RankProcess } from "./rank-process.ts";
import type { RankStarter } from "./rank-starter.ts";
import type { ServerClient } from "./server-client.ts";
import { Spool } from "./spool.ts";
import { writeProcessNote } from "./state-folder.ts";
import { sweep } from "./sweep.ts";
import type { TrialMessage } from "./trial-message.ts";
import { TrialSocket } from "./trial-socket.ts";
import type { UplinkSource } from "./uplink.ts";
import type { PreparedWorkspace, Workspace } from "./workspace.ts";

export interface HostDeps {
  readonly clock: Clock;
  readonly client: ServerClient;
  readonly workspace: Workspace;
  readonly starter: RankStarter;
  readonly oom: OomWatch;
  readonly limits: { readonly eventsMaxBytes: number; readonly logsMaxBytes: number };
  readonly eventsReady: () => void;
  readonly logsReady: () => void;
  /** The process groups of this allocation changed. */
  readonly groupsChanged: () => void;
  /** Every process is gone and the server has heard everything. */
  readonly delivered: (host: AllocationHost) => void;
  readonly say: (text: string) => void;
}

export interface HostPlace {
  readonly id: string;
  readonly fence: number;
  readonly folder: string;
  readonly socketPath: string;
}

/** How long pipes and sockets may stay open after every process is gone, because somebody unknown holds them. */
const LAST_BYTES_MS = 1_000;
const DETAIL_MAX_CHARS = 4_000;

export class AllocationHost implements UplinkSource {
  readonly id: string;
  readonly fence: number;
  readonly events: Spool;
  readonly logs: Spool;
  readonly #place: HostPlace;
  readonly #deps: HostDeps;
  readonly #queue: EventQueue;
  readonly #abort = new AbortController();
  readonly #preparing = new AbortController();
  readonly #keeper: CheckpointKeeper;
  readonly #places = new Map<object, Place>();
  readonly #outputs: RankOutput[] = [];
  readonly #eventsPressure: Pressure;
  readonly #logsPressure: Pressure;
  #state: AllocationState | null = null;
  #launch: LaunchSpec | null = null;
  #prepared: PreparedWorkspace | null = null;
  #socket: TrialSocket | null = null;
  #ranks: RankProcess[] = [];
  #pipesClosed: Promise<void>[] = [];
  #cancelTimer: (() => void) | null = null;
  #oomAtStart: number | null = null;
  /** A rank failed without our doing, and the kernel says nothing: what it printed last may tell why. */
  #askLastWords = false;
  #version = -1;
  /** The server has said how far it has heard this allocation. */
  #counted: boolean;
  #unknownThere = false;
  /** Every process is gone. */
  #swept = false;
  #exitSpooled = false;
  #delivered = false;
  #gone: (() => void) | null = null;
  /** Resolves when `exited` is in the spool. */
  readonly ended: Promise<void>;

  /** @param counted false when an earlier runner may have sent something under this id */
  constructor(place: HostPlace, deps: HostDeps, counted: boolean) {
    this.id = place.id;
    this.fence = place.fence;
    this.#place = place;
    this.#deps = deps;
    this.#counted = counted;
    this.events = Spool.open(place.folder, "events");
    this.logs = Spool.open(place.folder, "logs");
    this.ended = new Promise((resolve) => {
      this.#gone = resolve;
    });
    this.#queue = new EventQueue({
      spool: this.events,
      open: counted,
      appended: () => this.#appended(),
    });
    this.#keeper = new CheckpointKeeper({
      folder: place.folder,
      client: deps.client,
      clock: deps.clock,
      signal: this.#abort.signal,
      events: {
        stored: (checkpoint, tree) => {
          const { atMs, step, metadata } = checkpoint;
          return this.#takePlace(checkpoint).fill(json({ atMs, step, tree, metadata }));
        },
        lost: (checkpoint, why) => {
          this.#takePlace(checkpoint).drop();
          this.#note(0, `the checkpoint at step ${checkpoint.step} could not be kept: ${why}`);
        },
        offered: (checkpoint) => {
          this.#places.set(checkpoint, this.#queue.reserve("checkpoint"));
        },
      },
    });
    const stalled = (error: Error) =>
      deps.say(`${this.id}: the disk takes nothing more, its sources wait: ${error.message}`);
    this.#eventsPressure = new Pressure({
      ...{ spool: this.events, clock: deps.clock, maxBytes: deps.limits.eventsMaxBytes, stalled },
      pause: () => this.#socket?.pause(),
      resume: () => this.#socket?.resume(),
    });
    this.#logsPressure = new Pressure({
      ...{ spool: this.logs, clock: deps.clock, maxBytes: deps.limits.logsMaxBytes, stalled },
      pause: () => {
        for (const rank of this.#ranks) rank.pause();
      },
      resume: () => {
        for (const rank of this.#ranks) rank.resume();
      },
    });
  }

  /** Process groups that may have members. */
  get groups(): readonly number[] {
    return this.#swept ? [] : this.#ranks.map((rank) => rank.pid);
  }

  get version(): number {
    return this.#version;
  }

  get counted(): boolean {
    return this.#counted;
  }

  get isOver(): boolean {
    return this.#exitSpooled;
  }

  get isDelivered(): boolean {
    return this.#exitSpooled && this.#counted && this.#isHeard();
  }

  /** Begins an allocation that nobody has begun before. */
  launch(orders: AllocationOrders, launch: LaunchSpec): void {
    this.#launch = launch;
    this.#version = orders.version;
    this.#state = newAllocation({
      orders,
      killGraceMs: launch.killGraceMs,
      yieldGraceMs: launch.yieldGraceMs,
    });
    this.#prepare(launch).catch((error: Error) => {
      // A fault of ours; the allocation ends with it rather than hanging.
      this.#deps.say(`${this.id}: ${error.stack ?? error.message}`);
      this.#input({
        type: "launch_failed",
        detail: `the runner failed to start it: ${error.message}`,
      });
    });
  }

  /** Tells the end of an allocation whose runner died; its processes are gone already. */
  async recover(detail: string): Promise<void> {
    const last = this.events.lastAtOpen;
    const already =
      last !== null && (JSON.parse(last.toString("utf8")) as { type: string }).type === "exited";
    const damaged = this.events.droppedBytes + this.logs.droppedBytes;
    if (already) {
      this.#counted = true;
      this.#exitSpooled = true;
      this.#gone?.();
      return;
    }
    await this.#keeper.recover();
    const note =
      damaged > 0 ? `${detail}; ${damaged} damaged bytes of its records were left out` : detail;
    this.#tellExit({
      kind: "runner_lost",
      processes: [],
      outOfMemory: null,
      signalsSent: [],
      yielded: false,
      detail: note,
    });
  }

  order(orders: AllocationOrders): void {
    if (orders.version <= this.#version) return;
    this.#version = orders.version;
    this.#input({ type: "orders", orders });
  }

  /** The server counts versions from the beginning again. */
  forgetVersion(): void {
    this.#version = -1;
  }

  shutdown(graceMs: number): void {
    this.#input({ type: "shutdown", graceMs });
  }

  /** Lets go of files and timers; what is on disk stays for the next runner. */
  close(): void {
    this.#abort.abort(new Error("the runner ends"));
    this.#cancelTimer?.();
    this.#socket?.close();
    this.events.close();
    this.logs.close();
  }

  eventsAcked(seq: number): void {
    // Only where the disk may have lost what the server has, a number beyond ours can be right.
    this.events.ack(this.#counted ? Math.min(seq, this.events.lastSeq) : seq);
    if (!this.#counted) {
      this.#counted = true;
      this.#queue.open();
    }
    this.#eventsPressure.check();
    this.#checkDelivered();
  }

  logsAcked(seq: number): void {
    this.logs.ack(Math.min(seq, this.logs.lastSeq));
    this.#logsPressure.check();
    this.#checkDelivered();
  }

  disowned(known: boolean): void {
    this.#input({ type: "disowned", reason: "the server has ended or replaced this allocation" });
    if (known) return;
    this.#unknownThere = true;
    if (!this.#counted) {
      this.#counted = true;
      this.#queue.open();
    }
    this.#checkDelivered();
  }

  substitute(payload: Buffer, why: string): Buffer | undefined {
    const { type, seq, atMs, step } = JSON.parse(payload.toString("utf8")) as Record<
      string,
      unknown
    >;
    if (type !== "report") return undefined;
    this.#note(0, `the report at step ${step} was refused by the server: ${why}`);
    const refused = { "*": `all metrics of this report: ${why.slice(0, 200)}` };
    return Buffer.from(JSON.stringify({ type, seq, atMs, step, metrics: {}, refused }));
  }

  async #prepare(launch: LaunchSpec): Promise<void> {
    let prepared: PreparedWorkspace;
    try {
      await this.#keeper.open();
      prepared = await this.#deps.workspace.prepare(
        launch,
        this.#place.folder,
        this.#preparing.signal,
      );
      await this.#listen(launch, prepared);
    } catch (error) {
      this.#input({ type: "launch_failed", detail: (error as Error).message });
      return;
    }
    this.#prepared = prepared;
    this.#input({ type: "prepared" });
  }

  async #listen(launch: LaunchSpec, prepared: PreparedWorkspace): Promise<void> {
    this.#socket = new TrialSocket({
      path: this.#place.socketPath,
      ranks: launch.ranks,
      events: {
        welcome: (rank) => this.#welcome(launch, prepared, rank),
        hello: () => this.#input({ type: "hello" }),
        message: (message, rank) => this.#message(message, rank),
        checkpoint: ({ step, path, metadata }) => this.#keeper.take(step, path, metadata),
        fault: (text, rank) => this.#note(rank, text),
      },
    });
    await this.#socket.listen();
  }

  #welcome(launch: LaunchSpec, prepared: PreparedWorkspace, rank: number): ToTrial {
    return {
      type: "welcome",
      experiment: launch.experiment,
      trial: launch.trial,
      allocation: launch.allocation,
      params: launch.params as never,
      seed: launch.seed,
      rank,
      size: launch.ranks,
      data: prepared.data,
      unit: launch.unit,
      checkpointDir: this.#keeper.checkpoints,
      restore: prepared.restore,
      orders: this.#orders(),
    };
  }

  #orders(): Orders {
    const { target, yield: yielding, reason } = this.#state!.orders;
    return { target, yield: yielding, reason };
  }

  #message(message: Exclude<TrialMessage, { type: "hello" | "checkpoint" }>, rank: number): void {
    const atMs = this.#deps.clock.nowMs();
    switch (message.type) {
      case "report":
        return this.#queue.put("report", {
          atMs: String(atMs),
          step: String(message.step),
          metrics: message.metrics,
          ...(message.refused === null ? {} : { refused: JSON.stringify(message.refused) }),
        });
      case "wait":
        return this.#input({ type: "wait", rank, step: message.step });
      case "invalid_hyperparameters":
        return this.#queue.putInTurn(
          "invalid_hyperparameters",
          json({ atMs, reason: message.reason }),
        );
      case "bye":
        if (rank === 0) this.#input({ type: "bye" });
    }
  }

  #input(input: AllocationInput): void {
    if (this.#state === null) return;
    const { state, actions } = stepAllocation(this.#state, input);
    this.#state = state;
    for (const action of actions) this.#perform(action);
  }

  #perform(action: AllocationAction): void {
    switch (action.type) {
      case "push":
        return this.#socket?.push(this.#orders());
      case "abort_preparation":
        return this.#preparing.abort(new Error("the orders changed"));
      case "spawn":
        void this.#spawn();
        return;
      case "signal":
        // The number of a rank that has ended may be somebody else's by now.
        for (const rank of this.#state?.alive ?? [])
          signalGroup(this.#ranks[rank]!.pid, action.name);
        return;
      case "timer":
        this.#cancelTimer?.();
        this.#cancelTimer =
          action.delayMs === null
            ? null
            : this.#deps.clock.after(action.delayMs, () => this.#input({ type: "timer" }));
        return;
      case "waiting":
        return this.#queue.putInTurn(
          "waiting",
          json({ atMs: this.#deps.clock.nowMs(), step: action.step }),
        );
      case "sweep":
        void this.#sweep(action.graceMs);
        return;
      case "exited":
        return this.#tellExit(action.exit);
    }
  }

  /** Starts the ranks one after the other; their ends wait until all were started. */
  async #spawn(): Promise<void> {
    const { starter, oom, clock, groupsChanged } = this.#deps;
    this.#oomAtStart = oom.count();
    const early: AllocationInput[] = [];
    let fault: string | null = null;
    let begun = false;
    try {
      const plan = await starter.plan(this.#launch!, this.#prepared!, this.#place.socketPath);
      for (let rank = 0; rank < this.#launch!.ranks; rank++) {
        const output = this.#output(rank);
        let closed = () => {};
        const pipes = new Promise<void>((resolve) => {
          closed = resolve;
        });
        const process = await starter.start(plan, rank, {
          output: (stream, chunk) => output.take(stream, chunk),
          exited: (code, signal) => {
            const input = this.#rankExited(rank, code, signal);
            if (begun) this.#input(input);
            else early.push(input);
          },
          closed,
        });
        this.#ranks.push(process);
        this.#pipesClosed.push(pipes);
        this.#noteProcesses();
        groupsChanged();
      }
    } catch (error) {
      fault =
        error instanceof LaunchError
          ? error.message
          : `the ranks could not be started: ${(error as Error).message}`;
    }
    begun = true;
    const ranks = this.#ranks.map((_, rank) => rank);
    if (ranks.length > 0) {
      this.#queue.putInTurn("started", json({ atMs: clock.nowMs(), pid: this.#ranks[0]!.pid }));
      this.#input({ type: "started", ranks });
    }
    if (fault !== null) this.#input({ type: "launch_failed", detail: fault });
    for (const input of early) this.#input(input);
  }

  #rankExited(rank: number, code: number | null, signal: NodeJS.Signals | null): AllocationInput {
    const failed = code !== 0;
    const sent = this.#state?.signalsSent ?? [];
    const unexpected = signal === "SIGKILL" && !sent.includes("SIGKILL");
    const kernel = unexpected ? this.#deps.oom.explains(this.#oomAtStart) : null;
    const ours = signal !== null && sent.includes(signal);
    // The pipe may still hold the last words: they are looked at again when it has been read.
    this.#askLastWords ||= failed && !ours && kernel === null;
    return { type: "rank_exited", rank, code, signal, outOfMemory: kernel };
  }

  async #sweep(graceMs: number): Promise<void> {
    const { clock } = this.#deps;
    const outlived = await sweep({
      ...{ clock, graceMs, groups: this.groups },
      marker: this.#deps.starter.marker(this.#place.socketPath),
    });
    this.#swept = true;
    this.#deps.groupsChanged();
    this.#logsPressure.lift();
    this.#eventsPressure.lift();
    const heard = Promise.all([this.#socket?.drained(), ...this.#pipesClosed]);
    await within(clock, LAST_BYTES_MS, heard);
    for (const rank of this.#ranks) rank.abandonPipes();
    this.#socket?.close();
    for (const output of this.#outputs) output.end();
    this.#input({ type: "swept", outlived, outOfMemory: this.#lastWords() });
  }

  #lastWords(): string | null {
    if (!this.#askLastWords) return null;
    for (const output of this.#outputs) {
      const said = saidOutOfMemory(output.stderrEnd);
      if (said !== null) return said;
    }
    return null;
  }

  #tellExit(exit: AllocationExit): void {
    const detail = exit.detail.slice(0, DETAIL_MAX_CHARS);
    const place = this.#queue.reserve("exited");
    const fields = json({
      atMs: this.#deps.clock.nowMs(),
      ...exit,
      logLines: this.logs.lastSeq,
      detail,
    });
    void place.fill(fields).then(() => {
      this.#exitSpooled = true;
      this.#gone?.();
      this.#checkDelivered();
    });
  }

  #output(rank: number): RankOutput {
    this.#outputs[rank] ??= new RankOutput({
      rank,
      clock: this.#deps.clock,
      append: (records) => {
        this.logs.appendAll(records);
        this.#logsPressure.check();
        this.#deps.logsReady();
      },
    });
    return this.#outputs[rank];
  }

  #note(rank: number, text: string): void {
    if (!this.#delivered) this.#output(rank).note(text);
  }

  #noteProcesses(): void {
    const groups = this.#ranks.map(({ pid }) => ({
      group: pid,
      started: identify(pid)?.started ?? null,
    }));
    try {
      writeProcessNote(this.#place.folder, { machineBoot: machineBoot(), groups });
    } catch (error) {
      // The guardian and the marker find them too.
      this.#deps.say(
        `${this.id}: its process groups could not be noted: ${(error as Error).message}`,
      );
    }
  }

  #appended(): void {
    this.#eventsPressure.check();
    this.#deps.eventsReady();
  }

  #takePlace(checkpoint: object): Place {
    const place = this.#places.get(checkpoint)!;
    this.#places.delete(checkpoint);
    return place;
  }

  #isHeard(): boolean {
    const heard = (spool: Spool) => spool.ackedSeq === spool.lastSeq;
    return this.#unknownThere || (heard(this.events) && heard(this.logs));
  }

  #checkDelivered(): void {
    if (this.#delivered || !this.isDelivered) return;
    this.#delivered = true;
    this.close();
    this.#deps.delivered(this);
  }
}

const json = (fields: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, JSON.stringify(value)]));

async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const cancel = clock.after(ms, resolve);
    const end = () => {
      cancel();
      resolve();
    };
    work.then(end, end);
  });
}
