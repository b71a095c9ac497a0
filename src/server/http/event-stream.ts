/**
 * One reader of server-sent events. The producer asks it to `send` and waits while the reader's socket is full, so a
 * reader that does not read holds up nobody but itself and costs one message of memory; one that stays
 * stuck is cut off, and goes on from its Last-Event-ID when it comes back.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { type Clock, sleep } from "../../base/clock.ts";

const STUCK_MS_MAX = 30_000;
const COMMENT_EVERY_MS = 15_000;

export class EventStream {
  readonly #reply: FastifyReply;
  readonly #clock: Clock;
  #closed = false;
  #awake = false;
  #wake: (() => void) | undefined;

  private constructor(reply: FastifyReply, clock: Clock) {
    this.#reply = reply;
    this.#clock = clock;
  }

  /** What a reader that comes back has seen last. */
  static lastEventId(request: FastifyRequest): string | undefined {
    const id = request.headers["last-event-id"];
    return typeof id === "string" && id !== "" ? id : undefined;
  }

  /** Takes the answer over from the framework. */
  static open(reply: FastifyReply, clock: Clock): EventStream {
    const stream = new EventStream(reply, clock);
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "x-accel-buffering": "no",
    });
    raw.flushHeaders();
    raw.once("close", () => {
      stream.#closed = true;
      stream.wake();
    });
    return stream;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves when the reader can take more. @param id what it comes back with after a gap */
  async send(event: string, data: unknown, id?: string): Promise<void> {
    if (this.#closed) return;
    const text = `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    if (this.#reply.raw.write(text)) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(STUCK_MS_MAX, () => this.close());
      const done = (): void => {
        cancel();
        this.#reply.raw.off("drain", done);
        this.#reply.raw.off("close", done);
        resolve();
      };
      this.#reply.raw.once("drain", done);
      this.#reply.raw.once("close", done);
    });
  }

  /** There is news: the next `idle` returns at once. */
  wake(): void {
    this.#awake = true;
    this.#wake?.();
  }

  /**
   * Waits for news, with a comment now and then so that both sides notice a dead connection.
   * @param msMax for no longer than this; absent = until the next comment is due
   */
  async idle(msMax = COMMENT_EVERY_MS): Promise<void> {
    if (!this.#awake && !this.#closed && msMax > 0)
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.after(msMax, () => {
          if (msMax >= COMMENT_EVERY_MS) this.#reply.raw.write(": still here\n\n");
          resolve();
        });
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
    this.#awake = false;
    this.#wake = undefined;
  }

  /** Waits at least this long, so that changes in quick succession go out together. */
  pause(delayMs: number): Promise<void> {
    return sleep(this.#clock, delayMs);
  }

  close(): void {
    this.#closed = true;
    if (this.#reply.raw.writableNeedDrain) this.#reply.raw.destroy();
    else this.#reply.raw.end();
    this.wake();
  }
}
