/**
 * The network between runner and server, and the runner's side of HTTP on it. Requests and answers are lost, late or
 * doubled; who waits learns it from a broken connection or by running out of patience.
 */
import { keyed, type Random } from "../base/random.ts";
import { ContrailError } from "../protocol/errors.ts";
import type { OrdersReply, SyncReply } from "../protocol/runner-wire.ts";
import type { RunnerClient } from "../runner/machine.ts";
import {
  type BlobPurpose,
  type RequestOptions,
  ServerFailure,
  type ServerFailureKind,
} from "../runner/server-client.ts";
import { chance } from "./draws.ts";
import type { SimContext } from "./sim-context.ts";
import type { SimServer } from "./sim-server.ts";
import type { Life, SimClock } from "./timeline.ts";

const LATENCY_MS_MAX = 5;
/** Beyond the patience of whoever asked, too. */
const LATE_MS_MAX = 15_000;

export type Cut = "both" | "up" | "down";

/** Who is on the line. */
export interface Caller {
  readonly runner: string;
  readonly life: Life;
  readonly clock: SimClock;
}

interface Call {
  readonly server: SimServer;
  readonly reset: () => void;
}

export class Network {
  readonly #context: SimContext;
  readonly #random: Random;
  readonly #server: () => SimServer | null;
  readonly #calls = new Set<Call>();
  /** What is swallowed while a cut lasts, by runner. */
  readonly cuts = new Map<string, Cut>();
  /** Told of a request that will be late, as it is sent. */
  onLate: (runner: string) => void = () => undefined;
  /** Told of each answer with orders that reaches a runner, before that one heeds it. */
  onOrders: (from: Caller, asked: number, reply: OrdersReply | SyncReply) => void = () => undefined;

  constructor(context: SimContext, server: () => SimServer | null) {
    this.#context = context;
    this.#server = server;
    this.#random = keyed(context.scenario.seed, "network");
  }

  get ordersHeld(): number {
    return this.#context.faults.ordersHeld;
  }

  /** For the trace: what the runner learns of what it is to do. */
  heard(what: string, { orders, ordersVersion, all }: OrdersReply): void {
    if (!this.#context.tracing || (orders.length === 0 && !all)) return;
    const texts = orders.map((order) => {
      const how = order.kill ? "kill" : (order.yield ?? `train to ${order.target}`);
      return `${order.id} ${how}${order.launch ? ", launch" : ""} (${order.version})`;
    });
    const named = all ? `; all: ${all.join(" ")}` : "";
    this.#context.trace("heard", `${what}: ${texts.join("; ")} up to ${ordersVersion}${named}`);
  }

  /** A server has died: whoever waits for it hears so from its kernel. */
  reset(server: SimServer): void {
    for (const call of [...this.#calls]) if (call.server === server) call.reset();
  }

  send<T>(
    from: Caller,
    options: {
      readonly timeoutMs: number;
      readonly signal?: AbortSignal | undefined;
      /** Of its answer: that it is held back on its way; chance. */
      readonly held?: number;
    },
    handle: (server: SimServer) => Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      let settled = false;
      const settle = (tell: () => void): void => {
        if (settled) return;
        settled = true;
        cancel();
        options.signal?.removeEventListener("abort", abort);
        this.#context.timeline.reach(from.life, tell);
      };
      const fail = (kind: ServerFailureKind, text: string) =>
        settle(() => reject(new ServerFailure(kind, text)));
      const abort = () => fail("unreachable", "the runner ends");
      const cancel = from.clock.after(options.timeoutMs, () =>
        fail("unanswered", `no answer within ${options.timeoutMs} ms`),
      );
      options.signal?.addEventListener("abort", abort, { once: true });
      const back = {
        answer: (value: T) => settle(() => resolve(value)),
        ...{ fail, held: options.held ?? 0 },
      };
      const { faults } = this.#context;
      if (chance(this.#random, faults.doubled))
        this.#carry(from.runner, handle, null, this.#random.below(LATE_MS_MAX));
      const afterMs = this.#latency();
      if (afterMs > LATENCY_MS_MAX) this.onLate(from.runner);
      this.#carry(from.runner, handle, back, afterMs);
    });
  }

  #latency(held = 0): number {
    const late = chance(this.#random, Math.max(held, this.#context.faults.late));
    return 1 + this.#random.below(late ? LATE_MS_MAX : LATENCY_MS_MAX);
  }

  #carry<T>(
    runner: string,
    handle: (server: SimServer) => Promise<T>,
    back: {
      answer: (value: T) => void;
      fail: (kind: ServerFailureKind, text: string) => void;
      readonly held: number;
    } | null,
    afterMs: number,
  ): void {
    const { timeline } = this.#context;
    const lost = (chanceOf: number, way: "up" | "down"): boolean => {
      const cut = this.cuts.get(runner);
      return chance(this.#random, chanceOf) || cut === "both" || cut === way;
    };
    timeline.after(afterMs, () => {
      if (lost(this.#context.faults.requestLost, "up")) return;
      const server = this.#server();
      if (!server?.ready) {
        back?.fail("unreachable", "connection refused");
        return;
      }
      const call: Call = {
        server,
        reset: () => {
          this.#calls.delete(call);
          timeline.after(this.#latency(), () => back?.fail("broken", "connection reset"));
        },
      };
      this.#calls.add(call);
      const reply = (tell: () => void): void => {
        if (!this.#calls.delete(call)) return;
        if (lost(this.#context.faults.replyLost, "down")) return;
        timeline.after(this.#latency(back?.held), tell);
      };
      timeline.reach(server.life, () =>
        handle(server).then(
          (value) => reply(() => back?.answer(value)),
          (error: unknown) => {
            if (!(error instanceof ContrailError)) this.#context.fail(error);
            else reply(() => back?.fail(this.#kindOf(error), error.message));
          },
        ),
      );
    });
  }

  #kindOf(error: ContrailError): ServerFailureKind {
    if (["unavailable", "disk_full", "internal", "runner_taken"].includes(error.code))
      return "busy";
    this.#context.broken("the server refuses no request of a runner", error.message);
    return "refused";
  }
}

/** The runner's client: a new one at each start of the runner. */
export class SimClient implements RunnerClient {
  readonly #network: Network;
  readonly #from: Caller;

  constructor(network: Network, from: Caller) {
    this.#network = network;
    this.#from = from;
  }

  get runnerId(): string {
    return this.#from.runner;
  }

  async json(options: RequestOptions): Promise<unknown> {
    const { path, body } = options;
    const text = body === undefined ? "" : body.toString();
    const [, name, query, asked, wait, boot] = ASKED.exec(path) ?? [];
    const held = name === "orders" ? this.#network.ordersHeld : 0;
    const how = { ...options, held };
    const reply = await this.#network.send<unknown>(this.#from, how, async (server) => {
      if (name === "sync") return server.sync(this.runnerId, text);
      if (name === "logs") return server.logs(this.runnerId, text);
      const life = decodeURIComponent(boot as string);
      return server.orders(this.runnerId, life, Number(asked), Number(wait));
    });
    if (name !== "logs") {
      this.#network.heard(
        `${this.runnerId} ${name} ${query?.slice(1) ?? ""}`,
        reply as OrdersReply,
      );
      const after = name === "sync" ? SYNC_AFTER.exec(text)?.[1] : asked;
      this.#network.onOrders(this.#from, Number(after), reply as OrdersReply | SyncReply);
    }
    return reply;
  }

  missingBlobs(hashes: readonly string[], purpose?: BlobPurpose): Promise<string[]> {
    return this.#network.send(this.#from, BLOBS, (server) => server.missing(hashes, purpose));
  }

  putBlob(hash: string): Promise<void> {
    return this.#network.send(this.#from, BLOBS, (server) => server.put(hash));
  }

  /** Whether a blob can be fetched. @throws ServerFailure while the server is away */
  async has(hash: string): Promise<boolean> {
    return (await this.missingBlobs([hash])).length === 0;
  }

  close(): void {}
}

const BLOBS = { timeoutMs: 60_000 };
/** What is asked, and of a poll from where on, how long it waits, and who asks. */
const ASKED = /\/runners\/[^/]+\/(\w+)(\?after=(\d+)&wait_ms=(\d+)&boot=(.*))?$/;
/** At the beginning of its text. */
const SYNC_AFTER = /"ordersAfter":(\d+)/;
