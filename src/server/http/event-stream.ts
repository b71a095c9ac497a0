/**
 * One reader of server-sent events. The producer asks it to `send` and waits while the reader's socket is full, so a
 * reader that does not read holds up nobody but itself and costs one message of memory; one that stays
 * stuck is cut off, and goes on from its Last-Event-ID when it comes back.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { type Clock, sleep } from "../../base/clock.ts";
import { person } from "./app.ts";
import type { RouteContext } from "./context.ts";

const STUCK_MS_MAX = 30_000;
const COMMENT_EVERY_MS = 15_000;

/** For a person, and no longer than the token holds by which they asked. */
export function openStream(
  { clock, connections }: Pick<RouteContext, "clock" | "connections">,
  request: FastifyRequest,
  reply: FastifyReply,
): EventStream {
  const { tokenId } = person(request);
  connections.watch(request.raw.socket, { tokenId }, reply.raw);
  return EventStream.open(reply, clock);
}

export class EventStream {
  readonly #reply: FastifyReply;
  readonly #clock: Clock;
  #closed = false;
  #writtenMs: number;
  #awake = false;
  #wake: (() => void) | undefined;

  private constructor(reply: FastifyReply, clock: Clock) {
    this.#reply = reply;
    this.#clock = clock;
    this.#writtenMs = clock.monotonicMs();
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
    if (this.#write(text)) return;
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
  async idle(msMax = Number.POSITIVE_INFINITY): Promise<void> {
    const waitMs = Math.min(msMax, this.#commentInMs);
    if (!this.#awake && !this.#closed && waitMs > 0)
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.after(waitMs, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
    this.#awake = false;
    this.#wake = undefined;
    // Counted from what was written last: who is woken again and again and has nothing to say is silent, too.
    if (!this.#closed && this.#commentInMs <= 0) this.#write(": still here\n\n");
  }

  /** Waits at least this long, so that changes in quick succession go out together. */
  pause(delayMs: number): Promise<void> {
    return sleep(this.#clock, delayMs);
  }

  get #commentInMs(): number {
    return this.#writtenMs + COMMENT_EVERY_MS - this.#clock.monotonicMs();
  }

  /** @returns whether the reader can take more */
  #write(text: string): boolean {
    this.#writtenMs = this.#clock.monotonicMs();
    return this.#reply.raw.write(text);
  }

  close(): void {
    this.#closed = true;
    if (this.#reply.raw.writableNeedDrain) this.#reply.raw.destroy();
    else this.#reply.raw.end();
    this.wake();
  }
}
