/**
 * One runner: all allocations of its node. It compares what the server wants with what is here, starts
 * what is missing, ends what is too much, and leaves each allocation to its host.
 *
 * One process for all, rather than one beside each trial: 200 trials would cost 200 Node processes,
 * about 8 GB. What a runner's death takes with it is the same either way, because its successor and the
 * guardian end the training processes, and the trials go on from their checkpoints.
 */
import type { Clock } from "../base/clock.ts";
import type { AllocationOrders, SyncReply } from "../protocol/runner-wire.ts";
import type { AllocationExit } from "./allocation-exit.ts";
import { AllocationHost, type HostDeps } from "./allocation-host.ts";
import { whenRoom, within } from "./backoff.ts";
import { EndedAnswer, unbegunExit } from "./ended-answer.ts";
import type { Machine, RunnerClient } from "./machine.ts";
import { OrdersPoll } from "./orders-poll.ts";
import type { Outbox } from "./outbox.ts";
import { isFolderName } from "./state-folder.ts";
import { Uplink } from "./uplink.ts";
import type { UplinkSource } from "./uplink-stream.ts";

export interface RunnerOptions {
  readonly clock: Clock;
  readonly client: RunnerClient;
  readonly machine: Machine;
  readonly boot: string;
  readonly limits?: HostDeps["limits"];
  /** It is there for one allocation, and leaves when that is over. */
  readonly only?: { readonly allocation: string; readonly over: (why: string) => void };
  readonly say: (text: string) => void;
}

const DEFAULT_LIMITS = { eventsMaxBytes: 1024 ** 3, logsMaxBytes: 64 * 1024 ** 2 };
/** When the runner is told to stop: for the trials, and then for the server to hear of it. */
const STOP_GRACE_MS = 5_000;
const STOP_ENDED_MS = 6_500;
const STOP_FLUSH_MS = 2_000;
/** At the start, for what an earlier runner left; the rest goes on beside everything else. */
const RECOVER_MS = 5_000;
/** After a disk that took nothing. */
const NOTE_AGAIN_MS = 5_000;

export class Runner {
  readonly #options: RunnerOptions;
  readonly #hosts = new Map<string, AllocationHost>();
  readonly #deps: HostDeps;
  readonly #uplink: Uplink;
  readonly #poll: OrdersPoll;
  /** The same as arrays, because they are walked at each request. */
  #all: readonly AllocationHost[] = [];
  #outboxes: readonly Outbox[] = [];
  /** To orders for what has ended here, or never begins. */
  readonly #answers = new Map<string, EndedAnswer>();
  #sources: readonly UplinkSource[] = [];
  /** Left by an earlier runner, and not known yet by what it was: what it began may run. */
  readonly #untaken = new Set<string>();
  #heardVersion = 0;
  #lease = 0;
  #stopping = false;
  #emptied: (() => void) | null = null;

  constructor(options: RunnerOptions) {
    this.#options = options;
    const { clock, client, machine, say } = options;
    this.#uplink = new Uplink({
      ...{ client, clock, say, boot: options.boot },
      sources: () => this.#sources,
      ordersAfter: () => this.#heardVersion,
      lease: () => this.#lease,
      holds: () => this.#all.filter((host) => !host.outbox.isOver).map((host) => host.id),
      replied: (reply, askedUnder) => this.#replied(reply, askedUnder),
    });
    this.#poll = new OrdersPoll({
      ...{ client, clock, say, boot: options.boot },
      after: () => this.#heardVersion,
      lease: () => this.#lease,
      heard: (reply, askedUnder) => {
        if (!this.#holdsStill(reply.lease, askedUnder)) return false;
        this.#take(reply.orders, reply.ordersVersion);
        if (reply.all !== null) {
          this.#endOthers(new Set(reply.all), reply.ordersVersion);
          this.#leaveIfUnwanted(new Set(reply.all));
        }
        return true;
      },
      regressed: () => {
        say("the server counts orders from the beginning again; everything is asked for anew");
        this.#heardVersion = 0;
        for (const host of this.#all) host.forgetVersion();
      },
    });
    this.#deps = {
      ...{ clock, client, machine, say },
      limits: options.limits ?? DEFAULT_LIMITS,
      eventsReady: () => this.#uplink.eventsReady(),
      logsReady: () => this.#uplink.logsReady(),
      groupsChanged: () => machine.watch(this.#all.flatMap((host) => host.groups)),
      delivered: (host) => this.#delivered(host),
    };
  }

  /** Everything that it had to say was heard. */
  get idle(): boolean {
    return this.#hosts.size === 0;
  }

  /** Ends what an earlier runner left running, takes up what it had to say, then starts listening. */
  async start(): Promise<void> {
    const { machine, clock, say } = this.#options;
    // What has to wait for an engine that is away must not keep the others from being served.
    await within(clock, RECOVER_MS, this.#recoverAll());
    this.#uplink.start();
    this.#poll.start();
    // Beside everything else: it takes as long as the disk or the container engine does, and an engine gives up a runner
    // that does not say soon that it is there.
    machine
      .tidy()
      .catch((error: Error) =>
        say(
          `what is not needed any more could not be cleared away: ${error.stack ?? error.message}`,
        ),
      );
  }

  /** Like `stop`, with as much time to save as the engine gives. */
  async leave(graceMs: number, reason: string): Promise<void> {
    if (this.#stopping) return;
    const { clock } = this.#options;
    for (const host of this.#all) host.leave(graceMs, reason);
    await within(clock, graceMs, Promise.all(this.#outboxes.map((outbox) => outbox.ended)));
    await this.stop();
  }

  /** Ends every allocation with a grace, delivers what can be delivered in time, and returns. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const { clock, client, machine } = this.#options;
    await this.#poll.stop();
    for (const host of this.#all) host.shutdown(STOP_GRACE_MS);
    await within(clock, STOP_ENDED_MS, Promise.all(this.#outboxes.map((outbox) => outbox.ended)));
    if (this.#hosts.size > 0) {
      const emptied = new Promise<void>((resolve) => {
        this.#emptied = resolve;
      });
      await within(clock, STOP_FLUSH_MS, emptied);
    }
    client.close();
    await this.#uplink.stop();
    // Who is not over keeps its groups on the guardian's list, which ends them when the pipe closes.
    if (this.#outboxes.every((outbox) => outbox.isOver)) machine.release();
    for (const host of this.#all) host.close();
  }

  #replied(reply: SyncReply, askedUnder: number): void {
    if (this.#holdsStill(reply.lease, askedUnder)) this.#take(reply.orders, reply.ordersVersion);
  }

  /**
   * An answer that was under way while the lease was lost may name allocations that were given to somebody else since.
   * A lower number than the one we asked under comes from a server that has lost its past: there is nothing to compare.
   */
  #holdsStill(lease: number, askedUnder: number): boolean {
    if (lease < this.#lease && lease >= askedUnder) return false;
    this.#lease = lease;
    return true;
  }

  #take(orders: readonly AllocationOrders[], version: number): void {
    for (const order of orders) {
      try {
        this.#order(order);
      } catch (error) {
        // One allocation that cannot be begun (the disk is full) must not cost the others their orders.
        this.#options.say(`${order.id}: ${(error as Error).message}`);
        if (!this.#endUnbegun(order)) this.#retryOrder(order);
      }
    }
    this.#heardVersion = Math.max(this.#heardVersion, version);
  }

  #order(order: AllocationOrders): void {
    const host = this.#hosts.get(order.id);
    if (host !== undefined) return host.order(order);
    const { machine } = this.#options;
    if (this.#stopping) return;
    if (this.#answers.has(order.id)) return;
    if (machine.ended.has(order.id)) return this.#answer(order, null);
    if (this.#untaken.has(order.id))
      throw new Error("what an earlier runner left of it has not been taken up yet");
    if (!isFolderName(order.id))
      return this.#options.say(`${JSON.stringify(order.id)} is no id of an allocation; ignored`);
    const place = machine.place(order.id, order.fence);
    machine.begin(place);
    if (order.launch !== null) {
      const begun = new AllocationHost(place, this.#deps, true);
      this.#add(begun);
      begun.launch(order, order.launch);
      return;
    }
    // The server says that it was started here, and nothing of it is here.
    const lost = new AllocationHost(place, this.#deps, false);
    this.#add(lost);
    void lost.recover("this runner has no trace of it; its state folder was lost or replaced");
    this.#uplink.eventsReady();
  }

  /** Its end waits for no room. @returns false where it is to begin, or something of it may have */
  #endUnbegun(order: AllocationOrders): boolean {
    const exit = unbegunExit(order);
    const { id } = order;
    if (exit === null || this.#hosts.has(id) || this.#untaken.has(id)) return false;
    if (this.#options.machine.noteOf(id) !== undefined) return false;
    this.#answer(order, exit);
    return true;
  }

  /** It ended here, or never begins, and nothing of it is started. */
  #answer({ id, fence }: AllocationOrders, exit: AllocationExit | null): void {
    const settled = (): void => {
      this.#answers.delete(id);
      this.#list();
      if (exit !== null) this.#forget(id);
      this.#leaveAfter(id);
    };
    const { clock } = this.#options;
    const eventsReady = (): void => this.#uplink.eventsReady();
    this.#answers.set(id, new EndedAnswer({ id, fence, exit, clock, eventsReady, settled }));
    this.#list();
    eventsReady();
  }

  /** Unless the lease was lost meanwhile: what it began may be somebody else's by then. */
  #retryOrder(order: AllocationOrders): void {
    const lease = this.#lease;
    this.#options.clock.after(STOP_GRACE_MS, () => {
      if (!this.#stopping && this.#lease === lease) this.#take([order], 0);
    });
  }

  /** Ends what the server did not name, unless it heard of it only after that answer was written. */
  #endOthers(named: ReadonlySet<string>, version: number): void {
    for (const host of this.#all)
      if (!named.has(host.id) && host.version <= version && !host.outbox.isOver) host.disown();
  }

  async #recoverAll(): Promise<void> {
    const { machine, say } = this.#options;
    const ids = machine.leftovers();
    for (const id of ids) this.#untaken.add(id);
    // Beside each other: one that has to wait would leave those behind it unknown, and their orders would start them again.
    await Promise.all(
      ids.map((id) =>
        this.#recover(id).catch((error: Error) =>
          say(
            `${id}: could not be taken up from an earlier runner: ${error.stack ?? error.message}`,
          ),
        ),
      ),
    );
  }

  /** What it was started for had ended before it could begin. */
  #leaveIfUnwanted(named: ReadonlySet<string>): void {
    const { only } = this.#options;
    if (only && !named.has(only.allocation) && !this.#hosts.has(only.allocation))
      only.over("the server does not want its allocation any more");
  }

  async #recover(id: string): Promise<void> {
    const { machine, say, clock } = this.#options;
    const { signal } = new AbortController();
    const waits = { clock, signal, tell: say, waits: `${id}: taking it up` };
    const note = await whenRoom(async () => machine.noteOf(id), waits);
    this.#untaken.delete(id);
    if (note === undefined) return machine.forget(id);
    const place = machine.place(id, note.fence);
    // Known from the beginning, or an order that comes meanwhile would start it a second time.
    const host = new AllocationHost(place, this.#deps, false);
    this.#add(host);
    // Whom nobody can look for is not gone: until then nothing is told of it.
    const ended = await whenRoom(
      async () => (this.#stopping ? 0 : await machine.endLeftovers(place)),
      waits,
    );
    if (this.#stopping) return;
    const count = `${ended} ${ended === 1 ? "process" : "processes"}`;
    await host.recover(
      `the runner died; its successor found and ended ${count} of this allocation`,
    );
    say(`${id}: taken up from an earlier runner; ${count} ended`);
  }

  #add(host: AllocationHost): void {
    this.#hosts.set(host.id, host);
    this.#list();
  }

  #list(): void {
    this.#all = [...this.#hosts.values()];
    this.#outboxes = this.#all.map((host) => host.outbox);
    this.#sources = [...this.#outboxes, ...this.#answers.values()];
  }

  #delivered(host: AllocationHost): void {
    this.#hosts.delete(host.id);
    this.#list();
    this.#forget(host.id);
    if (this.#hosts.size === 0) this.#emptied?.();
    this.#leaveAfter(host.id);
  }

  #leaveAfter(id: string): void {
    const { only } = this.#options;
    if (id === only?.allocation) only.over("its allocation has ended");
  }

  /** Its folder goes when its end is noted: one of the two has to keep a late order from starting it again. */
  #forget(id: string): void {
    const { machine, clock, say } = this.#options;
    try {
      machine.ended.add(id);
    } catch (error) {
      say(`${id}: could not be noted as ended: ${(error as Error).message}`);
      clock.after(NOTE_AGAIN_MS, () => this.#forget(id));
      return;
    }
    // A folder that cannot be removed now is taken up at the next start.
    machine
      .forget(id)
      .catch((error: Error) => say(`${id}: its folder could not be removed: ${error.message}`));
  }
}
