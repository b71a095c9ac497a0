/**
 * Test support: a runner without a server, on a real Unix socket. It answers as the contract says and
 * does what the test tells it; checkpoints are moved into a folder of its own, as the real one does, so
 * that a trial which touches a folder after handing it over fails here.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../base/json.ts";
import type { FromTrial, Orders, ToTrial } from "../protocol/trial-socket.ts";
import { init, type Surroundings } from "./init.ts";

type Welcome = Extract<ToTrial, { type: "welcome" }>;
type Report = Extract<FromTrial, { type: "report" }>;
export type Kept = { readonly step: number; readonly path: string; readonly metadata: JsonObject };

export const goTo = (target: number | null): Orders => ({ target, yield: null, reason: "test" });
export const yieldNow = (how: "pause" | "stop", target: number | null = null): Orders => ({
  target,
  yield: how,
  reason: "test",
});

export interface FakeRunnerOptions {
  readonly orders: Orders;
  readonly welcome?: Partial<Omit<Welcome, "type" | "orders">>;
  /** Called for each wait; the orders go to every connection. None: the trial waits on. */
  readonly onWait?: (step: number, rank: number) => Orders | undefined;
  readonly onReport?: (report: Report) => Orders | undefined;
  /** Why a checkpoint is not kept, or null. */
  readonly refuses?: (step: number) => string | null;
}

export class FakeRunner {
  readonly folder = mkdtempSync(join(tmpdir(), "contrail-fake-runner-"));
  readonly socketPath = join(this.folder, "trial.sock");
  /** Everything heard but the hellos, in order, as raw lines too. */
  readonly heard: FromTrial[] = [];
  readonly lines: string[] = [];
  readonly kept: Kept[] = [];
  /** While true nothing is read from any connection. */
  deaf = false;
  orders: Orders;
  readonly #options: FakeRunnerOptions;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #watchers = new Set<() => void>();
  readonly #agreed = new Map<number, Orders>();

  constructor(options: FakeRunnerOptions) {
    this.#options = options;
    this.orders = options.orders;
    mkdirSync(join(this.folder, "spool"));
    mkdirSync(join(this.folder, "kept"));
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(options: FakeRunnerOptions): Promise<FakeRunner> {
    const runner = new FakeRunner(options);
    await new Promise<void>((listening) => {
      runner.#server.listen(runner.socketPath, listening);
    });
    return runner;
  }

  get reports(): Report[] {
    return this.heard.filter((message) => message.type === "report");
  }
  /** For example ["report 1", "checkpoint 1", "wait 1", "bye"]. */
  get story(): string[] {
    return this.heard.map((m) => ("step" in m ? `${m.type} ${m.step}` : m.type));
  }

  push(orders: Orders): void {
    this.orders = orders;
    for (const socket of this.#connections) this.#say(socket, { type: "orders", ...orders });
  }

  /** Resolves once the condition holds; looked at after every message heard. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
    });
  }

  setDeaf(deaf: boolean): void {
    this.deaf = deaf;
    for (const socket of this.#connections) deaf ? socket.pause() : socket.resume();
  }

  /** Dies: connections break, the socket is gone. Files stay. */
  async die(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    if (!this.#server.listening) return;
    await new Promise((closed) => {
      this.#server.close(closed);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.die();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("error", () => {});
    socket.setEncoding("utf8");
    let rank = 0;
    let tail = "";
    socket.on("data", (text: string) => {
      const lines = (tail + text).split("\n");
      tail = lines.pop()!;
      for (const line of lines) {
        const message = JSON.parse(line) as FromTrial;
        if (message.type === "hello") rank = message.rank;
        else {
          this.lines.push(line);
          this.heard.push(message);
        }
        this.#answer(socket, rank, message);
      }
      for (const look of [...this.#watchers]) look();
    });
  }

  #answer(socket: Socket, rank: number, message: FromTrial): void {
    if (message.type === "hello") this.#say(socket, this.#welcome(rank));
    else if (message.type === "agree") {
      // Whoever asks first at a turn fixes the answer for all.
      const orders = this.#agreed.get(message.turn) ?? this.orders;
      this.#agreed.set(message.turn, orders);
      this.#say(socket, { type: "agreed", turn: message.turn, ...orders });
    } else if (message.type === "checkpoint") this.#keep(socket, message);
    else if (message.type === "report" || message.type === "wait") {
      const orders =
        message.type === "report"
          ? this.#options.onReport?.(message)
          : this.#options.onWait?.(message.step, rank);
      if (orders) this.push(orders);
    }
  }

  #keep(socket: Socket, { step, path, metadata }: Extract<FromTrial, { type: "checkpoint" }>) {
    const error = this.#options.refuses?.(step) ?? null;
    if (error === null) {
      const to = join(this.folder, "kept", `${this.kept.length}`);
      renameSync(path, to);
      this.kept.push({ step, path: to, metadata });
    }
    this.#say(socket, { type: "checkpointed", step, error });
  }

  #welcome(rank: number): Welcome {
    return {
      type: "welcome",
      experiment: 3,
      trial: "3.12",
      allocation: "3.12.1",
      params: {},
      seed: 7,
      size: 1,
      data: {},
      unit: "epochs",
      checkpointDir: join(this.folder, "spool"),
      restore: null,
      ...this.#options.welcome,
      rank,
      orders: this.orders,
    };
  }

  #say(socket: Socket, message: ToTrial): void {
    socket.write(`${JSON.stringify(message)}\n`);
  }
}

/** What a process would give its trial, with everything it prints kept. */
export function surroundings(environment: {
  readonly [name: string]: string | undefined;
}): Surroundings & {
  readonly printed: string[];
  readonly warned: string[];
  nowMs: number;
} {
  const around = {
    environment,
    printed: [] as string[],
    warned: [] as string[],
    nowMs: 0,
    print: (line: string) => void around.printed.push(line),
    warn: (line: string) => void around.warned.push(line),
    monotonicMs: () => around.nowMs,
  };
  return around;
}

/** A trial under such a runner. */
export async function begin(options: FakeRunnerOptions) {
  const runner = await FakeRunner.start(options);
  const around = surroundings({ CONTRAIL_SOCKET: runner.socketPath });
  return { runner, around, trial: await init({}, around) };
}

/** Saves a model. */
export const save = (folder: string) => writeFileSync(join(folder, "model"), "weights");
