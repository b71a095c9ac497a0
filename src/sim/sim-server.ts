/**
 * The server: the real world, decision loop, tick loop, orders and answers to runners, on a ledger in memory and a virtual
 * clock. What HTTP would do around them (find rows of past allocations, name trees, store log lines) follows
 * `src/server/http/runner-routes.ts` in a few lines of its own. A crash drops all of it but ledger and blobs.
 */
import { sleep } from "../base/clock.ts";
import { parseId } from "../base/ids.ts";
import { keyed } from "../base/random.ts";
import type { LeaseLimits, Sighting } from "../core/lease/lease.ts";
import { searchWantsTicks } from "../core/search/methods.ts";
import { ContrailError } from "../protocol/errors.ts";
import {
  type LogsRequest,
  type OrdersReply,
  type SyncReply,
  type SyncRequest,
  syncRequest,
} from "../protocol/runner-wire.ts";
import { drain } from "../server/drain.ts";
import { LedgerMoved } from "../server/ledger.ts";
import type { PastAllocation } from "../server/live-experiment.ts";
import { loadWorld, reloadExperiments } from "../server/load.ts";
import { type Command, DecisionLoop } from "../server/loops/decision-loop.ts";
import { LeaseLoop, type Leases } from "../server/loops/lease-loop.ts";
import { startTickLoop } from "../server/loops/tick-loop.ts";
import { allocationsOf, type OrdersContext, OrderWaiters, ordersFor } from "../server/orders.ts";
import { RetentionKeeper } from "../server/retention/keeper.ts";
import {
  missingBlobs,
  type Purpose,
  putBlob,
  saveTrees,
  type UploadContext,
  uploadsDone,
} from "../server/retention/uploads.ts";
import { answerSync, unheardOf } from "../server/runner-requests.ts";
import { findLive } from "../server/sync.ts";
import { toLaunchSettings } from "../server/translate.ts";
import { LOCAL_RUNNER, needsTicks, type SlotInfo, World } from "../server/world.ts";
import { BlobGate } from "../store/blob-gate.ts";
import { BlobError } from "../store/blobs.ts";
import { FaultyLedger, InjectedFailure, type LedgerEvents } from "./faulty-ledger.ts";
import { LedgerRefusal, type MemoryLedger } from "./memory-ledger.ts";
import { type MemoryBlobs, MemoryRetentionStore, type MemoryTrees } from "./memory-retention.ts";
import type { SimContext } from "./sim-context.ts";
import { type Storage, slowStorage } from "./slow-storage.ts";
import { type Life, newLife, SimClock, type Skew } from "./timeline.ts";

const READ_MS = 2;
/** How long an experiment can be restored here. */
const RESTORABLE_MS = 4_000;

/** Of a slice of a runner's request, where this is looked at closely. */
const SLICE_VALUES_MAX = 2;

/** What is left of a server when its process is gone. */
export interface ServerDisk {
  readonly ledger: MemoryLedger;
  readonly blobs: MemoryBlobs;
  readonly trees: MemoryTrees;
  /** Allocation → the last line of output that is stored. */
  readonly logs: Map<string, number>;
}

export interface ServerParts {
  readonly context: SimContext;
  readonly disk: ServerDisk;
  readonly skew: Skew;
  readonly slots: readonly SlotInfo[];
  readonly events: LedgerEvents;
  /** Which start this is. */
  readonly start: number;
  readonly observe: (runner: string) => Sighting;
  /** A word of this runner was let in. */
  readonly onHeard: (runner: string) => void;
}

export class SimServer implements Leases {
  readonly world: World;
  readonly ledger: FaultyLedger;
  readonly life: Life = newLife();
  readonly #parts: ServerParts;
  readonly #clock: SimClock;
  readonly #waiters = new OrderWaiters();
  readonly #orders: OrdersContext;
  readonly #storage: Storage;
  readonly #uploads: UploadContext;
  #loop: DecisionLoop | null = null;
  #leases: LeaseLoop | null = null;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    const { context, disk, skew, slots, events, start } = parts;
    const random = keyed(context.scenario.seed, "ledger", start);
    this.#clock = new SimClock(context.timeline, this.life, skew);
    this.ledger = new FaultyLedger(disk.ledger, context, { life: this.life, random, events });
    this.world = new World(slots, this.#clock.nowMs());
    this.world.searchSnapshotEvery = context.scenario.searchSnapshotEvery;
    const gate = new BlobGate();
    const store = new MemoryRetentionStore(disk.ledger);
    this.#storage = slowStorage(
      context,
      { ...disk, store },
      {
        life: this.life,
        random: keyed(context.scenario.seed, "storage", start),
      },
    );
    const { blobs, trees } = this.#storage;
    this.#uploads = { world: this.world, blobs, trees, gate, clock: this.#clock };
    this.#orders = {
      world: this.world,
      launchSettings: toLaunchSettings,
      allocationToken: (id) => `token of ${id}`,
    };
  }

  get ready(): boolean {
    return this.life.alive && this.#loop !== null;
  }

  /** @throws InjectedFailure when the ledger does; then another start is due */
  async start(): Promise<void> {
    const { context } = this.#parts;
    const { world, ledger } = this;
    const tip = await ledger.takeOver();
    await loadWorld(world, ledger);
    const loop = new DecisionLoop({
      world,
      ledger,
      tip,
      nowMs: () => this.#clock.nowMs(),
      monotonicMs: () => this.#clock.monotonicMs(),
      reload: (ids) => reloadExperiments(world, ledger, ids),
      onCommitted: ({ runners, retention }) => {
        this.#waiters.wake(runners);
        keeper.mark(retention);
      },
      onFailure: (what, error) => this.#onFailure(what, error),
    });
    startTickLoop(loop, this.#clock, (live) =>
      needsTicks(live.x, searchWantsTicks(live.x.spec.search)),
    );
    const keeper = new RetentionKeeper({
      ...{ ...this.#uploads, loop, store: this.#storage.store },
      log: { info: () => undefined, error: (about: unknown) => this.#onRetention(about) },
      restorableMs: RESTORABLE_MS,
    });
    await keeper.start();
    const { observe } = this.#parts;
    const limits = context.scenario.lease;
    this.#leases = new LeaseLoop({ loop, clock: this.#clock, limits, observe });
    this.#leases.start();
    this.#loop = loop;
    context.trace("server", `is ready; ${world.experiments.size} experiments live`);
    loop
      .submit({
        name: "first plan",
        run: (_world, turn) => {
          turn.slotsChanged.value = true;
        },
      })
      .catch(() => undefined);
  }

  /** As a server stops together with its runners. @param stopRunners once everything that runs was told to save and go */
  async stop(stopRunners: () => Promise<unknown>): Promise<void> {
    const { loop } = this;
    await drain(loop, this.#clock);
    await stopRunners();
    this.#leases?.stop();
    await loop.stop();
  }

  /** Its process stands still: a disk that takes its time, a machine that swaps. */
  stall(forMs: number): void {
    this.life.stalledUntilMs = this.#parts.context.timeline.nowMs + forMs;
  }

  crash(): void {
    this.life.alive = false;
    this.#loop = null;
    this.ledger.die();
  }

  /** @throws ContrailError while it is not ready */
  get loop(): DecisionLoop {
    if (!this.#loop) throw new ContrailError("unavailable", "the server starts");
    return this.#loop;
  }

  /** What a person asks for: nobody waits for the answer of a server that has died, and some things are refused. */
  command(command: Command<void>): void {
    const { context } = this.#parts;
    context.timeline.reach(this.life, () =>
      this.loop.submit(command).catch((error: unknown) => {
        if (!(error instanceof ContrailError)) context.fail(error);
      }),
    );
  }

  /** A turn that failed was told of already; anything else is a mistake. */
  #onRetention(about: unknown): void {
    const { err } = about as { err: unknown };
    if (this.life.alive && !(err instanceof ContrailError)) this.#parts.context.fail(err);
  }

  #onFailure(what: string, error: unknown): void {
    if (!this.life.alive) return;
    this.#leases?.noteTrouble();
    const { context } = this.#parts;
    context.trace("server", `${what} failed: ${(error as Error).message}`);
    let cause = error;
    while (cause instanceof ContrailError && cause.cause !== undefined) cause = cause.cause;
    // The second of two attempts at one submission, of which the first was still under way.
    const repeated = cause instanceof LedgerRefusal && cause.message.startsWith("idempotency");
    const expected = cause instanceof InjectedFailure || cause instanceof LedgerMoved || repeated;
    if (!expected) context.fail(cause);
  }

  /** As `Leases`: who speaks is let in or refused. @throws ContrailError */
  async heard(runner: string, boot: string | null): Promise<void> {
    if (!this.#leases) throw new ContrailError("unavailable", "the server starts");
    await this.#leases.heard(runner, boot);
    this.#parts.onHeard(runner);
  }

  get limits(): LeaseLimits {
    return this.#parts.context.scenario.lease;
  }

  // ---- what runners ask ------------------------------------------------------------------------

  async sync(runner: string, text: string): Promise<SyncReply> {
    const { loop } = this;
    const { disk, context } = this.#parts;
    const sent: unknown = JSON.parse(text);
    // As HTTP would; it costs as much as all the rest of a request, so not every seed pays for it.
    const request = context.thorough ? syncRequest.parse(sent) : (sent as SyncRequest);
    const past = new Map<string, PastAllocation>();
    const ids = request.allocations.filter((a) => a.events.length > 0).map((a) => a.id);
    const unknown = ids.filter((id) => !findLive(this.world, id));
    if (unknown.length > 0) await sleep(this.#clock, READ_MS);
    for (const id of unknown) {
      const parsed = parseId(id);
      const found = parsed && disk.ledger.past(parsed);
      if (found) past.set(id, found);
    }
    const news = await unheardOf(loop, runner, request, past);
    using saved = await saveTrees(this.#uploads, news).catch(asRefusal);
    // Finer than in earnest, so that faults fall between the slices of a request.
    const fine = context.thorough ? { valuesMax: SLICE_VALUES_MAX } : {};
    const more = { past, treeName: saved.nameOf, ...fine };
    const reply = await answerSync(
      { loop, ledger: this.ledger, orders: this.#orders, leases: this },
      runner,
      request,
      more,
    );
    await uploadsDone(this.#uploads, saved.done);
    return reply;
  }

  async logs(runner: string, text: string): Promise<{ acked: Record<string, number> }> {
    const { disk } = this.#parts;
    const request = JSON.parse(text) as LogsRequest;
    await this.heard(runner, request.boot ?? null);
    await sleep(this.#clock, READ_MS);
    const acked: Record<string, number> = {};
    for (const { id, lines } of request.allocations) {
      const parsed = parseId(id);
      if (!findLive(this.world, id) && !(parsed && disk.ledger.past(parsed))) continue;
      let last = disk.logs.get(id) ?? 0;
      for (const line of lines) if (line.seq === last + 1) last = line.seq;
      disk.logs.set(id, last);
      acked[id] = last;
    }
    return { acked };
  }

  async orders(
    runner: string,
    boot: string | null,
    after: number,
    waitMs: number,
  ): Promise<OrdersReply> {
    await this.heard(runner, boot);
    const answer = () => ordersFor(this.#orders, runner, after);
    let found = answer();
    if (found.orders.length === 0 && after > 0 && waitMs > 0) {
      await new Promise<void>((resolve) => {
        const cancelTimer = this.#clock.after(waitMs, resolve);
        this.#waiters.wait(runner, () => {
          cancelTimer();
          resolve();
        });
      });
      found = answer();
    }
    const all = after === 0 ? await this.loop.read((world) => allocationsOf(world, runner)) : null;
    return { ...found, all, lease: this.world.runners.get(runner).leaseDurable };
  }

  missing(hashes: readonly string[], purpose?: Purpose): Promise<string[]> {
    return missingBlobs(this.#uploads, RUNNER, { hashes, for: purpose });
  }

  async put(hash: string): Promise<void> {
    async function* body(): AsyncGenerator<Uint8Array> {}
    await putBlob(this.#uploads, RUNNER, { hash, body: body() }).catch(asRefusal);
  }
}

/** As `http/app.ts` tells it. @throws ContrailError */
function asRefusal(error: unknown): never {
  if (error instanceof BlobError && error.code === "disk_full")
    throw new ContrailError("disk_full", error.message, { cause: error });
  throw error;
}

const RUNNER = { kind: "runner", runner: LOCAL_RUNNER } as const;
