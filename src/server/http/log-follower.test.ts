import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRow } from "../../store/log-store.ts";
import { Subscribers } from "../subscribers.ts";
import { followLogs } from "./log-follower.ts";

const SUBJECT = { experiment: 1, trial: 2 };

/** A follower of trial 1.2, with a database that notes what it is asked, and a reader that waits when it is told to. */
class Stand {
  readonly subscribers = new Subscribers();
  readonly trial: { over: object | null; allocation: { run: number } | null } = {
    ...{ over: null, allocation: null },
  };
  readonly experiments = new Map([[1, { x: { trials: new Map([[2, this.trial]]) } }]]);
  lines: LogRow[] = [];
  /** In order: reads of lines, looks at the trial, events sent, pauses and waits. */
  readonly seen: string[] = [];
  /** The lines behind which was read. */
  readonly readBehind: number[] = [];
  closed = false;
  lastEventId: string | undefined;
  #awake = false;
  #wake = (): void => undefined;
  #unpause = (): void => undefined;

  follow(more: { readonly run?: number; readonly contains?: string } = {}): Promise<void> {
    const { experiments, subscribers } = this;
    const clock = { nowMs: () => 0, monotonicMs: () => 0, after: () => () => undefined };
    const client = {
      on: () => undefined,
      off: () => undefined,
      release: () => undefined,
      query: async (asked: string | { values: unknown[] }) => ({
        rows: typeof asked === "string" ? [] : this.#read(asked.values),
      }),
    };
    const readPool = {
      connect: async () => client,
      query: async (text: string) => {
        const last = this.lines.at(-1);
        if (text.includes("as allocation"))
          return { rows: last ? [{ allocation: last.allocation_id, seq: last.seq }] : [] };
        this.seen.push("look");
        return { rows: text.includes("log_lines") ? [] : [{ ended_at: new Date(0) }] };
      },
    };
    const context = { world: { experiments }, subscribers, clock, readPool };
    const filter = { ...SUBJECT, ...more };
    const following = { subject: SUBJECT, filter, tail: undefined, stream: this };
    return followLogs(context as unknown as Parameters<typeof followLogs>[0], following);
  }

  #read(values: readonly unknown[]): LogRow[] {
    this.seen.push("read");
    const [seq, limit] = [Number(values[6]), Number(values[7])];
    this.readBehind.push(seq);
    const sought = (values[4] ?? "") as Buffer;
    return this.lines
      .filter((line) => line.seq > seq && line.bytes.includes(sought))
      .slice(0, limit);
  }

  print(count: number, text = "x"): void {
    for (let i = 0; i < count; i++)
      this.lines.push({
        ...{ allocation_id: 7, trial_number: 2, run: 1, seq: this.lines.length + 1, position: 0 },
        ...{ at: new Date(0), rank: 0, stream: 1, complete: true, bytes: Buffer.from(text) },
      });
    this.subscribers.logsStored(new Set([1]));
  }

  committed(...trials: number[]): void {
    this.subscribers.committed(new Set([1]), new Map([[1, new Set(trials)]]));
  }

  async send(event: string, data: unknown, id?: string): Promise<void> {
    if (id !== undefined) this.lastEventId = id;
    this.seen.push(event === "log" ? `log ${(data as unknown[]).length}` : event);
  }

  wake(): void {
    this.#awake = true;
    this.#wake();
  }

  async idle(): Promise<void> {
    this.seen.push("idle");
    if (!this.#awake) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#awake = false;
  }

  pause(ms: number): Promise<void> {
    this.seen.push(`pause ${ms}`);
    return new Promise((resolve) => (this.#unpause = resolve));
  }

  close(): void {
    this.closed = true;
  }

  /** What has happened since the last time, as soon as nothing happens any more. */
  async news(): Promise<string> {
    await new Promise(setImmediate);
    return this.seen.splice(0).join(", ");
  }

  unpause(): Promise<string> {
    this.#unpause();
    return this.news();
  }
}

test("turns of an experiment that goes on wake no follower, and ask nothing of the database", async () => {
  const stand = new Stand();
  const following = stand.follow();
  assert.equal(await stand.news(), "read, pause 50");
  assert.equal(await stand.unpause(), "idle");
  for (let turn = 0; turn < 100; turn++) stand.committed(2, 3);
  assert.equal(await stand.news(), "");
  stand.print(3);
  assert.equal(await stand.news(), "read, log 3, pause 50");
  for (let batch = 0; batch < 10; batch++) stand.print(2);
  assert.equal(await stand.news(), "", "what comes thick is gathered");
  assert.equal(await stand.unpause(), "idle, read, log 20, pause 50");
  await stand.unpause();
  stand.trial.over = {};
  stand.committed(3);
  assert.equal(await stand.news(), "", "another trial's turn");
  stand.committed(2);
  assert.equal(await stand.news(), "read, look, look, read, end");
  await following;
});

test("one run is followed until it has ended, though its trial goes on", async () => {
  const stand = new Stand();
  stand.trial.allocation = { run: 1 };
  const following = stand.follow({ run: 1 });
  assert.equal(await stand.news(), "read, pause 50");
  await stand.unpause();
  stand.committed(2);
  assert.equal(await stand.news(), "", "it runs on");
  stand.trial.allocation = { run: 2 };
  stand.committed(2);
  assert.equal(await stand.news(), "read, look, look, read, end");
  await following;
});

test("what is there already is sent without a pause, and one that is over ends at once", async () => {
  const stand = new Stand();
  stand.print(2_500);
  stand.experiments.clear();
  await stand.follow();
  assert.equal(
    await stand.news(),
    "read, log 1000, read, log 1000, read, log 500, look, look, read, end",
  );
});

test("lines that a filter passed over are looked through once, and who comes back is told from the last that was sent", async () => {
  const stand = new Stand();
  stand.print(1, "y");
  stand.print(99);
  void stand.follow({ contains: "y" });
  assert.equal(await stand.news(), "read, log 1, pause 50");
  await stand.unpause();
  stand.print(50);
  assert.equal(await stand.news(), "read, pause 50");
  await stand.unpause();
  stand.print(1, "y");
  assert.equal(await stand.news(), "read, log 1, pause 50");
  assert.equal(stand.lastEventId, "7-151");
  await stand.unpause();
  stand.print(50);
  await stand.news();
  assert.equal(stand.lastEventId, "7-151");
  assert.deepEqual(stand.readBehind, [0, 100, 150, 151]);
});

test("a full page of matches is gone on from its last line", async () => {
  const stand = new Stand();
  for (let i = 0; i < 1_000; i++) {
    stand.print(1, "y");
    stand.print(1);
  }
  stand.print(1, "y");
  void stand.follow({ contains: "y" });
  assert.equal(await stand.news(), "read, log 1000, read, log 1, pause 50");
  assert.deepEqual(stand.readBehind, [0, 1999]);
});

test("an experiment that is gone from memory wakes its followers", async () => {
  const stand = new Stand();
  const following = stand.follow();
  await stand.news();
  await stand.unpause();
  stand.experiments.clear();
  stand.committed();
  assert.equal(await stand.news(), "read, look, look, read, end");
  await following;
});
