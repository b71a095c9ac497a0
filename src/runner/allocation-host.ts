/**
 * Performs what `allocation.ts` decides for one allocation: has its workspace laid out, its ranks
 * started and listened to, and its end told when nothing of it is left.
 */
import type { Clock } from "../base/clock.ts";
import type { AllocationOrders, LaunchSpec } from "../protocol/runner-wire.ts";
import type { Orders } from "../protocol/trial-socket.ts";
import { Agreements } from "./agreements.ts";
import {
  type AllocationAction,
  type AllocationInput,
  type AllocationState,
  isCancelled,
  newAllocation,
  owesWord,
  stepAllocation,
} from "./allocation.ts";
import { type AllocationExit, lostExit } from "./allocation-exit.ts";
import { isNoRoom, whenRoom, within } from "./backoff.ts";
import { Hearing } from "./hearing.ts";
import type { HostPlace, Machine, RunnerClient } from "./machine.ts";
import { mayStart, stillWaits } from "./may-start.ts";
import { NodeLost } from "./nodes/far-node.ts";
import { json, Outbox } from "./outbox.ts";
import { ProgressWatch } from "./progress-watch.ts";
import { untilRoom } from "./tasks/held-task.ts";
import { serves } from "./tasks/task-socket.ts";
import type { TrialSocketEvents } from "./trial-socket.ts";
import { welcomeOf } from "./welcome.ts";
import type { PreparedWorkspace } from "./workspace.ts";

export interface HostDeps {
  readonly clock: Clock;
  readonly client: RunnerClient;
  readonly machine: Machine;
  readonly limits: { readonly eventsMaxBytes: number; readonly logsMaxBytes: number };
  readonly eventsReady: () => void;
  readonly logsReady: () => void;
  /** The process groups of this allocation changed. */
  readonly groupsChanged: () => void;
  /** Every process is gone and the server has heard everything. */
  readonly delivered: (host: AllocationHost) => void;
  readonly say: (text: string) => void;
}

/** How long the end of a run may wait for what is known of its beginning; then for that to be given up. */
const CAPTURE_AFTER_MS = 2_000;
const CAPTURE_CUT_MS = 1_000;
/** Where a container has to be made to ask, once for each image and code. */
const CAPTURE_INSIDE_MS = 15_000;

export class AllocationHost {
  readonly outbox: Outbox;
  readonly #place: HostPlace;
  readonly #deps: HostDeps;
  readonly #ranks: ReturnType<Machine["newRanks"]>;
  readonly #preparing = new AbortController();
  readonly #capturing = new AbortController();
  readonly #hearing = new Hearing();
  #captured: Promise<void> = Promise.resolve();
  #state: AllocationState | null = null;
  #launch: LaunchSpec | null = null;
  #prepared: PreparedWorkspace | null = null;
  #socket: ReturnType<Machine["newSocket"]> | null = null;
  #cancelTimer: (() => void) | null = null;
  #watch: ProgressWatch | null = null;
  #task: ReturnType<Machine["newTask"]> | null = null;
  /** Checkpoints that are being taken over, while their program may wait. */
  #taking = 0;
  #version = -1;

  /** @param counted false when an earlier runner may have sent something under this id */
  constructor(place: HostPlace, deps: HostDeps, counted: boolean) {
    const { id, fence, folder, socketPath } = place;
    const { clock, client, limits, machine } = deps;
    const say = (text: string) => deps.say(`${id}: ${text}`);
    this.#place = place;
    this.#deps = deps;
    this.outbox = new Outbox({
      ...{ id, fence, folder, counted, clock, client, machine, limits, say },
      eventsReady: deps.eventsReady,
      logsReady: deps.logsReady,
      reports: this.#hearing,
      stillWaits: (step) => stillWaits(this.#state, step),
      output: { pause: () => this.#ranks.pause(), resume: () => this.#ranks.resume() },
      disowned: () => this.disown(),
      delivered: () => {
        this.close();
        deps.delivered(this);
      },
    });
    this.#ranks = machine.newRanks({
      ...{ folder, socketPath, say, tell: (text) => this.outbox.note(0, text) },
      outputOf: (rank) => this.outbox.outputOf(rank),
      signalsSent: () => this.#state?.signalsSent ?? [],
      goesOn: (begun) => this.#state !== null && mayStart(this.#state, begun),
      exited: (end) => this.#input({ type: "rank_exited", ...end }),
      first: (pid) => this.#begun(pid),
      changed: deps.groupsChanged,
    });
  }

  get id(): string {
    return this.#place.id;
  }

  /** Process groups that may have members. */
  get groups(): readonly number[] {
    return this.#ranks.groups;
  }

  get version(): number {
    return this.#version;
  }

  /** Begins an allocation that nobody has begun before. */
  launch(orders: AllocationOrders, launch: LaunchSpec): void {
    const { killGraceMs, yieldGraceMs } = launch;
    this.#launch = launch;
    this.#version = orders.version;
    this.#state = newAllocation({ orders, killGraceMs, yieldGraceMs });
    this.#watch = this.#newWatch(launch.progressDeadlineMs);
    // Nothing is fetched for what is not to begin, and its end waits for nothing.
    if (isCancelled(this.#state)) this.#input({ type: "prepared" });
    else void this.#prepare(launch);
  }

  #newWatch(deadlineMs: number | undefined): ProgressWatch | null {
    if (deadlineMs === undefined) return null;
    return new ProgressWatch({
      ...{ clock: this.#deps.clock, deadlineMs },
      counts: () =>
        this.#state !== null &&
        owesWord(this.#state) &&
        this.#taking === 0 &&
        !this.#hearing.isDeaf,
      overdue: (silentMs) => this.#input({ type: "overdue", silentMs }),
    });
  }

  /** Tells the end of an allocation whose runner died; its processes are gone already. */
  async recover(detail: string): Promise<void> {
    const { outbox } = this;
    if (outbox.hadEnded) return outbox.exitTold();
    await outbox.keeper.recover();
    const note = (text: string) => outbox.note(0, text);
    const keep = () => this.#deps.machine.keepLeft(this.#place.folder, outbox.keeper, note);
    const lost = (error: Error) => {
      note(`the folder could not be kept: ${error.message}`);
      return true;
    };
    try {
      await keep();
    } catch (error) {
      if (isNoRoom(error)) {
        // Beside everything else: a full disk must not keep a runner from beginning.
        const way = { clock: this.#deps.clock, signal: this.#preparing.signal, note };
        void untilRoom(keep, way)
          .catch(lost)
          .then((kept) => kept && this.#tellLost(detail));
        return;
      }
      lost(error as Error);
    }
    this.#tellLost(detail);
  }

  #tellLost(detail: string): void {
    const { outbox } = this;
    const damagedBytes = outbox.events.droppedBytes + outbox.logs.droppedBytes;
    const damage = `; ${damagedBytes} damaged bytes of its records were left out`;
    outbox.tellExit(lostExit(damagedBytes > 0 ? detail + damage : detail));
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

  disown(): void {
    this.#input({ type: "disowned", reason: "the server has ended or replaced this allocation" });
  }

  shutdown(graceMs: number): void {
    this.#capturing.abort(new Error("the runner was told to stop"));
    this.#input({ type: "shutdown", graceMs });
  }

  /** Saves and goes, to go on elsewhere. */
  leave(graceMs: number, reason: string): void {
    this.#input({ type: "leave", graceMs, reason });
  }

  /** Lets go of files and timers; what is on disk stays for the next runner. */
  close(): void {
    this.#preparing.abort(new Error("the runner ends"));
    this.#capturing.abort(new Error("the runner ends"));
    this.#cancelTimer?.();
    this.#watch?.stop();
    this.#task?.stop();
    this.#socket?.close();
    this.outbox.close();
  }

  async #prepare(launch: LaunchSpec): Promise<void> {
    const { clock, machine } = this.#deps;
    const { signal } = this.#preparing;
    const tell = (text: string) => this.outbox.note(0, text);
    const room = (work: () => Promise<void>) => whenRoom(work, { clock, signal, tell });
    try {
      await room(() => this.outbox.keeper.open());
      this.#prepared = await machine.prepare(launch, this.#place, { signal, tell });
      this.#launch = this.#prepared.launch ?? launch;
      this.#socket = this.#newSocket(this.#launch, this.#prepared);
      await room(async () => this.#socket?.listen());
      this.#hearing.attach(this.#socket);
      if (launch.task !== undefined) await room(() => this.#holdTask());
      this.#input({ type: "prepared" });
    } catch (error) {
      const lost = error instanceof NodeLost;
      this.#input({ type: "launch_failed", detail: (error as Error).message, lost });
    }
  }

  async #holdTask(): Promise<void> {
    const { clock, machine } = this.#deps;
    this.#task = machine.newTask({
      ...{ ...this.#place, launch: this.#launch!, work: this.#prepared!.code },
      keeper: this.outbox.keeper,
      tell: (usage) => {
        if (!this.outbox.isOver) this.outbox.put("usage", json({ atMs: clock.nowMs(), ...usage }));
      },
      note: (text) => this.outbox.note(0, text),
    });
    await this.#task.start();
  }

  #newSocket(launch: LaunchSpec, prepared: PreparedWorkspace): ReturnType<Machine["newSocket"]> {
    const { keeper } = this.outbox;
    const agreements = new Agreements(launch.ranks);
    return this.#deps.machine.newSocket({
      path: this.#place.socketPath,
      ranks: launch.ranks,
      events: {
        welcome: (rank) => {
          const { checkpoints: checkpointDir } = keeper;
          return welcomeOf(launch, prepared, { rank, checkpointDir, orders: this.#orders() });
        },
        hello: (rank, connection) => this.#input({ type: "hello", rank, connection }),
        message: (...said) => this.#message(...said),
        closed: (connection) => this.#input({ type: "closed", connection }),
        agree: (turn, rank) => agreements.answer(turn, rank, this.#orders()),
        checkpoint: async ({ step, path, metadata }) =>
          serves(launch)
            ? `this is a ${launch.task?.kind}: its folder is what is kept of it. Unset CONTRAIL_SOCKET to save into the folder`
            : this.#whileTaking(keeper.take(step, path, metadata)),
        fault: (text, rank) => this.outbox.note(rank, text),
      },
    });
  }

  async #whileTaking<T>(taken: Promise<T>): Promise<T> {
    this.#taking += 1;
    try {
      return await taken;
    } finally {
      this.#taking -= 1;
      this.#watch?.heard();
    }
  }

  #orders(): Orders {
    const { target, yield: yielding, reason } = this.#state!.orders;
    return { target, yield: yielding, reason };
  }

  #message(...[message, rank, connection]: Parameters<TrialSocketEvents["message"]>): void {
    const atMs = this.#deps.clock.nowMs();
    switch (message.type) {
      case "report":
        this.#watch?.heard();
        return this.outbox.put("report", {
          atMs: String(atMs),
          step: String(message.step),
          metrics: message.metrics,
          ...(message.refused === null ? {} : { refused: JSON.stringify(message.refused) }),
        });
      case "wait":
        return this.#input({ type: "wait", rank, step: message.step });
      case "invalid_hyperparameters":
        return this.outbox.putInTurn(message.type, json({ atMs, reason: message.reason }));
      case "observed":
        return this.outbox.put("record", json({ atMs, source: "program", own: message.part }));
      case "bye":
        this.#input({ type: "bye", connection });
    }
  }

  #input(input: AllocationInput): void {
    if (this.#state === null) return;
    const { state, actions } = stepAllocation(this.#state, input);
    this.#state = state;
    for (const action of actions) this.#perform(action);
  }

  #perform(action: AllocationAction): void {
    const { clock } = this.#deps;
    switch (action.type) {
      case "push":
        return this.#socket?.push(this.#orders());
      case "abort_preparation":
        this.#preparing.abort(new Error("the orders changed"));
        return this.#ranks.reconsider();
      case "spawn":
        void this.#spawn();
        return;
      case "signal":
        return this.#ranks.signal(this.#state?.alive ?? [], action.name);
      case "timer":
        this.#cancelTimer?.();
        this.#cancelTimer =
          action.delayMs === null
            ? null
            : clock.after(action.delayMs, () => this.#input({ type: "timer" }));
        return;
      case "waiting":
        return this.outbox.putInTurn("waiting", json({ atMs: clock.nowMs(), step: action.step }));
      case "sweep":
        void this.#sweep(action.graceMs);
        return;
      case "exited":
        void this.#tellExit(action.exit);
        return;
    }
  }

  /** The first process runs. While others are still started it may say much, and even wait. */
  #begun(pid: number): void {
    this.outbox.putInTurn("started", json({ atMs: this.#deps.clock.nowMs(), pid }));
    this.#hearing.begin();
    this.#task?.begun();
  }

  async #spawn(): Promise<void> {
    const { pids, fault, environment } = await this.#ranks.start(this.#launch!, this.#prepared!);
    // Orders came before the first of them.
    if (pids.length === 0 && fault === null) return this.#input({ type: "prepared" });
    this.#capture(environment);
    if (pids.length > 0) {
      this.#input({ type: "started", ranks: pids.map((_, rank) => rank) });
      this.#watch?.start();
    }
    if (fault !== null) this.#input({ type: "launch_failed", detail: fault });
    this.#ranks.release();
  }

  /** Beside the program, which waits for nothing of it. */
  #capture(environment: Readonly<Record<string, string>>): void {
    const { clock, machine, say } = this.#deps;
    this.#captured = machine
      .capture(
        {
          ...{ launch: this.#launch!, folder: this.#prepared!.code, environment },
          signal: this.#capturing.signal,
        },
        { prepared: this.#prepared!, socketPath: this.#place.socketPath },
      )
      .then((record) => {
        const fields = { atMs: clock.nowMs(), source: "runner", ...record };
        if (!this.outbox.isOver) this.outbox.put("record", json(fields));
      })
      .catch((error: Error) => say(`${this.id}: its record could not be taken: ${error.message}`));
  }

  /** The exit is the last event, so the record comes before it: at once as a rule, or as far as it got. */
  async #tellExit(exit: AllocationExit): Promise<void> {
    const { clock } = this.#deps;
    const inside = this.#launch?.container !== undefined;
    await within(clock, inside ? CAPTURE_INSIDE_MS : CAPTURE_AFTER_MS, this.#captured);
    this.#capturing.abort(new Error("the run was over before the answer came"));
    await within(clock, CAPTURE_CUT_MS, this.#captured);
    // Where the runner ends before the folder is kept, the next one keeps it and tells the end.
    if ((await this.#task?.end()) === false) return;
    this.outbox.tellExit(exit);
  }

  async #sweep(graceMs: number): Promise<void> {
    this.#watch?.stop();
    const end = await this.#ranks.sweep({
      graceMs,
      lift: () => this.outbox.lift(),
      drained: async () => this.#socket?.drained(),
    });
    this.#socket?.close();
    this.outbox.endOutput();
    this.#input({ type: "swept", ...end });
  }
}
