/**
 * One runner: all allocations of its node. It compares what the server wants with what is here, starts
 * what is missing, ends what is too much, and leaves each allocation to its host.
 *
 * One process for all, rather than one beside each trial: 200 trials would cost 200 Node processes,
 * about 8 GB. What a runner's death takes with it is the same either way, because its successor and the
 * guardian end the training processes, and the trials go on from their checkpoints.
 */
import { mkdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Clock } from "../base/clock.ts";
import { identify, machineBoot } from "../engines/process-identity.ts";
import type { AllocationOrders, SyncReply } from "../protocol/runner-wire.ts";
import { TRIAL_ENV } from "../protocol/trial-socket.ts";
import { removeCheckout } from "../store/snapshot.ts";
import { AllocationHost, type HostDeps, type HostPlace } from "./allocation-host.ts";
import { within } from "./backoff.ts";
import { BlobCache } from "./blob-cache.ts";
import type { Guardian } from "./guardian.ts";
import { OrdersPoll } from "./orders-poll.ts";
import { OomWatch } from "./out-of-memory.ts";
import type { Outbox } from "./outbox.ts";
import { rankStarter } from "./rank-starter.ts";
import type { ServerClient } from "./server-client.ts";
import {
  isFolderName,
  readLaunchNote,
  readProcessNote,
  type StateFolder,
  writeLaunchNote,
} from "./state-folder.ts";
import { sweep } from "./sweep.ts";
import { Uplink } from "./uplink.ts";
import { Workspace } from "./workspace.ts";

export interface RunnerOptions {
  readonly clock: Clock;
  readonly client: ServerClient;
  readonly state: StateFolder;
  readonly guardian: Guardian;
  readonly boot: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly nodeBinary: string;
  readonly repoRoot: string;
  readonly limits?: HostDeps["limits"];
  readonly say: (text: string) => void;
}

const DEFAULT_LIMITS = { eventsMaxBytes: 1024 ** 3, logsMaxBytes: 64 * 1024 ** 2 };
/** When the runner is told to stop: for the trials, and then for the server to hear of it. */
const STOP_GRACE_MS = 5_000;
const STOP_ENDED_MS = 6_500;
const STOP_FLUSH_MS = 2_000;

export class Runner {
  readonly #options: RunnerOptions;
  readonly #hosts = new Map<string, AllocationHost>();
  readonly #deps: HostDeps;
  readonly #uplink: Uplink;
  readonly #poll: OrdersPoll;
  readonly #cache: BlobCache;
  /** The same as arrays, because they are walked at each request. */
  #all: readonly AllocationHost[] = [];
  #outboxes: readonly Outbox[] = [];
  #heardVersion = 0;
  #stopping = false;
  #emptied: (() => void) | null = null;

  constructor(options: RunnerOptions) {
    this.#options = options;
    const { clock, client, state, say, environment, nodeBinary, repoRoot } = options;
    this.#cache = new BlobCache({ folder: state.cache, client, clock });
    this.#uplink = new Uplink({
      ...{ client, clock, say, boot: options.boot },
      sources: () => this.#outboxes,
      ordersAfter: () => this.#heardVersion,
      replied: (reply) => this.#replied(reply),
    });
    this.#poll = new OrdersPoll({
      ...{ client, clock, say },
      after: () => this.#heardVersion,
      heard: (reply) => {
        this.#take(reply.orders, reply.ordersVersion);
        if (reply.all !== null) this.#endOthers(new Set(reply.all), reply.ordersVersion);
      },
      regressed: () => {
        say("the server counts orders from the beginning again; everything is asked for anew");
        this.#heardVersion = 0;
        for (const host of this.#all) host.forgetVersion();
      },
    });
    this.#deps = {
      ...{ clock, client, say },
      workspace: new Workspace({ state, cache: this.#cache, clock }),
      starter: rankStarter({ client, environment, nodeBinary, repoRoot }),
      oom: new OomWatch(),
      limits: options.limits ?? DEFAULT_LIMITS,
      eventsReady: () => this.#uplink.eventsReady(),
      logsReady: () => this.#uplink.logsReady(),
      groupsChanged: () => options.guardian.watch(this.#all.flatMap((host) => host.groups)),
      delivered: (host) => this.#delivered(host),
    };
  }

  /** Ends what an earlier runner left running, takes up what it had to say, then starts listening. */
  async start(): Promise<void> {
    for (const id of this.#options.state.leftovers()) await this.#recover(id);
    this.#uplink.start();
    this.#poll.start();
    await this.#cache.trim();
  }

  /** Ends every allocation with a grace, delivers what can be delivered in time, and returns. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const { clock, client, guardian } = this.#options;
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
    if (this.#outboxes.every((outbox) => outbox.isOver)) guardian.release();
    for (const host of this.#all) host.close();
  }

  #replied(reply: SyncReply): void {
    this.#take(reply.orders, reply.ordersVersion);
  }

  #take(orders: readonly AllocationOrders[], version: number): void {
    for (const order of orders) {
      try {
        this.#order(order);
      } catch (error) {
        // One allocation that cannot be begun (the disk is full) must not cost the others their orders.
        this.#options.say(`${order.id}: ${(error as Error).message}`);
        this.#retryOrder(order);
      }
    }
    this.#heardVersion = Math.max(this.#heardVersion, version);
  }

  #order(order: AllocationOrders): void {
    const host = this.#hosts.get(order.id);
    if (host !== undefined) return host.order(order);
    if (this.#stopping || this.#options.state.ended.has(order.id)) return;
    if (!isFolderName(order.id))
      return this.#options.say(`${JSON.stringify(order.id)} is no id of an allocation; ignored`);
    const place = this.#place(order.id, order.fence);
    mkdirSync(place.folder, { recursive: true, mode: 0o700 });
    writeLaunchNote(place.folder, { id: order.id, fence: order.fence });
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

  #retryOrder(order: AllocationOrders): void {
    this.#options.clock.after(STOP_GRACE_MS, () => {
      if (!this.#stopping) this.#take([order], 0);
    });
  }

  /** Ends what the server did not name, unless it heard of it only after that answer was written. */
  #endOthers(named: ReadonlySet<string>, version: number): void {
    for (const host of this.#all)
      if (!named.has(host.id) && host.version <= version && !host.outbox.isOver) host.disown();
  }

  async #recover(id: string): Promise<void> {
    const { state, clock, say } = this.#options;
    const folder = state.allocation(id);
    const note = readLaunchNote(folder);
    if (note === undefined) {
      await removeCheckout(folder);
      return;
    }
    const place = this.#place(id, note.fence);
    const ended = await sweep({
      ...{ clock, graceMs: 0, groups: this.#leftGroups(folder) },
      marker: `${TRIAL_ENV.socket}=${place.socketPath}`,
    });
    rmSync(place.socketPath, { force: true });
    const host = new AllocationHost(place, this.#deps, false);
    this.#add(host);
    const count = `${ended} ${ended === 1 ? "process" : "processes"}`;
    await host.recover(
      `the runner died; its successor found and ended ${count} of this allocation`,
    );
    say(`${id}: taken up from an earlier runner; ${count} ended`);
  }

  /** Process groups that are certainly still the ones that were noted. */
  #leftGroups(folder: string): number[] {
    const note = readProcessNote(folder);
    if (note === undefined || note.machineBoot !== machineBoot()) return [];
    const isSame = ({ group, started }: { group: number; started: string | null }) => {
      const now = identify(group);
      // While any member lives the kernel gives the number to nobody else, so a group without its leader is the old one.
      return now === undefined || now.started === started;
    };
    return note.groups.filter(isSame).map(({ group }) => group);
  }

  #place(id: string, fence: number): HostPlace {
    const { state } = this.#options;
    return { id, fence, folder: state.allocation(id), socketPath: state.socket(id) };
  }

  #add(host: AllocationHost): void {
    this.#hosts.set(host.id, host);
    this.#list();
  }

  #list(): void {
    this.#all = [...this.#hosts.values()];
    this.#outboxes = this.#all.map((host) => host.outbox);
  }

  #delivered(host: AllocationHost): void {
    const { state, say } = this.#options;
    try {
      state.ended.add(host.id);
    } catch (error) {
      say(`${host.id}: could not be noted as ended: ${(error as Error).message}`);
    }
    this.#hosts.delete(host.id);
    this.#list();
    const folder = state.allocation(host.id);
    // Checkouts may be read-only, and a folder that cannot be removed now is taken up at the next start.
    removeCheckout(folder)
      .then(() => rm(folder, { recursive: true, force: true }))
      .catch((error: Error) =>
        say(`${host.id}: its folder could not be removed: ${error.message}`),
      );
    if (this.#hosts.size === 0) this.#emptied?.();
  }
}
