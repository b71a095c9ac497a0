/**
 * One server's connection to the ledger, through which commits take their time, fail, are refused, or end without
 * anybody knowing how. The last is the fault to fear: the rows may be there, may come in a moment, or never.
 */
import type { Random } from "../base/random.ts";
import { type Ledger, LedgerMoved } from "../server/ledger.ts";
import type { StoredExperiment } from "../store/live-rows.ts";
import type { BatchContents, ChainTip, MetricPoint, WriteBatch } from "../store/write-batch.ts";
import { chance } from "./draws.ts";
import { LedgerRefusal, type MemoryLedger } from "./memory-ledger.ts";
import type { SimContext } from "./sim-context.ts";
import type { Life } from "./timeline.ts";

/** A failure that the scenario asked for, told from those that nobody did. */
export class InjectedFailure extends Error {
  override name = "InjectedFailure";
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

interface Underway {
  readonly contents: BatchContents;
  readonly tip: ChainTip;
  /** The turn that it follows. */
  readonly turn: number;
  applied: boolean;
}

export interface LedgerEvents {
  /** Rows became durable. */
  committed(contents: BatchContents): void;
  /** The server is to die before anything else happens. */
  death(): void;
}

export class FaultyLedger implements Ledger {
  readonly #memory: MemoryLedger;
  readonly #context: SimContext;
  readonly #life: Life;
  readonly #random: Random;
  readonly #events: LedgerEvents;
  #underway: Underway | null = null;
  #turn = 0;
  #settled = true;

  constructor(
    memory: MemoryLedger,
    context: SimContext,
    of: { readonly life: Life; readonly random: Random; readonly events: LedgerEvents },
  ) {
    this.#memory = memory;
    this.#context = context;
    this.#life = of.life;
    this.#random = of.random;
    this.#events = of.events;
  }

  /** Memory agrees with what is durable: the last thing that was written was answered, and nobody else wrote. */
  get settled(): boolean {
    return this.#settled && this.#turn === this.#memory.turn;
  }

  get busy(): boolean {
    return this.#underway !== null;
  }

  async takeOver(): Promise<ChainTip> {
    await this.#read();
    // A commit that has begun is waited for, one that has not will find that it is too late.
    if (chance(this.#random, 0.5)) await this.#memory.underway;
    const tip = await this.#memory.takeOver();
    this.#turn = this.#memory.turn;
    return tip;
  }

  async holds(place: ChainTip): Promise<boolean> {
    await this.#read();
    return this.#memory.holds(place);
  }

  async load(ids?: readonly number[]): Promise<StoredExperiment[]> {
    await this.#read();
    return this.#memory.load(ids);
  }

  async counters() {
    await this.#read();
    return this.#memory.counters();
  }

  async commit(batch: WriteBatch, tip: ChainTip): Promise<ChainTip> {
    const { faults } = this.#context;
    const underway: Underway = { contents: batch.contents, tip, turn: this.#turn, applied: false };
    this.#underway = underway;
    this.#settled = false;
    const kills = chance(this.#random, faults.commitKills) ? this.#random.below(3) : -1;
    if (kills === 0) this.#events.death();
    const slow = chance(this.#random, faults.commitSlow) ? 1000 + this.#random.below(4000) : 0;
    await this.#wait(1 + this.#random.below(4 + faults.commitMsMax) + slow);
    try {
      if (chance(this.#random, faults.commitFails)) throw this.#failure();
      if (chance(this.#random, faults.commitRefused))
        throw new InjectedFailure("22003", "the database refuses the data");
      if (chance(this.#random, faults.commitUnknown)) return this.#unknown(underway);
      const next = this.#apply(underway);
      if (kills === 1) this.#events.death();
      await this.#wait(this.#random.below(3));
      if (kills === 2) this.#events.death();
      this.#turn += 1;
      this.#settled = true;
      return next;
    } finally {
      this.#underway = null;
    }
  }

  /** It may have happened also where it failed. */
  async storeAhead(metrics: readonly MetricPoint[]): Promise<void> {
    const { faults } = this.#context;
    await this.#wait(1 + this.#random.below(4 + faults.commitMsMax));
    if (chance(this.#random, faults.commitFails)) throw this.#failure();
    await this.#memory.storeAhead(metrics);
    if (chance(this.#random, faults.commitUnknown))
      throw new InjectedFailure("08006", "connection lost during an insert");
    await this.#wait(this.#random.below(3));
  }

  /** The server dies: what was on its way may have arrived. */
  die(): void {
    const underway = this.#underway;
    this.#underway = null;
    if (!underway || underway.applied) return;
    const fate = this.#random.below(3);
    if (fate === 0) this.#tryToApply(underway);
    else if (fate === 1) this.#later(underway);
  }

  #failure(): InjectedFailure {
    const full = chance(this.#random, 0.3);
    this.#context.trace("ledger", full ? "is full" : "fails a commit");
    return full
      ? new InjectedFailure("53100", "could not extend file: no space left on device")
      : new InjectedFailure("57P01", "terminating connection");
  }

  #unknown(underway: Underway): never {
    const fate = this.#random.below(3);
    this.#context.trace("ledger", `loses a connection in a commit (fate ${fate})`);
    if (fate === 0) this.#apply(underway);
    else if (fate === 1) this.#later(underway);
    throw new InjectedFailure("08006", "connection lost during commit");
  }

  /** It still happens, unless another turn has come before it. */
  #later(underway: Underway): void {
    const { timeline } = this.#context;
    this.#memory.underway = timeline
      .delay(this.#random.below(3000))
      .then(() => this.#tryToApply(underway));
  }

  /** Nobody is there any more to hear of a refusal. */
  #tryToApply(underway: Underway): void {
    try {
      this.#apply(underway);
    } catch (error) {
      if (!(error instanceof LedgerMoved || error instanceof LedgerRefusal)) throw error;
    }
  }

  /** @throws LedgerMoved */
  #apply(underway: Underway): ChainTip {
    if (this.#memory.turn !== underway.turn) throw new LedgerMoved("a turn came in between");
    const next = this.#memory.apply(underway.contents, underway.tip);
    underway.applied = true;
    this.#events.committed(underway.contents);
    return next;
  }

  async #read(): Promise<void> {
    await this.#wait(1 + this.#random.below(3));
    if (chance(this.#random, this.#context.faults.readFails))
      throw new InjectedFailure("08006", "connection lost");
  }

  /** Who is dead waits for ever. */
  #wait(ms: number): Promise<void> {
    const { timeline } = this.#context;
    return new Promise((resolve) => {
      timeline.at(timeline.nowMs + ms, resolve, this.#life);
    });
  }
}
