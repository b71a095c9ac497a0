/**
 * One run: a server, a node and people on a virtual clock, with everything that a seed says goes wrong.
 *
 * First safety: whatever happens, no rule may be broken, and rules are checked at every step that could break
 * one. Then faults stop, and everything has to come to its end within a bound; a run that does not has failed,
 * too, and says what was left. Alternative refused: asserting only at the end, which finds that something went
 * wrong a thousand events after it did.
 */
import { keyed, type Random } from "../base/random.ts";
import type { Sighting } from "../core/lease/lease.ts";
import { DEFAULT_LEASE } from "../server/leases.ts";
import { LOCAL_RUNNER } from "../server/world.ts";
import { CommitRules } from "./commit-rules.ts";
import { checkMemory, LastRules } from "./last-rules.ts";
import { LeaseRules } from "./lease-rules.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import { MemoryBlobs, MemoryTrees } from "./memory-retention.ts";
import { Network, SimClient } from "./network.ts";
import { People } from "./people.ts";
import { ProcessRules } from "./process-rules.ts";
import { chance, drawScenario, PEACE, pick, type Scenario } from "./scenario.ts";
import { Broken, SimContext } from "./sim-context.ts";
import { SimNode } from "./sim-node.ts";
import { type ServerDisk, SimServer } from "./sim-server.ts";
import { watchSpool } from "./spool-rules.ts";
import { checkKept, Tidying } from "./tidying.ts";
import { EPOCH_MS, setRate, trueTime } from "./timeline.ts";
import { Trace } from "./trace.ts";

/** After the faults have stopped. */
const END_MS_MAX = 3_600_000;
const TYPE_AT = '{"type":"'.length;
const LETTER_R = "r".charCodeAt(0);
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

export interface Outcome {
  readonly seed: number;
  readonly broken: { readonly rule: string; readonly message: string } | null;
  readonly events: number;
  readonly commits: number;
  /** Leases that were lost. */
  readonly lost: number;
  readonly virtualMs: number;
  /** Of the trace; empty where none was kept. */
  readonly hash: string;
}

/** @param trace keep one */
export async function simulate(seed: number, trace = new Trace()): Promise<Outcome> {
  const simulation = new Simulation(drawScenario(seed), trace);
  let broken: Outcome["broken"] = null;
  try {
    await simulation.play();
  } catch (error) {
    const rule = error instanceof Broken ? error.rule : "nothing fails by a mistake of ours";
    const message = error instanceof Broken ? error.message : String((error as Error).stack);
    broken = { rule, message };
  }
  return { seed, broken, ...simulation.figures, hash: trace.on ? trace.hash() : "" };
}

export class Simulation {
  readonly #context: SimContext;
  readonly #disk: ServerDisk;
  readonly #nodes: readonly SimNode[];
  readonly #network: Network;
  readonly #people: People;
  readonly #tidying: Tidying;
  readonly #rules: CommitRules;
  readonly #random: Random;
  readonly #leaseRules: LeaseRules;
  readonly #processRules: ProcessRules;
  /** Slot → its runner. */
  readonly #slots: ReadonlyMap<string, string>;
  readonly #skew = trueTime();
  #server: SimServer | null = null;
  #starts = 0;
  #startedAtMs = 0;
  /** When a word of a runner was last let in. */
  readonly #heardAtMs = new Map<string, number>();
  #commits = 0;
  #healed = false;
  /** Reports that runners took, by allocation. */
  readonly #accepted = new Map<string, number>();

  constructor(scenario: Scenario, trace: Trace) {
    this.#context = new SimContext(scenario, trace);
    this.#random = keyed(scenario.seed, "faults");
    this.#slots = slotsOf(scenario);
    const ledger = new MemoryLedger();
    const trees = new MemoryTrees(ledger);
    this.#disk = { ledger, blobs: new MemoryBlobs(), trees, logs: new Map() };
    const server = () => this.#server;
    this.#network = new Network(this.#context, server);
    this.#nodes = scenario.runners.map(
      ({ id }) =>
        new SimNode(
          this.#context,
          id,
          (life, clock) => new SimClient(this.#network, { runner: id, life, clock }),
        ),
    );
    this.#people = new People(this.#context, ledger, server);
    this.#tidying = new Tidying(this.#context, this.#disk, server);
    const nodes = this.#nodes;
    const processes = {
      all: () => nodes.flatMap((node) => node.processes.all()),
      of: (allocation: string) => nodes.flatMap((node) => node.processes.of(allocation)),
      on: (slot: string) => processes.all().filter(({ slots }) => slots.includes(slot)),
      allocations: () => nodes.flatMap((node) => node.processes.allocations()),
    };
    this.#rules = new CommitRules(this.#context, {
      ...{ disk: this.#disk, slots: this.#slots, processes },
    });
    this.#leaseRules = new LeaseRules(this.#context);
    this.#processRules = new ProcessRules(this.#context, processes);
    for (const node of nodes)
      node.processes.onChange = (what, process) => this.#processRules.changed(what, process);
    this.#context.watchSpool = (allocation, spool) => {
      watchSpool(this.#context, ledger, { allocation, spool });
      this.#countReports(allocation, spool);
    };
  }

  get figures() {
    const { timeline } = this.#context;
    const { lost } = this.#leaseRules;
    return { events: timeline.count, commits: this.#commits, lost, virtualMs: timeline.nowMs };
  }

  async play(): Promise<void> {
    const { timeline, scenario, faults } = this.#context;
    if (this.#context.tracing) this.#context.trace("seed", describe(scenario));
    this.#startServer();
    for (const node of this.#nodes) node.start();
    this.#people.begin();
    this.#tidying.begin();
    this.#trouble();
    timeline.at(scenario.healAtMs, () => this.#heal());
    timeline.at(scenario.healAtMs + END_MS_MAX, () =>
      this.#context.broken("everything comes to its end", this.#whatIsLeft()),
    );
    await timeline.run(() => this.#over());
    await this.#checkMemory();
    const lossy = faults.nodeLossEveryMs > 0 || faults.diskFullEveryMs > 0;
    const keys = scenario.submissions.map(({ key }) => key);
    checkKept(this.#context, this.#disk);
    new LastRules(this.#context, this.#disk.ledger, this.#rules).check(
      keys,
      lossy ? null : this.#accepted,
    );
    if (!lossy) this.#leaseRules.checkEnd(this.#disk.ledger, this.#processRules.begun);
    await timeline.run(() => true);
  }

  #over(): boolean {
    const server = this.#server;
    if (!server?.ready || server.ledger.busy || !this.#people.done) return false;
    const { experiments, runners } = server.world;
    if (experiments.size > 0 || !this.#nodes.every((node) => node.quiet)) return false;
    return runners.all.every(({ lease }) => lease.standing === "held");
  }

  #whatIsLeft(): string {
    const nodes = this.#nodes.map(({ id, processes, disk }) => {
      const lease = this.#server?.world.runners.get(id).lease;
      return `${id} ${lease?.standing}, processes of ${processes.allocations().join(" ")}, told nothing of ${[...disk.notes.keys()].join(" ")}`;
    });
    const lives = [...(this.#server?.world.experiments.values() ?? [])].map((live) => {
      const trials = [...live.x.live].map((n) => `${live.id}.${n} ${live.x.trials.get(n)?.reason}`);
      return `experiment ${live.id} ${live.x.core.run} (${trials.join("; ")})`;
    });
    return `server ${this.#server?.ready ? "ready" : "down"}, ${lives.join(", ")}; ${nodes.join("; ")}`;
  }

  // ---- the server's life -----------------------------------------------------------------------

  #startServer(): void {
    this.#starts += 1;
    this.#startedAtMs = this.#context.timeline.nowMs;
    const server = new SimServer({
      ...{ context: this.#context, disk: this.#disk, skew: this.#skew, start: this.#starts },
      slots: [...this.#slots].map(([id, runner]) => ({
        ...{ id, runner, kind: "cpu", node: "here", description: "a core" },
      })),
      observe: (runner) => this.#observe(runner),
      onHeard: (runner) => this.#heardAtMs.set(runner, this.#context.timeline.nowMs),
      events: { committed: (contents) => this.#committed(contents) },
    });
    this.#server = server;
    server.start().catch((error: Error) => {
      if (!server.life.alive) return;
      this.#context.trace("server", `cannot start: ${error.message}`);
      if (error.name !== "InjectedFailure") return this.#context.fail(error);
      this.#crashServer(1_000);
    });
  }

  #crashServer(downMs: number): void {
    const server = this.#server;
    if (!server) return;
    this.#server = null;
    this.#context.trace("server", "is gone");
    server.crash();
    this.#network.reset(server);
    this.#context.timeline.after(downMs, () => this.#startServer());
  }

  /** In good order, and its runners with it. */
  #stopServer(): void {
    const server = this.#server;
    if (!server?.ready) return;
    this.#context.trace("server", "is told to stop");
    server
      .stop(() => Promise.all(this.#nodes.map((node) => node.stop())))
      .then(
        () => server === this.#server && this.#crashServer(500 + this.#random.below(3_000)),
        (error) => this.#context.fail(error),
      );
  }

  /** The engine: it tells the truth, or that it cannot tell. */
  #observe(runner: string): Sighting {
    const node = this.#nodes.find(({ id }) => id === runner);
    const blind = chance(this.#random, this.#context.faults.engineUnknown);
    const sighting: Sighting =
      blind || !node ? { state: "unknown", why: "no answer" } : node.sighting();
    this.#leaseRules.engineSaid(runner, sighting, this.#unheardMs(runner));
    return sighting;
  }

  /** True time in which a ready server has heard nothing of it. */
  #unheardMs(runner: string): number {
    const heardAtMs = this.#heardAtMs.get(runner) ?? 0;
    return this.#context.timeline.nowMs - Math.max(this.#startedAtMs, heardAtMs);
  }

  #committed(contents: Parameters<CommitRules["check"]>[0]): void {
    this.#commits += 1;
    const { context } = this.#context.tracing ? { context: this.#context } : { context: null };
    if (context)
      for (const { subject, what, cause } of contents.changes)
        context.trace("log", `${subject} ${what}: ${cause}`);
    this.#rules.check(contents);
    this.#leaseRules.check(contents);
  }

  async #checkMemory(): Promise<void> {
    const server = this.#server;
    if (!server?.ready || server.ledger.busy || !server.ledger.settled) return;
    await checkMemory(this.#context, server, this.#disk.ledger);
  }

  #countReports(allocation: string, spool: { append(payload: Uint8Array): number }): void {
    const append = spool.append.bind(spool);
    spool.append = (payload) => {
      // `{"type":"report"…`: no other event's type begins with this letter.
      if (payload[TYPE_AT] === LETTER_R)
        this.#accepted.set(allocation, (this.#accepted.get(allocation) ?? 0) + 1);
      return append(payload);
    };
  }

  // ---- trouble ---------------------------------------------------------------------------------

  #trouble(): void {
    const { faults } = this.#context;
    const random = this.#random;
    this.#every(faults.serverCrashEveryMs, () => {
      void this.#checkMemory();
      this.#crashServer(200 + random.below(chance(random, 0.2) ? 20_000 : 2_000));
    });
    const node = () => pick(random, this.#nodes) as SimNode;
    this.#every(faults.runnerCrashEveryMs, () => node().crash("is killed"));
    this.#every(faults.runnerStopEveryMs, () => void node().stop());
    this.#every(faults.serverStopEveryMs, () => this.#stopServer());
    this.#every(faults.nodeLossEveryMs, () => node().losePower(2_000 + random.below(20_000)));
    this.#every(faults.processDeathEveryMs, () => node().killSomething());
    this.#every(faults.partitionEveryMs, () => this.#partition());
    this.#every(faults.clockEveryMs, () => this.#disturbClock());
    this.#every(faults.diskFullEveryMs, () => {
      const { disk } = node();
      disk.full = true;
      this.#context.trace("node", "its disk is full");
      this.#context.timeline.after(100 + random.below(5_000), () => {
        disk.full = false;
      });
    });
    // What memory holds is looked at now and then, and always before it is lost.
    this.#every(this.#context.scenario.healAtMs / 2, () => void this.#checkMemory());
  }

  /** Again and again, about every so often, until the faults stop. */
  #every(meanMs: number, happen: () => void): void {
    if (meanMs <= 0) return;
    const next = (): void => {
      this.#context.timeline.after(meanMs * (0.25 + 1.5 * this.#random.unit()), () => {
        if (this.#healed) return;
        happen();
        next();
      });
    };
    next();
  }

  #partition(): void {
    const random = this.#random;
    const ways = ["both", "up", "down"] as const;
    const cut = ways[random.below(3)] ?? "both";
    // Now and then everybody at once: then the server's own line is cut.
    const cuts = this.#nodes.filter(() => this.#nodes.length === 1 || chance(random, 0.6));
    for (const { id } of cuts) this.#network.cuts.set(id, cut);
    this.#context.trace("network", `is cut: ${cut} of ${cuts.map(({ id }) => id).join(" ")}`);
    // Where leases are short they are to run out.
    const long = this.#context.scenario.lease === DEFAULT_LEASE ? 0.3 : 0.6;
    const forMs = chance(random, long) ? 5_000 + random.below(40_000) : 200 + random.below(3_000);
    this.#context.timeline.after(forMs, () => {
      for (const { id } of cuts) this.#network.cuts.delete(id);
    });
  }

  #disturbClock(): void {
    const random = this.#random;
    const skew = chance(random, 0.5) ? this.#skew : (pick(random, this.#nodes) as SimNode).skew;
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

  /** From now on nothing goes wrong any more. */
  #heal(): void {
    this.#context.trace("sim", "heals");
    this.#healed = true;
    this.#context.faults = PEACE;
    this.#network.cuts.clear();
    for (const { disk } of this.#nodes) disk.full = false;
    for (const skew of [this.#skew, ...this.#nodes.map((node) => node.skew)]) {
      skew.frozenAtMs = null;
      setRate(skew, this.#context.timeline.nowMs, 1);
    }
    this.#people.heal();
  }
}

/** Slot → its runner. */
const slotsOf = ({ runners }: Scenario): Map<string, string> =>
  new Map(
    runners.flatMap(({ id, slots }) =>
      Array.from({ length: slots }, (_, i) => {
        const slot = id === LOCAL_RUNNER ? `cpu:${i}` : `${id}/cpu:${i}`;
        return [slot, id] as const;
      }),
    ),
  );

function describe({
  seed,
  runners,
  lease,
  submissions,
  faults,
  strangeness,
  strange,
}: Scenario): string {
  const methods = submissions.map(({ config }) => config.searcher.name ?? "default").join(" ");
  const mix = Object.entries(faults)
    .filter(([, value]) => value > 0)
    .map(([name, value]) => `${name} ${Math.round(value * 100) / 100}`);
  const programs = strangeness > 0 ? strange.join(", ") : "all as they should be";
  const nodes = runners.map(({ id, slots }) => `${id} ${slots} slots`).join(", ");
  const limits = `${lease.silentMs}, ${lease.leaseMs}, ${lease.lostMs} ms`;
  return `${seed}: ${nodes}; silent, asked, lost after ${limits}; ${methods}; faults: ${mix.join(", ") || "none"}; programs: ${programs}`;
}
