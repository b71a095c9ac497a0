/**
 * Performs what `allocation.ts` decides for one allocation: has its workspace laid out, its ranks
 * started and listened to, and its end told when nothing of it is left.
 */
import type { Clock } from "../base/clock.ts";
import type { AllocationOrders, LaunchSpec } from "../protocol/runner-wire.ts";
import type { Orders, ToTrial } from "../protocol/trial-socket.ts";
import {
  type AllocationAction,
  type AllocationInput,
  type AllocationState,
  newAllocation,
  stepAllocation,
} from "./allocation.ts";
import type { HostPlace, Machine, RunnerClient } from "./machine.ts";
import { json, Outbox } from "./outbox.ts";
import type { TrialMessage } from "./trial-message.ts";
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

export class AllocationHost {
  readonly outbox: Outbox;
  readonly #place: HostPlace;
  readonly #deps: HostDeps;
  readonly #ranks: ReturnType<Machine["newRanks"]>;
  readonly #preparing = new AbortController();
  #state: AllocationState | null = null;
  #launch: LaunchSpec | null = null;
  #prepared: PreparedWorkspace | null = null;
  #socket: ReturnType<Machine["newSocket"]> | null = null;
  #cancelTimer: (() => void) | null = null;
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
      reports: { pause: () => this.#socket?.pause(), resume: () => this.#socket?.resume() },
      output: { pause: () => this.#ranks.pause(), resume: () => this.#ranks.resume() },
      disowned: () => this.disown(),
      delivered: () => {
        this.close();
        deps.delivered(this);
      },
    });
    this.#ranks = machine.newRanks({
      ...{ folder, socketPath, say },
      outputOf: (rank) => this.outbox.outputOf(rank),
      signalsSent: () => this.#state?.signalsSent ?? [],
      exited: (exit, outOfMemory) => this.#input({ type: "rank_exited", ...exit, outOfMemory }),
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
    void this.#prepare(launch);
  }

  /** Tells the end of an allocation whose runner died; its processes are gone already. */
  async recover(detail: string): Promise<void> {
    const { outbox } = this;
    if (outbox.hadEnded) return outbox.exitTold();
    await outbox.keeper.recover();
    const damagedBytes = outbox.events.droppedBytes + outbox.logs.droppedBytes;
    const damage = `; ${damagedBytes} damaged bytes of its records were left out`;
    outbox.tellExit({
      kind: "runner_lost",
      processes: [],
      outOfMemory: null,
      signalsSent: [],
      yielded: false,
      detail: damagedBytes > 0 ? detail + damage : detail,
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

  disown(): void {
    this.#input({ type: "disowned", reason: "the server has ended or replaced this allocation" });
  }

  shutdown(graceMs: number): void {
    this.#input({ type: "shutdown", graceMs });
  }

  /** Lets go of files and timers; what is on disk stays for the next runner. */
  close(): void {
    this.#preparing.abort(new Error("the runner ends"));
    this.#cancelTimer?.();
    this.#socket?.close();
    this.outbox.close();
  }

  async #prepare(launch: LaunchSpec): Promise<void> {
    const { machine } = this.#deps;
    try {
      await this.outbox.keeper.open();
      this.#prepared = await machine.prepare(launch, this.#place.folder, this.#preparing.signal);
      this.#socket = this.#newSocket(launch, this.#prepared);
      await this.#socket.listen();
      this.#input({ type: "prepared" });
    } catch (error) {
      this.#input({ type: "launch_failed", detail: (error as Error).message });
    }
  }

  #newSocket(launch: LaunchSpec, prepared: PreparedWorkspace): ReturnType<Machine["newSocket"]> {
    const { keeper } = this.outbox;
    return this.#deps.machine.newSocket({
      path: this.#place.socketPath,
      ranks: launch.ranks,
      events: {
        welcome: (rank) => this.#welcome(launch, prepared, rank),
        hello: () => this.#input({ type: "hello" }),
        message: (message, rank) => this.#message(message, rank),
        checkpoint: ({ step, path, metadata }) => keeper.take(step, path, metadata),
        fault: (text, rank) => this.outbox.note(rank, text),
      },
    });
  }

  #welcome(launch: LaunchSpec, prepared: PreparedWorkspace, rank: number): ToTrial {
    const { experiment, trial, allocation, seed, unit, ranks } = launch;
    return {
      ...{ type: "welcome", experiment, trial, allocation, seed, rank, unit, size: ranks },
      params: launch.params as Extract<ToTrial, { type: "welcome" }>["params"],
      data: prepared.data,
      ...(launch.openEnded === true ? { openEnded: true } : {}),
      checkpointDir: this.outbox.keeper.checkpoints,
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
    const { clock } = this.#deps;
    switch (action.type) {
      case "push":
        return this.#socket?.push(this.#orders());
      case "abort_preparation":
        return this.#preparing.abort(new Error("the orders changed"));
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
        return this.outbox.tellExit(action.exit);
    }
  }

  async #spawn(): Promise<void> {
    const { pids, fault } = await this.#ranks.start(this.#launch!, this.#prepared!);
    if (pids.length > 0) {
      this.outbox.putInTurn("started", json({ atMs: this.#deps.clock.nowMs(), pid: pids[0] }));
      this.#input({ type: "started", ranks: pids.map((_, rank) => rank) });
    }
    if (fault !== null) this.#input({ type: "launch_failed", detail: fault });
    this.#ranks.release();
  }

  async #sweep(graceMs: number): Promise<void> {
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
