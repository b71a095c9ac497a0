/**
 * One run: a server, a node and people on a virtual clock, with everything that a seed says goes wrong.
 *
 * First safety: whatever happens, no rule may be broken, and rules are checked at every step that could break
 * one. Then faults stop, and everything has to come to its end within a bound; a run that does not has failed,
 * too, and says what was left. Alternative refused: asserting only at the end, which finds that something went
 * wrong a thousand events after it did.
 */
import { setImmediate as macrotask } from "node:timers/promises";
import { keyed, type Random } from "../base/random.ts";
import type { Sighting } from "../core/lease/lease.ts";
import { CommitRules } from "./commit-rules.ts";
import { chance } from "./draws.ts";
import { checkMemory, LastRules } from "./last-rules.ts";
import { LeaseRules } from "./lease-rules.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import { MemoryBlobs, MemoryTrees } from "./memory-retention.ts";
import { Network, SimClient } from "./network.ts";
import { OrderRules } from "./order-rules.ts";
import { People } from "./people.ts";
import { ProcessRules } from "./process-rules.ts";
import { drawScenario, type Scenario } from "./scenario.ts";
import { SearchRules } from "./search-rules.ts";
import { Broken, SimContext, type SpoolOwner } from "./sim-context.ts";
import { SimNode } from "./sim-node.ts";
import { slotId } from "./sim-ranks.ts";
import { type ServerDisk, SimServer } from "./sim-server.ts";
import type { Size } from "./sizes.ts";
import { watchSpool } from "./spool-rules.ts";
import { checkKept, Tidying } from "./tidying.ts";
import { trueTime } from "./timeline.ts";
import { Trace } from "./trace.ts";
import { Trouble } from "./trouble.ts";

/** After the faults have stopped. */
const END_MS_MAX = 3_600_000;
/** As in `lease-loop.ts`. */
const LOOKS_APART_MS_MAX = 1_000;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);
/** After a commit: then its answer has come, unless something is wrong with it. */
const SETTLED_MS = 4;
const TYPE_AT = '{"type":"'.length;
const LETTER_E = "e".charCodeAt(0);
const LETTER_P = "p".charCodeAt(0);

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

/** @param trace keep one @param size absent = as the seed draws it */
export async function simulate(seed: number, trace = new Trace(), size?: Size): Promise<Outcome> {
  const simulation = new Simulation(drawScenario(seed, size), trace);
  let broken: Outcome["broken"] = null;
  const fail = (error: unknown): void => {
    const rule = error instanceof Broken ? error.rule : "nothing fails by a mistake of ours";
    const message = error instanceof Broken ? error.message : String((error as Error).stack);
    broken ??= { rule, message };
  };
  // What fails with nobody to hear it. Where a rule is broken already it comes of that, and takes no other run down with it.
  process.on("unhandledRejection", fail);
  try {
    await simulation.play();
  } catch (error) {
    fail(error);
  }
  await macrotask();
  process.off("unhandledRejection", fail);
  return { seed, broken, ...simulation.figures, hash: trace.hash() };
}

export class Simulation {
  readonly #context: SimContext;
  readonly #disk: ServerDisk;
  readonly #nodes: readonly SimNode[];
  readonly #network: Network;
  readonly #people: People;
  readonly #tidying: Tidying;
  readonly #trouble: Trouble;
  readonly #rules: CommitRules;
  readonly #random: Random;
  readonly #leaseRules: LeaseRules;
  readonly #orderRules: OrderRules;
  readonly #searchRules: SearchRules;
  readonly #processRules: ProcessRules;
  /** Slot → its runner. */
  readonly #slots: ReadonlyMap<string, string>;
  readonly #skew = trueTime();
  #server: SimServer | null = null;
  #starts = 0;
  #startedAtMs = 0;
  /** When this server stood still. */
  readonly #stalls: { readonly fromMs: number; readonly forMs: number }[] = [];
  /** When a word of a runner was last let in. */
  readonly #heardAtMs = new Map<string, number>();
  #commits = 0;
  /** Reports that runners took, by allocation. */
  readonly #accepted = new Map<string, number>();

  constructor(scenario: Scenario, trace: Trace) {
    this.#context = new SimContext(scenario, trace);
    this.#random = keyed(scenario.seed, "faults");
    this.#slots = slotsOf(scenario);
    const ledger = new MemoryLedger(undefined, this.#context.thorough);
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
    this.#trouble = new Trouble(this.#context, this.#random, {
      ...{ nodes, network: this.#network, blobs: this.#disk.blobs, skew: this.#skew },
      server: {
        crash: (downMs) => {
          void this.#checkMemory();
          this.#crashServer(downMs);
        },
        stop: () => this.#stopServer(),
        stall: (forMs) => this.#stallServer(forMs),
      },
    });
    const processes = {
      all: () => nodes.flatMap((node) => node.processes.all()),
      of: (allocation: string) => nodes.flatMap((node) => node.processes.of(allocation)),
      on: (slot: string) => processes.all().filter(({ slots }) => slots.includes(slot)),
      allocations: () => nodes.flatMap((node) => node.processes.allocations()),
    };
    this.#rules = new CommitRules(this.#context, {
      ...{ disk: this.#disk, slots: this.#slots, processes },
    });
    this.#leaseRules = new LeaseRules(this.#context, (runner) =>
      nodes.flatMap((node) => (node.id === runner ? node.processes.all() : [])),
    );
    this.#orderRules = new OrderRules(this.#context, ledger, () => this.#settled !== null);
    this.#network.onOrders = (...heard) => this.#orderRules.answered(...heard);
    this.#context.onBegun = (...begun) => this.#orderRules.begun(...begun);
    this.#searchRules = new SearchRules(this.#context, ledger);
    this.#processRules = new ProcessRules(this.#context, processes);
    for (const node of nodes)
      node.processes.onChange = (what, process) => this.#processRules.changed(what, process);
    this.#context.watchSpool = (allocation, spool, owner) => {
      watchSpool(this.#context, ledger, { allocation, spool });
      this.#watchAppends(allocation, spool, owner);
    };
    this.#context.noteFails = () => {
      const { noteFails } = this.#context.faults;
      return noteFails > 0 && chance(this.#random, noteFails);
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
    this.#trouble.begin();
    // What memory holds is looked at now and then, and always before it is lost.
    this.#trouble.every(scenario.healAtMs / 2, () => void this.#checkMemory());
    for (const { atMs, how } of scenario.restarts) timeline.at(atMs, () => this.#restart(how));
    timeline.at(scenario.healAtMs, () => this.#heal());
    timeline.at(scenario.healAtMs + END_MS_MAX, () =>
      this.#context.broken("everything comes to its end", this.#whatIsLeft()),
    );
    await timeline.run(() => this.#over());
    await this.#checkMemory();
    const full = faults.diskFullEveryMs > 0 || faults.eventFills > 0;
    const lossy = faults.nodeLossEveryMs > 0 || faults.lateKills > 0 || full;
    const keys = scenario.submissions.map(({ key }) => key);
    checkKept(this.#context, this.#disk);
    const last = new LastRules(this.#context, this.#disk.ledger, this.#rules, this.#searchRules);
    last.check(keys, lossy ? null : this.#accepted);
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
    this.#stalls.length = 0;
    this.#startedAtMs = this.#context.timeline.nowMs;
    const server = new SimServer({
      ...{ context: this.#context, disk: this.#disk, skew: this.#skew, start: this.#starts },
      slots: [...this.#slots].map(([id, runner]) => ({
        ...{ id, runner, kind: "cpu", node: "here", pool: "default", description: "a core" },
      })),
      observe: (runner) => this.#observe(runner),
      onHeard: (runner) => this.#heardAtMs.set(runner, this.#context.timeline.nowMs),
      events: {
        committed: (contents) => this.#committed(contents),
        death: () => this.#crashSoon(server),
      },
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

  /** When all that it is just doing is done, and before anything else happens. */
  #crashSoon(server: SimServer): void {
    this.#context.timeline.after(0, () => {
      if (server === this.#server) this.#crashServer(200 + this.#random.below(2_000));
    });
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

  #restart(how: "kill" | "stop"): void {
    this.#context.trace("person", `starts the server anew (${how})`);
    if (how === "stop") return this.#stopServer();
    void this.#checkMemory();
    this.#crashServer(300);
  }

  #stallServer(forMs: number): void {
    const server = this.#server;
    if (!server || server.life.stalledUntilMs > this.#context.timeline.nowMs) return;
    this.#context.trace("server", `stands still for ${forMs} ms`);
    server.stall(forMs);
    this.#stalls.push({ fromMs: this.#context.timeline.nowMs, forMs });
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
    const sinceMs = Math.max(this.#startedAtMs, this.#heardAtMs.get(runner) ?? 0);
    const { nowMs } = this.#context.timeline;
    const stalls = this.#stalls.filter(({ fromMs, forMs }) => fromMs + forMs > sinceMs);
    const stoodStillMs = stalls.map(
      ({ fromMs, forMs }) => fromMs + forMs - Math.max(fromMs, sinceMs),
    );
    // A look that comes late counts as two, however late it is.
    const looksApartMs = Math.min(LOOKS_APART_MS_MAX, this.#context.scenario.lease.silentMs / 4);
    const countedMs = stalls.length * 2 * looksApartMs;
    return nowMs - sinceMs - Math.max(0, sum(stoodStillMs) - countedMs);
  }

  #committed(contents: Parameters<CommitRules["check"]>[0]): void {
    this.#commits += 1;
    const { context } = this.#context.tracing ? { context: this.#context } : { context: null };
    if (context)
      for (const { subject, what, cause } of contents.changes)
        context.trace("log", `${subject} ${what}: ${cause}`);
    this.#rules.check(contents);
    this.#leaseRules.check(contents);
    this.#orderRules.check(contents);
    this.#searchRules.check(contents);
    if (!this.#context.thorough) return;
    const changed = [...contents.experimentUpdates.keys()];
    this.#context.timeline.after(SETTLED_MS, () => void this.#checkMemory(changed));
  }

  /** The server, while nothing is under way between it and the ledger. */
  get #settled(): SimServer | null {
    const server = this.#server;
    return server?.ready && !server.ledger.busy && server.ledger.settled ? server : null;
  }

  /** @param only of these experiments; absent = of all */
  async #checkMemory(only?: readonly number[]): Promise<void> {
    const server = this.#settled;
    if (!server) return;
    await checkMemory(this.#context, { server, ledger: this.#disk.ledger }, only);
  }

  #watchAppends(
    allocation: string,
    spool: { append(payload: Uint8Array): number },
    { crash, disk }: SpoolOwner,
  ): void {
    const { timeline } = this.#context;
    const append = spool.append.bind(spool);
    spool.append = (payload) => {
      const { eventKills, eventFills } = this.#context.faults;
      if (eventKills > 0 && chance(this.#random, eventKills)) timeline.after(0, crash);
      if (eventFills > 0 && chance(this.#random, eventFills))
        timeline.after(0, () => this.#trouble.fill(disk, "a node's disk"));
      // `{"type":"report"…`: no other event's type has this letter there.
      if (payload[TYPE_AT + 2] === LETTER_P)
        this.#accepted.set(allocation, (this.#accepted.get(allocation) ?? 0) + 1);
      // `exited`: the only one that begins so.
      if (payload[TYPE_AT] === LETTER_E) this.#orderRules.endTold(allocation);
      return append(payload);
    };
  }

  /** From now on nothing goes wrong any more. */
  #heal(): void {
    this.#context.trace("sim", "heals");
    this.#trouble.end();
    this.#people.heal();
  }
}

/** Slot → its runner. */
const slotsOf = ({ runners }: Scenario): Map<string, string> =>
  new Map(
    runners.flatMap(({ id, slots }) =>
      Array.from({ length: slots }, (_, i) => {
        return [slotId(id, `cpu:${i}`), id] as const;
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
