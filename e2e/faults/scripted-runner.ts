/**
 * A runner whose every message is scripted: it speaks the real wire, does one thing at a time, and remembers what the
 * server has acknowledged. So two runs of it send the same messages in the same order, and what they leave behind can
 * be compared row by row, however often the server died in one of them.
 *
 * Promises are checked as they are made: an acknowledged number never goes back, no trial is granted twice at a time,
 * and what a checkpoint is made of stays as long as anything may need it.
 */
import { createHash } from "node:crypto";
import type {
  AllocationOrders,
  LogsReply,
  OrdersReply,
  RunnerEvent,
  SyncReply,
  TreeEntry,
} from "../../src/protocol/runner-wire.ts";
import { canonicalTree } from "../../src/store/snapshot.ts";
import type { ScriptedWire } from "./scripted-wire.ts";

type Draft = RunnerEvent extends infer E
  ? E extends RunnerEvent
    ? Omit<E, "seq" | "atMs">
    : never
  : never;

/** A checkpoint on its way: asked about, sent file by file, and then told of. */
interface Upload {
  readonly tree: string;
  readonly files: ReadonlyMap<string, Buffer>;
  /** What the server lacks; undefined = not asked yet. */
  missing: string[] | undefined;
}

interface Program {
  readonly id: string;
  readonly trial: string;
  readonly fence: number;
  orders: AllocationOrders;
  step: number;
  started: boolean;
  waitedAt: number;
  seq: number;
  acked: number;
  lines: number;
  /** What it says next, until that is acknowledged. */
  outbox: RunnerEvent[];
  printed: { readonly seq: number; readonly bytes: string }[];
  uploads: Upload[];
}

const BEGAN_MS = Date.UTC(2026, 0, 5);
/** A layer that never changes: part of every checkpoint of every trial, and stored once. */
const FROZEN = Buffer.from("frozen ".repeat(100));
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

export interface ScriptedRunnerOptions {
  readonly wire: ScriptedWire;
  /** A promise was broken, in words. */
  readonly broken: (what: string) => void;
  /** Experiment whose trials also begin a checkpoint that they never hand in. */
  readonly careless: number;
}

export class ScriptedRunner {
  readonly #options: ScriptedRunnerOptions;
  readonly #programs = new Map<string, Program>();
  readonly #ended = new Set<string>();
  /** Files of the last checkpoint of each trial that was acknowledged. */
  readonly #kept = new Map<string, ReadonlyMap<string, Buffer>>();
  #heard = 0;
  #clockMs = BEGAN_MS;

  constructor(options: ScriptedRunnerOptions) {
    this.#options = options;
  }

  /** The server has been started again: everything that it acknowledged is there. */
  async checkPromises(): Promise<void> {
    await this.#sync(this.#living().map(({ id, fence }) => ({ id, fence, events: [] })));
    for (const [trial, files] of this.#kept)
      for (const [hash, bytes] of files) {
        const found = await this.#call("GET", `/blobs/${hash}`).catch((error: Error) => error);
        if (!(found instanceof Error) && found.equals(bytes)) continue;
        if (found instanceof Error && found.name === "NoAnswer") throw found;
        this.#options.broken(
          `the checkpoint of ${trial} was acknowledged, and ${hash} is not there`,
        );
      }
  }

  /** It was deleted, so nothing is promised any more. */
  forget(experiment: number): void {
    for (const trial of this.#kept.keys())
      if (trial.startsWith(`${experiment}.`)) this.#kept.delete(trial);
  }

  /** One thing more. @returns false when every program only waits, as far as the server lets us know */
  async advance(): Promise<boolean> {
    if (await this.#next()) return true;
    // Answers to what was said carry the orders that followed from it; the rest is asked for.
    const path = `/runners/local/orders?after=${this.#heard}&wait_ms=0`;
    this.#take(await this.#json<OrdersReply>("GET", path));
    return this.#next();
  }

  async #next(): Promise<boolean> {
    for (const program of this.#living()) {
      if (!this.#act(program)) continue;
      await this.#deliver(program);
      return true;
    }
    return false;
  }

  #living(): Program[] {
    const number = ({ trial }: Program): number => Number(trial.split(".")[1]);
    return [...this.#programs.values()].sort((a, b) => number(a) - number(b) || a.fence - b.fence);
  }

  /** Decides what the program does, unless it still has something to say. @returns false when it only waits */
  #act(program: Program): boolean {
    if (program.outbox.length + program.printed.length + program.uploads.length > 0) return true;
    this.#clockMs += 1_000;
    const { target, yield: leave } = program.orders;
    const [experiment, number] = program.trial.split(".").map(Number) as [number, number];
    if (!program.started) {
      program.started = true;
      this.#say(program, { type: "started", pid: 4_000 + number });
      this.#print(program, `begin ${program.id} at ${program.step}`);
    } else if (leave !== null) {
      if (leave === "pause") this.#save(program);
      this.#exit(program, true);
    } else if (target !== null && program.step >= target) {
      if (program.waitedAt === program.step) return false;
      program.waitedAt = program.step;
      this.#say(program, { type: "waiting", step: program.step });
    } else {
      program.step += 1;
      const { step } = program;
      const loss = ((number * 7) % 20) + 1 / step;
      this.#say(program, { type: "report", step, metrics: { loss, noise: number / step } });
      if (step === 2) this.#save(program);
      if (step === 1 && experiment === this.#options.careless)
        this.#begin(program, [Buffer.from("a file of a checkpoint that is never handed in")]);
    }
    return true;
  }

  #say(program: Program, draft: Draft): void {
    program.seq += 1;
    program.outbox.push({ ...draft, seq: program.seq, atMs: this.#clockMs } as RunnerEvent);
  }

  #print(program: Program, text: string): void {
    program.lines += 1;
    program.printed.push({ seq: program.lines, bytes: Buffer.from(text).toString("base64") });
  }

  #save(program: Program): void {
    const { step } = program;
    const tree = this.#begin(program, [Buffer.from(`${program.trial} at ${step}`), FROZEN]);
    this.#say(program, { type: "checkpoint", step, tree, metadata: { step } });
  }

  #begin(program: Program, contents: readonly Buffer[]): TreeEntry[] {
    const entries: TreeEntry[] = contents.map((bytes, i) => ({
      ...{ path: `part-${i}.bin`, size: bytes.length, hash: sha256(bytes), executable: false },
    }));
    const list = canonicalTree(entries);
    const files = new Map(entries.map(({ hash }, i) => [hash, contents[i] as Buffer]));
    files.set(list.hash, Buffer.from(list.bytes));
    program.uploads.push({ tree: list.hash, files, missing: undefined });
    return entries;
  }

  #exit(program: Program, yielded: boolean): void {
    this.#say(program, {
      ...{ type: "exited", kind: "processes", processes: [{ rank: 0, code: 0, signal: null }] },
      ...{ outOfMemory: null, signalsSent: [], yielded, logLines: program.lines, detail: "" },
    });
  }

  /** As the runner does: blobs before the checkpoint that names them, then lines, then events. */
  async #deliver(program: Program): Promise<void> {
    const { id, fence, printed, outbox, trial } = program;
    const saved = outbox.some(({ type }) => type === "checkpoint");
    let files: ReadonlyMap<string, Buffer> | undefined;
    for (const upload of program.uploads) {
      await this.#upload(id, upload);
      files = upload.files;
    }
    if (printed.length > 0) {
      const lines = printed.map((line) => ({
        ...{ ...line, atMs: BEGAN_MS, rank: 0, stream: "stdout", complete: true },
      }));
      const body = { allocations: [{ id, fence, lines }] };
      const { acked } = await this.#json<LogsReply>("POST", "/runners/local/logs", body);
      if (acked[id] !== program.lines)
        this.#options.broken(`${id}: ${program.lines} lines, acknowledged ${acked[id]}`);
      program.printed = [];
    }
    this.#take(await this.#sync([{ id, fence, events: outbox }]));
    if (program.acked !== program.seq)
      this.#options.broken(`${id}: said ${program.seq}, acknowledged ${program.acked}`);
    if (saved && files !== undefined) this.#kept.set(trial, files);
    program.uploads = [];
    program.outbox = [];
    if (outbox.at(-1)?.type !== "exited") return;
    this.#programs.delete(id);
    this.#ended.add(id);
  }

  async #upload(allocation: string, upload: Upload): Promise<void> {
    if (upload.missing === undefined) {
      const body = { hashes: [...upload.files.keys()], for: { allocation, tree: upload.tree } };
      upload.missing = (
        await this.#json<{ missing: string[] }>("POST", "/blobs/missing", body)
      ).missing;
    }
    for (let hash = upload.missing[0]; hash !== undefined; hash = upload.missing[0]) {
      await this.#call("PUT", `/blobs/${hash}`, upload.files.get(hash));
      upload.missing.shift();
    }
  }

  async #sync(allocations: readonly object[]): Promise<SyncReply> {
    const body = { boot: "scripted", ordersAfter: this.#heard, allocations };
    const reply = await this.#json<SyncReply>("POST", "/runners/local/sync", body);
    for (const [id, acked] of Object.entries(reply.acked)) {
      const program = this.#programs.get(id);
      if (program === undefined) continue;
      if (acked < program.acked)
        this.#options.broken(`${id}: ${program.acked} was acknowledged, now ${acked}`);
      program.acked = acked;
    }
    return reply;
  }

  #take({ orders, ordersVersion }: Pick<OrdersReply, "orders" | "ordersVersion">): void {
    for (const order of orders) {
      const known = this.#programs.get(order.id);
      if (known !== undefined) known.orders = order;
      else if (order.launch !== null && !this.#ended.has(order.id)) this.#launch(order);
    }
    this.#heard = Math.max(this.#heard, ordersVersion);
  }

  #launch(orders: AllocationOrders): void {
    const trial = orders.id.split(".").slice(0, 2).join(".");
    const twin = this.#living().find((other) => other.trial === trial);
    if (twin !== undefined) this.#options.broken(`${orders.id} is granted while ${twin.id} lives`);
    const step = orders.launch?.restore?.step ?? 0;
    this.#programs.set(orders.id, {
      ...{ id: orders.id, trial, fence: orders.fence, orders, step, started: false, waitedAt: -1 },
      ...{ seq: 0, acked: 0, lines: 0, outbox: [], printed: [], uploads: [] },
    });
  }

  #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { wire } = this.#options;
    return wire.json<T>(method, path, { body, token: wire.door?.runnerToken });
  }

  #call(method: string, path: string, body?: unknown): Promise<Buffer> {
    const { wire } = this.#options;
    return wire.bytes(method, path, { body, token: wire.door?.runnerToken });
  }
}
