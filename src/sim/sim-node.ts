/**
 * The node: its disk, its processes, the sockets between programs and runner, and the runner that lives on it, which is
 * the real one (`src/runner/runner.ts` with everything below it) on a machine that is not there.
 *
 * Modelled are only what the kernel and the file system do: starting and signalling processes, pipes, sockets,
 * files. They do it in virtual time, and badly where the scenario says so.
 */
import { hash } from "node:crypto";
import { contentOf } from "../base/content.ts";
import { keyed, type Random } from "../base/random.ts";
import type { Sighting } from "../core/lease/lease.ts";
import { EMPTY_PART } from "../protocol/record-part.ts";
import type { LaunchSpec, Tree } from "../protocol/runner-wire.ts";
import type { Captured, CaptureRequest } from "../runner/capture/capture.ts";
import { CheckpointKeeper, type CheckpointKeeperOptions } from "../runner/checkpoint-keeper.ts";
import type { KeptFiles } from "../runner/kept-files.ts";
import type { Machine } from "../runner/machine.ts";
import type { RankSetOptions } from "../runner/rank-set.ts";
import { Runner } from "../runner/runner.ts";
import { Spool, type SpoolStream } from "../runner/spool.ts";
import type { TrialSocketEvents } from "../runner/trial-socket.ts";
import type { PreparedWorkspace } from "../runner/workspace.ts";
import { canonicalTree } from "../store/snapshot.ts";
import { chance } from "./draws.ts";
import type { SimClient } from "./network.ts";
import { DiskFull, NodeDisk } from "./node-disk.ts";
import { ProcessTable } from "./process-table.ts";
import type { SimContext } from "./sim-context.ts";
import { SimRanks } from "./sim-ranks.ts";
import { SimSocket } from "./sim-socket.ts";
import { type Life, newLife, SimClock, trueTime } from "./timeline.ts";

const NO_BYTES = contentOf(new Uint8Array());

/** Of what an earlier runner left, this share waits for an engine, for longer than the start of its successor does. */
const ENGINE_AWAY = 0.1;
const ENGINE_AWAY_MS = 8_000;

export const folderOf = (id: string): string => `allocations/${id}`;
const idOf = (folder: string): string => folder.slice("allocations/".length);

const FROZEN = hash("sha256", "frozen");
/** Runs save much the same: each content is hashed once, whichever seed it belongs to. */
const scanned = new Map<string, { readonly tree: Tree; readonly hash: string }>();

/** The files of a checkpoint: one that changes at every step, one that never does. */
function scanOf(content: string): { readonly tree: Tree; readonly hash: string } {
  const known = scanned.get(content);
  if (known) return known;
  const tree = [
    { path: "frozen", size: 100, hash: FROZEN, executable: false },
    { path: "model", size: 1000, hash: hash("sha256", content), executable: false },
  ];
  const scan = { tree, hash: canonicalTree(tree).hash };
  scanned.set(content, scan);
  return scan;
}

/** What one runner process can do to the node. Dies with it. */
class SimMachine implements Machine {
  readonly #node: SimNode;
  readonly #life: Life;
  readonly #clock: SimClock;
  readonly #client: SimClient;
  /** What this runner knows to have ended, whether the disk took it or not. */
  readonly #endedHere = new Set<string>();

  constructor(node: SimNode, life: Life, clock: SimClock, client: SimClient) {
    this.#node = node;
    this.#life = life;
    this.#clock = clock;
    this.#client = client;
  }

  get ended() {
    const { disk } = this.#node;
    return {
      has: (id: string) => disk.ended.has(id) || this.#endedHere.has(id),
      add: (id: string) => {
        this.#endedHere.add(id);
        this.#needForNote();
        disk.ended.add(id);
      },
    };
  }

  leftovers(): string[] {
    return [...this.#node.disk.notes.keys()];
  }

  place(id: string, fence: number) {
    return { id, fence, folder: folderOf(id), socketPath: `sockets/${id}` };
  }

  begin(place: { readonly id: string; readonly fence: number }): void {
    this.#node.context.onBegun(place.id, this.#life);
    this.#needForNote();
    this.#node.disk.notes.set(place.id, { id: place.id, fence: place.fence });
  }

  /** @throws DiskFull */
  #needForNote(): void {
    const { disk, context } = this.#node;
    disk.need();
    if (!context.noteFails()) return;
    context.trace("disk", `the disk of ${this.#node.id} does not take a note`);
    throw new DiskFull();
  }

  noteOf(id: string) {
    return this.#node.disk.notes.get(id);
  }

  async endLeftovers(place: { readonly id: string }): Promise<number> {
    const { processes, context } = this.#node;
    const left = processes.of(place.id);
    const random = keyed(context.scenario.seed, `taken up ${place.id}`);
    await this.#patience(chance(random, ENGINE_AWAY) ? ENGINE_AWAY_MS : 20);
    for (const process of left)
      context.timeline.after(2, () => processes.end(process, null, "SIGKILL"));
    while (processes.of(place.id).length > 0) await this.#patience(20);
    return left.length;
  }

  async forget(id: string): Promise<void> {
    this.#node.disk.notes.delete(id);
    this.#node.disk.forget(folderOf(id));
  }

  async tidy(): Promise<void> {}

  async prepare(
    launch: LaunchSpec,
    { folder }: { readonly folder: string },
    { signal }: { readonly signal: AbortSignal },
  ): Promise<PreparedWorkspace> {
    await this.#patience(30);
    const { restore } = launch;
    for (let found = restore === null; !found; ) {
      signal.throwIfAborted();
      found = await this.#client.has(restore?.tree ?? "").catch(() => false);
      if (!found) await this.#patience(500);
    }
    signal.throwIfAborted();
    const path = `${folder}/restore`;
    return { code: `${folder}/code`, data: {}, restore: restore && { step: restore.step, path } };
  }

  /** Sooner or later than the program's first report, or its end. */
  async capture({ launch }: CaptureRequest): Promise<Captured> {
    await this.#patience(1 + (launch.seed % 700));
    return { environment: EMPTY_PART, own: EMPTY_PART };
  }

  newTask(): never {
    throw new Error("nothing that the simulator draws is a task");
  }

  async keepLeft(): Promise<void> {}

  openSpool(folder: string, name: "events" | "logs"): SpoolStream {
    // Small segments, so that a run of seconds sees several.
    const spool = Spool.open(folder, name, { files: this.#node.disk, segmentMaxBytes: 1500 });
    const crash = () => this.#life.alive && this.#node.crash("is killed as it writes");
    const { disk, context } = this.#node;
    if (name === "events") context.watchSpool(idOf(folder), spool, { crash, disk });
    return spool;
  }

  newKeeper(options: CheckpointKeeperOptions): CheckpointKeeper {
    return new CheckpointKeeper({ ...options, files: this.#files(options.folder) });
  }

  newRanks(options: Omit<RankSetOptions, "clock" | "starter" | "oom">): SimRanks {
    return new SimRanks(this.#node, { life: this.#life, clock: this.#clock, ...options });
  }

  newSocket(options: { readonly path: string; readonly events: TrialSocketEvents }): SimSocket {
    const socket = new SimSocket(this.#node.context, this.#life, options.events);
    this.#node.sockets.set(options.path, socket);
    return socket;
  }

  watch(): void {}

  release(): void {}

  #files(folder: string): KeptFiles {
    const { disk } = this.#node;
    const kept = disk.kept.get(folder) ?? new Map();
    return {
      open: async () => {
        disk.kept.set(folder, kept);
      },
      fault: async () => null,
      take: async (number, checkpoint, path) => {
        disk.need();
        kept.set(number, { checkpoint, content: path });
      },
      discard: async () => {},
      found: async () => [...kept].map(([number, { checkpoint }]) => ({ number, checkpoint })),
      scan: async (number) => {
        await this.#patience(5);
        return { ...scanOf(kept.get(number)?.content ?? ""), blob: () => NO_BYTES };
      },
      drop: async (number) => {
        kept.delete(number);
      },
    };
  }

  #patience(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(ms, resolve);
    });
  }
}

export class SimNode {
  readonly context: SimContext;
  /** Of its runner. */
  readonly id: string;
  readonly disk = new NodeDisk();
  readonly processes = new ProcessTable();
  readonly sockets = new Map<string, SimSocket>();
  readonly skew = trueTime();
  readonly #random: Random;
  readonly #newClient: (life: Life, clock: SimClock) => SimClient;
  #life: Life = { alive: false, stalledUntilMs: 0 };
  #runner: Runner | null = null;
  #boots = 0;
  /** Told when the runner that lives now does not any more. */
  #gone: (() => void)[] = [];
  /** Without power nothing starts. */
  #powered = true;

  constructor(
    context: SimContext,
    id: string,
    newClient: (life: Life, clock: SimClock) => SimClient,
  ) {
    this.context = context;
    this.id = id;
    this.#newClient = newClient;
    this.#random = keyed(context.scenario.seed, "node", id);
  }

  /** What an engine that can tell says of the runner. */
  sighting(): Sighting {
    if (this.#life.alive) return { state: "alive", boot: this.#boot };
    return { state: "gone", proof: `no process is ${this.#boot}` };
  }

  get #boot(): string {
    return `${this.id}-${this.#boots}`;
  }

  start(): void {
    if (this.#life.alive || !this.#powered) return;
    const { context } = this;
    this.#life = newLife();
    const life = this.#life;
    const clock = new SimClock(context.timeline, life, this.skew);
    const client = this.#newClient(life, clock);
    this.#boots += 1;
    const runner = new Runner({
      ...{ clock, client, boot: this.#boot },
      machine: new SimMachine(this, life, clock, client),
      say: (text) => {
        if (life.alive) context.trace("runner", `${this.id}: ${text}`);
      },
    });
    this.#runner = runner;
    context.trace("runner", `starts as ${this.#boot}`);
    runner.start().catch((error) => {
      if (life.alive) context.fail(error);
    });
  }

  /** The runner dies at once. Kernel and guardian end most of what it had started; its successor the rest. */
  crash(why: string): void {
    if (!this.#life.alive) return;
    this.#end();
    this.context.trace("runner", `${this.id} ${why}`);
    const thorough = chance(this.#random, 0.7);
    for (const process of this.processes.all()) {
      const dies = process.rank !== null ? chance(this.#random, 0.8) : thorough;
      if (!dies && !thorough) continue;
      const afterMs = process.rank === null ? this.#random.below(300) : this.#random.below(5);
      this.context.timeline.after(afterMs, () => this.processes.end(process, null, "SIGKILL"));
    }
    this.context.timeline.after(500 + this.#random.below(4000), () => this.start());
  }

  #end(): void {
    this.#life.alive = false;
    for (const tell of this.#gone.splice(0)) tell();
  }

  /** Told to, it ends its trials, tells of it if it can, and goes; the guardian ends what is left. @returns once it is gone */
  async stop(): Promise<void> {
    const [life, runner] = [this.#life, this.#runner];
    if (runner) {
      this.context.trace("runner", `${this.id} is told to stop`);
      this.#runner = null;
      this.context.timeline.reach(life, () =>
        runner.stop().then(
          () => life.alive && this.crash("has stopped"),
          (error) => this.context.fail(error),
        ),
      );
    }
    if (life.alive) await new Promise<void>((resolve) => this.#gone.push(resolve));
  }

  /** Everything that runs here is gone at once, and the ends of some files with it. */
  losePower(forMs: number): void {
    if (!this.#powered) return;
    this.#powered = false;
    this.#end();
    this.context.trace("node", `${this.id} loses power`);
    for (const process of this.processes.all()) this.processes.end(process, null, "SIGKILL");
    this.disk.losePower(this.#random);
    this.context.timeline.after(forMs, () => {
      this.#powered = true;
      this.context.trace("node", `${this.id} has power again`);
      this.start();
    });
  }

  /** A write that the disk holds up holds up the whole runner, which writes as it goes. Programs train on. */
  slow(forMs: number): void {
    if (!this.#life.alive) return;
    this.#life.stalledUntilMs = this.context.timeline.nowMs + forMs;
    this.context.trace("node", `${this.id}: its disk holds the runner up for ${forMs} ms`);
  }

  /** Something on the machine kills a process, nobody knows why. */
  killSomething(): void {
    const all = this.processes.all();
    const victim = all[this.#random.below(all.length)];
    if (!victim) return;
    this.context.trace("node", `process ${victim.pid} of ${victim.allocation} is killed`);
    this.processes.end(victim, null, "SIGKILL");
  }

  /** Whether nothing runs here and everything was heard. */
  get quiet(): boolean {
    return this.processes.size === 0 && this.disk.notes.size === 0;
  }
}
