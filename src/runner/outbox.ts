/**
 * What one allocation has to tell the server: its events and its output, spooled, in order, and the
 * checkpoints that stand between them. It knows when the server has heard everything, and it bounds
 * what may lie here until then.
 */
import type { Clock } from "../base/clock.ts";
import type { AllocationExit } from "./allocation-exit.ts";
import type { CheckpointKeeper } from "./checkpoint-keeper.ts";
import { type EventFields, EventQueue, type Place } from "./event-queue.ts";
import type { Machine, RunnerClient } from "./machine.ts";
import { Pressure } from "./pressure.ts";
import { RankOutput } from "./rank-output.ts";
import { inPlaceOf } from "./refused-event.ts";
import type { SpoolStream } from "./spool.ts";
import type { Refusal, UplinkSource } from "./uplink-stream.ts";

export interface OutboxOptions {
  readonly id: string;
  readonly fence: number;
  /** The allocation's folder. */
  readonly folder: string;
  /** False when an earlier runner may have sent something under this id. */
  readonly counted: boolean;
  readonly clock: Clock;
  readonly client: RunnerClient;
  readonly machine: Pick<Machine, "openSpool" | "newKeeper">;
  readonly limits: { readonly eventsMaxBytes: number; readonly logsMaxBytes: number };
  readonly say: (text: string) => void;
  readonly eventsReady: () => void;
  readonly logsReady: () => void;
  /** Who fills it, held back while there is too much. */
  readonly reports: { pause(): void; resume(): void };
  readonly output: { pause(): void; resume(): void };
  /** Whether the program is there and waits at this step. */
  readonly stillWaits: (step: number) => boolean;
  /** The server has ended or replaced the allocation. */
  readonly disowned: () => void;
  /** The end has been told and everything was heard; called once, with the files closed. */
  readonly delivered: () => void;
}

const DETAIL_MAX_CHARS = 4_000;

export class Outbox implements UplinkSource {
  readonly id: string;
  readonly fence: number;
  readonly events: SpoolStream;
  readonly logs: SpoolStream;
  readonly keeper: CheckpointKeeper;
  /** Resolves when `exited` is in the spool. */
  readonly ended: Promise<void>;
  readonly #options: OutboxOptions;
  readonly #queue: EventQueue;
  readonly #abort = new AbortController();
  readonly #places = new Map<object, Place>();
  readonly #outputs: RankOutput[] = [];
  readonly #eventsPressure: Pressure;
  readonly #logsPressure: Pressure;
  #counted: boolean;
  #unknownThere = false;
  /** What is refused and told again all the same, and was noted. */
  #noted: Buffer | null = null;
  #exitSpooled = false;
  #closed = false;
  #tellEnded: () => void = () => {};

  constructor(options: OutboxOptions) {
    const { folder, clock, limits, counted } = options;
    this.#options = options;
    this.id = options.id;
    this.fence = options.fence;
    this.#counted = counted;
    this.events = options.machine.openSpool(folder, "events");
    this.logs = options.machine.openSpool(folder, "logs");
    this.ended = new Promise((resolve) => {
      this.#tellEnded = resolve;
    });
    this.#queue = new EventQueue({
      spool: this.events,
      open: counted,
      appended: () => this.#appended(),
    });
    this.keeper = this.#newKeeper();
    const stalled = (error: Error) =>
      options.say(`${this.id}: the disk takes nothing more, its sources wait: ${error.message}`);
    const { reports, output } = options;
    this.#eventsPressure = new Pressure({
      ...{ spool: this.events, clock, maxBytes: limits.eventsMaxBytes, stalled },
      pause: () => reports.pause(),
      resume: () => reports.resume(),
    });
    this.#logsPressure = new Pressure({
      ...{ spool: this.logs, clock, maxBytes: limits.logsMaxBytes, stalled },
      pause: () => output.pause(),
      resume: () => output.resume(),
    });
  }

  get counted(): boolean {
    return this.#counted;
  }

  /** `exited` is in the spool. */
  get isOver(): boolean {
    return this.#exitSpooled;
  }

  /** The last event that an earlier runner left says that it had ended. */
  get hadEnded(): boolean {
    const last = this.events.lastAtOpen;
    return (
      last !== null && (JSON.parse(last.toString("utf8")) as { type: string }).type === "exited"
    );
  }

  /** At once, past everything that waits for a checkpoint. */
  put(type: string, fields: EventFields): void {
    this.#queue.put(type, fields);
  }

  /** After every checkpoint that was offered before. */
  putInTurn(type: string, fields: EventFields): void {
    this.#queue.putInTurn(type, fields);
  }

  outputOf(rank: number): RankOutput {
    this.#outputs[rank] ??= new RankOutput({
      rank,
      clock: this.#options.clock,
      append: (records) => {
        this.logs.appendAll(records);
        this.#logsPressure.check();
        this.#options.logsReady();
      },
    });
    return this.#outputs[rank];
  }

  /** A line of the runner's own in the output of a rank. */
  note(rank: number, text: string): void {
    if (!this.#closed && !this.#exitSpooled) this.outputOf(rank).note(text);
  }

  /** The sources are gone: the rest is small and is taken whatever the bounds say. */
  lift(): void {
    this.#logsPressure.lift();
    this.#eventsPressure.lift();
  }

  endOutput(): void {
    for (const output of this.#outputs) output?.end();
  }

  /** The last event, after everything else. */
  tellExit(exit: AllocationExit): void {
    const detail = exit.detail.slice(0, DETAIL_MAX_CHARS);
    const atMs = this.#options.clock.nowMs();
    // Counted when the event is written: what stands before it may still add a line.
    const fields = () => json({ atMs, ...exit, logLines: this.logs.lastSeq, detail });
    void this.#queue
      .reserve("exited")
      .fill(fields)
      .then(() => this.exitTold());
  }

  /** `exited` is in the spool, from now or from before. */
  exitTold(): void {
    this.#exitSpooled = true;
    this.#tellEnded();
    this.#checkDelivered();
  }

  eventsAcked(seq: number): void {
    // Only where the disk may have lost what the server has, a number beyond ours can be right.
    this.events.ack(this.#counted ? Math.min(seq, this.events.lastSeq) : seq);
    this.#count();
    this.#eventsPressure.check();
    this.#checkDelivered();
  }

  logsAcked(seq: number): void {
    this.logs.ack(Math.min(seq, this.logs.lastSeq));
    this.#logsPressure.check();
    this.#checkDelivered();
  }

  disowned(known: boolean): void {
    this.#options.disowned();
    if (known) return;
    this.#unknownThere = true;
    this.#count();
    this.#checkDelivered();
  }

  substitute(payload: Buffer, refusal: Refusal): Buffer | undefined {
    const instead = inPlaceOf(payload, refusal, this.#options.stillWaits);
    if (instead === undefined) return undefined;
    const { note, payload: stand } = instead;
    // Once: each refusal may have words of its own.
    const isAgain = stand === null && this.#noted?.equals(payload) === true;
    if (note !== null && !isAgain) this.note(0, note);
    this.#noted = stand === null ? payload : null;
    return stand ?? undefined;
  }

  /** Lets go of files and timers; what is on disk stays for the next runner. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#abort.abort(new Error("the runner ends"));
    this.endOutput();
    this.events.close();
    this.logs.close();
  }

  #newKeeper(): CheckpointKeeper {
    const { folder, client, clock, machine, say } = this.#options;
    const take = (checkpoint: object): Place => {
      const place = this.#places.get(checkpoint)!;
      this.#places.delete(checkpoint);
      return place;
    };
    return machine.newKeeper({
      ...{ allocation: this.id, folder, client, clock, say, signal: this.#abort.signal },
      events: {
        offered: (checkpoint) => {
          this.#places.set(checkpoint, this.#queue.reserve("checkpoint"));
        },
        stored: (checkpoint, tree) => {
          const { atMs, step, metadata } = checkpoint;
          return take(checkpoint).fill(() => json({ atMs, step, tree, metadata }));
        },
        waits: ({ step }, why) =>
          this.note(
            0,
            why === null
              ? `the checkpoint at step ${step} is at the server now`
              : `the checkpoint at step ${step} waits, and what comes after it: ${why}`,
          ),
        lost: (checkpoint, why) => {
          take(checkpoint).drop();
          this.note(0, `the checkpoint at step ${checkpoint.step} could not be kept: ${why}`);
        },
      },
    });
  }

  #appended(): void {
    this.#eventsPressure.check();
    this.#options.eventsReady();
  }

  /** The server has said how far it has heard, so numbers may be given. */
  #count(): void {
    if (this.#counted) return;
    this.#counted = true;
    this.#queue.open();
  }

  #checkDelivered(): void {
    if (this.#closed || !this.#exitSpooled || !this.#counted) return;
    const heard = (spool: SpoolStream) => spool.ackedSeq === spool.lastSeq;
    if (!this.#unknownThere && !(heard(this.events) && heard(this.logs))) return;
    this.close();
    this.#options.delivered();
  }
}

/** Each field as JSON text, as EventQueue wants them. */
export function json(fields: Readonly<Record<string, unknown>>): EventFields {
  const texts: Record<string, string> = {};
  for (const name of Object.keys(fields)) texts[name] = JSON.stringify(fields[name]);
  return texts;
}
