/** What goes wrong by itself, again and again, until it stops: of servers, runners, nodes, lines, clocks and disks. */
import type { Random } from "../base/random.ts";
import { chance, pick } from "./draws.ts";
import { PEACE } from "./faults.ts";
import type { MemoryBlobs } from "./memory-retention.ts";
import type { Network } from "./network.ts";
import type { SimContext } from "./sim-context.ts";
import type { SimNode } from "./sim-node.ts";
import { EPOCH_MS, type Skew, setRate } from "./timeline.ts";

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

/** What it strikes. */
export interface Troubled {
  readonly nodes: readonly SimNode[];
  readonly network: Network;
  readonly blobs: MemoryBlobs;
  /** Of the server. */
  readonly skew: Skew;
  readonly server: {
    crash(downMs: number): void;
    stop(): void;
    stall(forMs: number): void;
  };
}

export class Trouble {
  readonly #context: SimContext;
  readonly #random: Random;
  readonly #troubled: Troubled;
  #over = false;

  constructor(context: SimContext, random: Random, troubled: Troubled) {
    this.#context = context;
    this.#random = random;
    this.#troubled = troubled;
  }

  begin(): void {
    const { faults } = this.#context;
    const random = this.#random;
    const { nodes, network, server } = this.#troubled;
    const node = () => pick(random, nodes) as SimNode;
    this.every(faults.serverCrashEveryMs, () =>
      server.crash(this.#paced(200 + random.below(chance(random, 0.2) ? 20_000 : 2_000))),
    );
    this.every(faults.runnerCrashEveryMs, () => node().crash("is killed"));
    this.every(faults.runnerStopEveryMs, () => void node().stop());
    this.every(faults.serverStopEveryMs, () => server.stop());
    this.every(faults.nodeLossEveryMs, () =>
      node().losePower(this.#paced(2_000 + random.below(20_000))),
    );
    network.onLate = (runner) => this.#diesMeanwhile(runner);
    this.every(faults.processDeathEveryMs, () => node().killSomething());
    this.every(faults.partitionEveryMs, () => this.#partition());
    this.every(faults.clockEveryMs, () => this.#disturbClock());
    this.every(faults.diskFullEveryMs, () => {
      const { id, disk } = node();
      this.fill(disk, `the disk of ${id}`);
    });
    this.every(faults.diskSlowEveryMs, () => node().slow(this.#paced(stallMs(random))));
    // Not paced: leases are as long in small runs, and what is held against them has to be, too.
    this.every(faults.serverStallEveryMs, () => server.stall(stallMs(random)));
    this.every(faults.blobsFullEveryMs, () =>
      this.fill(this.#troubled.blobs, "the server's folder of blobs"),
    );
  }

  /** From now on nothing goes wrong any more. */
  end(): void {
    const { nodes, network, blobs, skew } = this.#troubled;
    this.#over = true;
    this.#context.faults = PEACE;
    network.cuts.clear();
    blobs.full = false;
    for (const { disk } of nodes) disk.full = false;
    for (const each of [skew, ...nodes.map((node) => node.skew)]) {
      each.frozenAtMs = null;
      setRate(each, this.#context.timeline.nowMs, 1);
    }
  }

  /** Again and again, about every so often, until the troubles stop. @param meanMs 0 = never */
  every(meanMs: number, happen: () => void): void {
    if (meanMs <= 0) return;
    const next = (): void => {
      this.#context.timeline.after(meanMs * (0.25 + 1.5 * this.#random.unit()), () => {
        if (this.#over) return;
        happen();
        next();
      });
    };
    next();
  }

  /** What lasts long in a large run does not in a small one. */
  #paced(ms: number): number {
    return Math.round(ms * this.#context.scenario.size.pace);
  }

  fill(disk: { full: boolean }, what: string): void {
    if (this.#over) return;
    disk.full = true;
    this.#context.trace("disk", `${what} is full`);
    this.#context.timeline.after(100 + this.#random.below(5_000), () => {
      disk.full = false;
    });
  }

  /** What a runner said is still on its way when it dies, and its successor begins with what the disk kept. */
  #diesMeanwhile(runner: string): void {
    const random = this.#random;
    if (this.#over || !chance(random, this.#context.faults.lateKills)) return;
    const node = this.#troubled.nodes.find(({ id }) => id === runner);
    const power = chance(random, 0.7);
    this.#context.timeline.after(random.below(500), () => {
      if (this.#over) return;
      if (power) node?.losePower(100 + random.below(1_500));
      else node?.crash("is killed while its words are on their way");
    });
  }

  #partition(): void {
    const random = this.#random;
    const { nodes, network } = this.#troubled;
    const cut = pick(random, ["both", "up", "down"] as const) ?? "both";
    // Now and then everybody at once: then the server's own line is cut.
    const cuts = nodes.filter(() => nodes.length === 1 || chance(random, 0.6));
    for (const { id } of cuts) network.cuts.set(id, cut);
    this.#context.trace("network", `is cut: ${cut} of ${cuts.map(({ id }) => id).join(" ")}`);
    // Most are longer than a lease, which is to run out.
    const forMs = chance(random, 0.6) ? 5_000 + random.below(40_000) : 200 + random.below(3_000);
    this.#context.timeline.after(forMs, () => {
      for (const { id } of cuts) network.cuts.delete(id);
    });
  }

  #disturbClock(): void {
    const random = this.#random;
    const { nodes, skew: ofServer } = this.#troubled;
    const skew = chance(random, 0.5) ? ofServer : (pick(random, nodes) as SimNode).skew;
    const sign = chance(random, 0.5) ? 1 : -1;
    switch (random.below(5)) {
      case 0:
        skew.offsetMs += sign * HOUR_MS;
        break;
      case 1:
        skew.offsetMs += sign * YEAR_MS;
        break;
      case 2:
        skew.offsetMs += sign * random.below(2_000);
        break;
      case 3:
        skew.frozenAtMs ??= Math.floor(EPOCH_MS + this.#context.timeline.nowMs);
        break;
      default:
        skew.frozenAtMs = null;
        setRate(skew, this.#context.timeline.nowMs, 0.9 + random.unit() * 0.2);
    }
    this.#context.trace("clock", JSON.stringify(skew));
  }
}

/** A second, five seconds, and whatever lies between. */
const stallMs = (random: Random): number =>
  chance(random, 0.5) ? 100 + random.below(1_500) : 1_000 + random.below(7_000);
