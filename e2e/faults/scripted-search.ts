/**
 * A search whose every message is scripted: a runner that speaks the real wire, does one thing at a time, and remembers
 * what the server has acknowledged. So two runs of it send the same messages in the same order, and what they
 * leave behind can be compared row by row, however often the server died in one of them.
 *
 * Promises are checked as they are made: an acknowledged number never goes back, no trial is granted twice at a time.
 */
import { createHash, randomUUID } from "node:crypto";
import type {
  AllocationOrders,
  OrdersReply,
  RunnerEvent,
  SyncReply,
  TreeEntry,
} from "../../src/protocol/runner-wire.ts";
import { canonicalTree } from "../../src/store/snapshot.ts";

export interface Door {
  readonly url: string;
  readonly runnerToken: string;
  readonly oneTimeToken: string;
}

/** Nobody answers: the server is dead, or dies just now. */
export class NoAnswer extends Error {
  override name = "NoAnswer";
}

type Draft = RunnerEvent extends infer E
  ? E extends RunnerEvent
    ? Omit<E, "seq" | "atMs">
    : never
  : never;

interface Program {
  readonly id: string;
  readonly trial: number;
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
  uploads: { readonly hash: string; readonly bytes: Buffer }[];
}

const BEGAN_MS = Date.UTC(2026, 0, 5);
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

export class ScriptedSearch {
  readonly #config: string;
  readonly #key = randomUUID();
  readonly #programs = new Map<string, Program>();
  readonly #ended = new Set<string>();
  readonly #blobs = new Set<string>();
  #door: Door | undefined;
  #token = "";
  #created = false;
  #heard = 0;
  #clockMs = BEGAN_MS;
  /** Broken promises, in words. */
  readonly broken: string[] = [];

  constructor(config: string) {
    this.#config = config;
  }

  /** The server has been started (again): what it had promised is asked for. */
  async meet(door: Door): Promise<void> {
    this.#door = door;
    if (this.#created) await this.#checkPromises();
  }

  /** One thing more. @returns false when the search is over @throws NoAnswer: call `meet`, then go on */
  async advance(): Promise<boolean> {
    if (this.#token === "") {
      const body = { one_time_token: this.#door?.oneTimeToken };
      this.#token = ((await this.#call("POST", "/login", { body })) as { token: string }).token;
    }
    if (!this.#created) {
      const body = { config: this.#config, code: null, activate: true };
      await this.#call("POST", "/experiments", { body, token: this.#token, key: this.#key });
      this.#created = true;
    }
    if (await this.#next()) return true;
    // Answers to what was said carry the orders that followed from it; the rest is asked for.
    const path = `/orders?after=${this.#heard}&wait_ms=0`;
    this.#take((await this.#runner("GET", path)) as OrdersReply);
    if (await this.#next()) return true;
    const { ended_at: endedAt, state } = (await this.#call("GET", "/experiments/1", {
      token: this.#token,
    })) as { ended_at: string | null; state: string };
    if (endedAt === null) this.#break(`nothing is left to do and the experiment is ${state}`);
    return false;
  }

  /** @returns false when every program only waits */
  async #next(): Promise<boolean> {
    for (const program of this.#living()) {
      if (!this.#act(program)) continue;
      await this.#deliver(program);
      return true;
    }
    return false;
  }

  #break(what: string): void {
    this.broken.push(what);
  }

  #living(): Program[] {
    return [...this.#programs.values()].sort((a, b) => a.trial - b.trial || a.fence - b.fence);
  }

  /** Decides what the program does, unless it still has something to say. @returns false when it only waits */
  #act(program: Program): boolean {
    if (program.outbox.length + program.printed.length + program.uploads.length > 0) return true;
    this.#clockMs += 1_000;
    const { target, yield: leave } = program.orders;
    if (!program.started) {
      program.started = true;
      this.#say(program, { type: "started", pid: 4_000 + program.trial });
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
      const { trial, step } = program;
      const loss = ((trial * 7) % 20) + 1 / step;
      this.#say(program, { type: "report", step, metrics: { loss, noise: trial / step } });
      if (step === 2) this.#save(program);
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
    const bytes = Buffer.from(`trial ${program.trial} at ${program.step}`);
    const entry: TreeEntry = {
      ...{ path: "model.bin", size: bytes.length, hash: sha256(bytes), executable: false },
    };
    const tree = canonicalTree([entry]);
    program.uploads.push(
      { hash: entry.hash, bytes },
      { hash: tree.hash, bytes: Buffer.from(tree.bytes) },
    );
    const { step } = program;
    this.#say(program, { type: "checkpoint", step, tree: [entry], metadata: { step } });
  }

  #exit(program: Program, yielded: boolean): void {
    this.#say(program, {
      ...{ type: "exited", kind: "processes", processes: [{ rank: 0, code: 0, signal: null }] },
      ...{ outOfMemory: null, signalsSent: [], yielded, logLines: program.lines, detail: "" },
    });
  }

  /** As the runner does: blobs before the checkpoint that names them, then lines, then events. */
  async #deliver(program: Program): Promise<void> {
    for (let blob = program.uploads[0]; blob !== undefined; blob = program.uploads[0]) {
      await this.#runnerCall("PUT", `/blobs/${blob.hash}`, blob.bytes);
      this.#blobs.add(blob.hash);
      program.uploads.shift();
    }
    const { id, fence, printed, outbox } = program;
    if (printed.length > 0) {
      const lines = printed.map((line) => ({
        ...{ ...line, atMs: BEGAN_MS, rank: 0, stream: "stdout", complete: true },
      }));
      const body = { allocations: [{ id, fence, lines }] };
      const reply = (await this.#runner("POST", "/logs", body)) as {
        acked: Record<string, number>;
      };
      if (reply.acked[id] !== program.lines)
        this.#break(`${id}: ${program.lines} lines, acknowledged ${reply.acked[id]}`);
      program.printed = [];
    }
    const reply = await this.#sync([{ id, fence, events: outbox }]);
    this.#take(reply);
    if (program.acked !== program.seq)
      this.#break(`${id}: said ${program.seq}, acknowledged ${program.acked}`);
    program.outbox = [];
    if (outbox.at(-1)?.type !== "exited") return;
    this.#programs.delete(id);
    this.#ended.add(id);
  }

  async #sync(allocations: readonly object[]): Promise<SyncReply> {
    const body = { boot: "scripted", ordersAfter: this.#heard, allocations };
    const reply = (await this.#runner("POST", "/sync", body)) as SyncReply;
    for (const [id, acked] of Object.entries(reply.acked)) {
      const program = this.#programs.get(id);
      if (program === undefined) continue;
      if (acked < program.acked)
        this.#break(`${id}: ${program.acked} was acknowledged, now ${acked}`);
      program.acked = acked;
    }
    return reply;
  }

  /** After a restart: everything that was acknowledged is there. */
  async #checkPromises(): Promise<void> {
    const allocations = this.#living().map(({ id, fence }) => ({ id, fence, events: [] }));
    await this.#sync(allocations);
    const { missing } = (await this.#runnerCall("POST", "/blobs/missing", {
      hashes: [...this.#blobs],
    })) as { missing: string[] };
    for (const hash of missing) this.#break(`blob ${hash} was acknowledged and is gone`);
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
    const trial = Number(orders.id.split(".")[1]);
    const twin = this.#living().find((other) => other.trial === trial);
    if (twin !== undefined) this.#break(`${orders.id} is granted while ${twin.id} lives`);
    const step = orders.launch?.restore?.step ?? 0;
    this.#programs.set(orders.id, {
      ...{ id: orders.id, trial, fence: orders.fence, orders, step, started: false, waitedAt: -1 },
      ...{ seq: 0, acked: 0, lines: 0, outbox: [], printed: [], uploads: [] },
    });
  }

  #runner(method: string, path: string, body?: unknown): Promise<unknown> {
    return this.#runnerCall(method, `/runners/local${path}`, body);
  }

  #runnerCall(method: string, path: string, body?: unknown): Promise<unknown> {
    return this.#call(method, path, { body, token: this.#door?.runnerToken });
  }

  async #call(
    method: string,
    path: string,
    more: { readonly body?: unknown; readonly token?: string | undefined; readonly key?: string },
  ): Promise<unknown> {
    const { body, token, key } = more;
    const raw = body instanceof Buffer;
    const response = await fetch(`${this.#door?.url}/api/v1${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
        ...(body === undefined
          ? {}
          : { "content-type": raw ? "application/octet-stream" : "application/json" }),
      },
      ...(body === undefined ? {} : { body: raw ? new Uint8Array(body) : JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      throw new NoAnswer(`${method} ${path}`, { cause });
    });
    const text = await response.text().catch((cause: unknown) => {
      throw new NoAnswer(`${method} ${path}`, { cause });
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
}
