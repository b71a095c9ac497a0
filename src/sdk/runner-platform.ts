/**
 * The training side of the socket: one JSON object a line to the runner beside this process.
 *
 * A report is written at once, not queued for later: a Unix socket takes it in one system call (12 µs in
 * the middle, 68 µs at p99: `bench/report-cost.ts`, two busy cores), and then even a process that dies in the next line has reported. What the
 * runner does not take in time waits in memory up to `BACKLOG_MAX_BYTES`; beyond that reports are
 * dropped, counted and said, because a training loop must neither wait for the platform nor die of it.
 *
 * The socket keeps the process alive only while somebody waits for an answer: a script that returns,
 * ends.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { JsonObject } from "../base/json.ts";
import type { FromTrial, Orders, ToTrial } from "../protocol/trial-socket.ts";
import { metricsJson } from "./metric-json.ts";
import { type Facts, observed } from "./observed.ts";
import { Outside } from "./outside.ts";
import type { Platform, Session, Warn, Welcome } from "./platform.ts";
import { TrialError } from "./trial-errors.ts";
import { SDK_NAME } from "./version.ts";

const BACKLOG_MAX_BYTES = 16 * 1024 * 1024;
const FLUSH_TIMEOUT_MS = 5_000;
const WELCOME_TIMEOUT_MS = 60_000;
const OBSERVED_AGAIN_MS = 10_000;

/**
 * Says hello and waits for the welcome.
 * @param ownEnd the step to train to where the experiment sets no length; asked for only then
 * @throws TrialError runner_unreachable, and what `ownEnd` throws
 */
export async function connectRunner(
  path: string,
  { rank, warn, ownEnd }: { rank: number; warn: Warn; ownEnd: () => number },
): Promise<Platform> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
  } catch (cause) {
    throw unreachableRunner(path, (cause as Error).message, cause);
  }
  const platform = new RunnerPlatform(socket, warn);
  await platform.greet(path, rank);
  platform.endByItself(ownEnd);
  return platform;
}

const unreachableRunner = (path: string, why: string, cause?: unknown): TrialError =>
  new TrialError("runner_unreachable", { path, cause: why }, { cause });

class RunnerPlatform implements Platform {
  readonly #socket: Socket;
  readonly #warn: Warn;
  #welcome: Welcome | null = null;
  #orders: Orders | null = null;
  /** Where the program ends by itself, because nobody else says how far to train. */
  #ownEnd: number | null = null;
  /** Answers to checkpoints that nobody has fetched yet, by step. */
  readonly #checkpointed = new Map<number, string | null>();
  /** Called after every message and at the end of the connection. */
  readonly #watchers = new Set<() => void>();
  #gone = false;
  #goodbye = false;
  #droppedReports = 0;
  /** How often this rank has asked what all of them do, and the answer that came last. */
  #turns = 0;
  #agreed: { readonly turn: number; readonly orders: Orders } | null = null;
  /** This program has trained as many steps as it asks for itself. */
  #finished = false;
  #tail = "";
  /** Where the runner wants to know what the program sees. */
  #outside: Outside | null = null;
  #facts: Facts | null = null;
  #observedAtMs = 0;

  constructor(socket: Socket, warn: Warn) {
    this.#socket = socket;
    this.#warn = warn;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#hear(text));
    socket.on("error", () => this.#lose());
    socket.on("close", () => this.#lose());
    socket.unref();
  }

  async greet(path: string, rank: number): Promise<void> {
    this.#send({ type: "hello", rank, sdk: SDK_NAME });
    await this.#until(() => this.#welcome !== null, WELCOME_TIMEOUT_MS);
    if (this.#welcome === null) {
      this.#socket.destroy();
      const why = this.#gone
        ? "it closed the connection"
        : `no welcome within ${WELCOME_TIMEOUT_MS} ms`;
      throw unreachableRunner(path, why);
    }
    if (this.#welcome.observes === true && rank === 0) this.#outside = new Outside().watch();
  }

  get session(): Session {
    return this.#welcome!;
  }

  get orders(): Orders {
    return this.#heeded(this.#orders!);
  }

  #heeded(orders: Orders): Orders {
    if (this.#ownEnd === null || orders.target !== null) return orders;
    return { ...orders, target: this.#ownEnd };
  }

  /** As alone: without a length the script's own number of steps is the end, and it says so. */
  endByItself(ownEnd: () => number): void {
    const { openEnded, rank } = this.#welcome!;
    if (openEnded !== true) return;
    this.#ownEnd = ownEnd();
    if (rank === 0)
      this.#warn(
        `the experiment sets no length; training to step ${this.#ownEnd} (searcher.max_length, or CONTRAIL_STEPS, or init's steps change the end)`,
      );
  }

  /** With the first report, when everything is imported, and later once more for what it has reached for since. */
  #observe({ last = false } = {}): void {
    if (this.#outside === null || (this.#facts !== null && !this.#outside.changed)) return;
    const nowMs = performance.now();
    if (this.#facts === null) this.#facts = observed();
    else if (!last && nowMs < this.#observedAtMs + OBSERVED_AGAIN_MS) return;
    this.#observedAtMs = nowMs;
    this.#send({ type: "observed", facts: { ...this.#facts, outside: this.#outside.facts() } });
  }

  report(step: number, metrics: { readonly [name: string]: unknown }): void {
    this.#observe();
    if (this.#socket.writableLength > BACKLOG_MAX_BYTES) this.#drop();
    else this.#write(`{"type":"report","step":${step},"metrics":${metricsJson(metrics)}}\n`);
  }

  async checkpoint(step: number, path: string, metadata: JsonObject): Promise<string | null> {
    this.#checkpointed.delete(step);
    this.#send({ type: "checkpoint", step, path, metadata });
    await this.#until(() => this.#checkpointed.has(step));
    if (!this.#checkpointed.has(step)) return "the runner went away";
    const error = this.#checkpointed.get(step)!;
    this.#checkpointed.delete(step);
    return error;
  }

  async agree(): Promise<Orders> {
    // Every rank comes to this by itself, at the same step.
    if (this.#finished) return this.orders;
    this.#turns += 1;
    const turn = this.#turns;
    this.#send({ type: "agree", turn });
    await this.#until(() => this.#agreed?.turn === turn);
    // With the runner gone nobody can agree on anything any more: on to the target that all know.
    if (this.#agreed?.turn === turn) return this.#heeded(this.#agreed.orders);
    return { ...this.#heeded(this.#agreed?.orders ?? this.#orders!), yield: null };
  }

  async wait(step: number): Promise<boolean> {
    if (this.#ownEnd !== null && this.#orders!.target === null && step >= this.#ownEnd) {
      this.#orders = { target: step, yield: "stop", reason: "all steps are done" };
      this.#finished = true;
      return true;
    }
    const answered = () => {
      const { target, yield: yielding } = this.orders;
      return target === null || target > step || yielding !== null;
    };
    if (!answered()) {
      this.#send({ type: "wait", step });
      await this.#until(answered);
    }
    return answered();
  }

  invalidHyperparameters(reason: string): void {
    this.#send({ type: "invalid_hyperparameters", reason });
  }

  bye(): void {
    this.#observe({ last: true });
    this.#outside?.silence();
    this.#send({ type: "bye" });
    this.#goodbye = true;
    if (this.#droppedReports > 0) this.#warn(`${this.#droppedReports} reports were dropped in all`);
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  async flush(): Promise<void> {
    if (this.#gone || this.#socket.writableLength === 0) return;
    let flushed = false;
    this.#socket.write("", () => {
      flushed = true;
      for (const look of this.#watchers) look();
    });
    await this.#until(() => flushed, FLUSH_TIMEOUT_MS);
    if (flushed || this.#gone) return;
    this.#warn(
      `the runner took nothing for ${FLUSH_TIMEOUT_MS} ms; ${this.#socket.writableLength} bytes of reports are lost`,
    );
    this.#gone = true;
    this.#socket.destroy();
  }

  #send(message: FromTrial): void {
    this.#write(`${JSON.stringify(message)}\n`);
  }

  #write(line: string): void {
    if (!this.#gone) this.#socket.write(line);
  }

  #drop(): void {
    if (this.#droppedReports === 0)
      this.#warn(
        `the runner has taken nothing for ${BACKLOG_MAX_BYTES / 2 ** 20} MiB of reports; training goes on, reports are dropped until it does`,
      );
    this.#droppedReports += 1;
  }

  #hear(text: string): void {
    const lines = (this.#tail + text).split("\n");
    this.#tail = lines.pop()!;
    for (const line of lines) if (line !== "") this.#take(line);
    for (const look of this.#watchers) look();
  }

  #take(line: string): void {
    let message: ToTrial;
    try {
      message = JSON.parse(line) as ToTrial;
    } catch {
      this.#warn(`the runner sent a line that is not JSON, ignored: ${line.slice(0, 80)}`);
      return;
    }
    if (message.type === "welcome") {
      this.#welcome ??= message;
      this.#orders = message.orders;
    } else if (message.type === "orders") {
      this.#orders = message;
    } else if (message.type === "agreed") {
      this.#agreed = { turn: message.turn, orders: message };
    } else if (message.type === "checkpointed") {
      this.#checkpointed.set(message.step, message.error);
    }
    // Anything else comes from a newer runner and is not for us.
  }

  #lose(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (this.#welcome !== null && !this.#goodbye)
      this.#warn(
        "the runner went away; training goes on to the last target, later reports are lost",
      );
    for (const look of this.#watchers) look();
  }

  /** Waits until `done()`, the end of the connection, or the limit; the caller looks which. */
  #until(done: () => boolean, limitMs?: number): Promise<void> {
    if (done() || this.#gone) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        if (this.#watchers.size === 0) this.#socket.unref();
        resolve();
      };
      const look = () => {
        if (done() || this.#gone) finish();
      };
      const timer = limitMs === undefined ? undefined : setTimeout(finish, limitMs);
      this.#watchers.add(look);
      this.#socket.ref();
    });
  }
}
