/**
 * One run: a server, a node and people on a virtual clock, with everything that a seed says goes wrong.
 *
 * First safety: whatever happens, no rule may be broken, and rules are checked at every step that could break
 * one. Then faults stop, and everything has to come to its end within a bound; a run that does not has failed,
 * too, and says what was left. Alternative refused: asserting only at the end, which finds that something went
 * wrong a thousand events after it did.
 */
import { keyed, type Random } from "../base/random.ts";
import { CommitRules } from "./commit-rules.ts";
import { checkMemory, LastRules } from "./last-rules.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import { MemoryBlobs, MemoryTrees } from "./memory-retention.ts";
import { Network, SimClient } from "./network.ts";
import { People } from "./people.ts";
import { ProcessRules } from "./process-rules.ts";
import { chance, drawScenario, PEACE, type Scenario } from "./scenario.ts";
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
  readonly #node: SimNode;
  readonly #network: Network;
  readonly #people: People;
  readonly #tidying: Tidying;
  readonly #rules: CommitRules;
  readonly #random: Random;
  readonly #slots: readonly string[];
  readonly #skew = trueTime();
  #server: SimServer | null = null;
  #starts = 0;
  #commits = 0;
  #healed = false;
  /** Reports that runners took, by allocation. */
  readonly #accepted = new Map<string, number>();

  constructor(scenario: Scenario, trace: Trace) {
    this.#context = new SimContext(scenario, trace);
    this.#random = keyed(scenario.seed, "faults");
    this.#slots = Array.from({ length: scenario.slots }, (_, i) => `cpu:${i}`);
    const ledger = new MemoryLedger();
    const trees = new MemoryTrees(ledger);
    this.#disk = { ledger, blobs: new MemoryBlobs(), trees, logs: new Map() };
    const server = () => this.#server;
    this.#network = new Network(this.#context, server);
    this.#node = new SimNode(
      this.#context,
      (life, clock) => new SimClient(this.#network, life, clock),
    );
    this.#people = new People(this.#context, ledger, server);
    this.#tidying = new Tidying(this.#context, this.#disk, server);
    this.#rules = new CommitRules(this.#context, {
      ...{ disk: this.#disk, node: this.#node, slots: this.#slots },
    });
    const processRules = new ProcessRules(this.#context, this.#node.processes);
    this.#node.processes.onChange = (what, process) => processRules.changed(what, process);
    this.#context.watchSpool = (allocation, spool) => {
      watchSpool(this.#context, ledger, { allocation, spool });
      this.#countReports(allocation, spool);
    };
  }

  get figures() {
    const { timeline } = this.#context;
    return { events: timeline.count, commits: this.#commits, virtualMs: timeline.nowMs };
  }

  async play(): Promise<void> {
    const { timeline, scenario, faults } = this.#context;
    if (this.#context.tracing) this.#context.trace("seed", describe(scenario));
    this.#startServer();
    this.#node.start();
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
    new LastRules(this.#context, this.#disk.ledger, this.#rules.late).check(
      keys,
      lossy ? null : this.#accepted,
    );
    await timeline.run(() => true);
  }

  #over(): boolean {
    const server = this.#server;
    if (!server?.ready || server.ledger.busy || !this.#people.done) return false;
    return server.world.experiments.size === 0 && this.#node.quiet;
  }

  #whatIsLeft(): string {
    const { processes, disk } = this.#node;
    const lives = [...(this.#server?.world.experiments.values() ?? [])].map((live) => {
      const trials = [...live.x.live].map((n) => `${live.id}.${n} ${live.x.trials.get(n)?.reason}`);
      return `experiment ${live.id} ${live.x.core.run} (${trials.join("; ")})`;
    });
    return `server ${this.#server?.ready ? "ready" : "down"}, ${lives.join(", ")}, processes of ${processes.allocations().join(" ")}, told nothing of ${[...disk.notes.keys()].join(" ")}`;
  }

  // ---- the server's life -----------------------------------------------------------------------

  #startServer(): void {
    this.#starts += 1;
    const server = new SimServer({
      ...{ context: this.#context, disk: this.#disk, skew: this.#skew, start: this.#starts },
      slots: this.#slots.map((id) => ({ id, kind: "cpu", node: "here", description: "a core" })),
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

  #committed(contents: Parameters<CommitRules["check"]>[0]): void {
    this.#commits += 1;
    const { context } = this.#context.tracing ? { context: this.#context } : { context: null };
    if (context)
      for (const { subject, what, cause } of contents.changes)
        context.trace("log", `${subject} ${what}: ${cause}`);
    this.#rules.check(contents);
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
    this.#every(faults.runnerCrashEveryMs, () => this.#node.crash("is killed"));
    this.#every(faults.nodeLossEveryMs, () => this.#node.losePower(2_000 + random.below(20_000)));
    this.#every(faults.processDeathEveryMs, () => this.#node.killSomething());
    this.#every(faults.partitionEveryMs, () => this.#partition());
    this.#every(faults.clockEveryMs, () => this.#disturbClock());
    this.#every(faults.diskFullEveryMs, () => {
      const { disk } = this.#node;
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
    this.#network.cut = ways[random.below(3)] ?? "both";
    this.#context.trace("network", `is cut: ${this.#network.cut}`);
    const forMs = chance(random, 0.3) ? 5_000 + random.below(40_000) : 200 + random.below(3_000);
    this.#context.timeline.after(forMs, () => {
      this.#network.cut = "none";
    });
  }

  #disturbClock(): void {
    const random = this.#random;
    const skew = chance(random, 0.5) ? this.#skew : this.#node.skew;
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
    this.#network.cut = "none";
    this.#node.disk.full = false;
    for (const skew of [this.#skew, this.#node.skew]) {
      skew.frozenAtMs = null;
      setRate(skew, this.#context.timeline.nowMs, 1);
    }
    this.#people.heal();
  }
}

function describe({ seed, slots, submissions, faults, strangeness, strange }: Scenario): string {
  const methods = submissions.map(({ config }) => config.searcher.name ?? "default").join(" ");
  const mix = Object.entries(faults)
    .filter(([, value]) => value > 0)
    .map(([name, value]) => `${name} ${Math.round(value * 100) / 100}`);
  const programs = strangeness > 0 ? strange.join(", ") : "all as they should be";
  return `${seed}: ${slots} slots; ${methods}; faults: ${mix.join(", ") || "none"}; programs: ${programs}`;
}
