/** One allocation on a machine that is not there, but for its disk. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { Clock } from "../base/clock.ts";
import type { AllocationOrders, LaunchSpec } from "../protocol/runner-wire.ts";
import { AllocationHost } from "./allocation-host.ts";
import type { CheckpointKeeper } from "./checkpoint-keeper.ts";
import type { Machine, RunnerClient } from "./machine.ts";
import type { RankSetOptions, StartedRanks } from "./rank-set.ts";
import { Spool } from "./spool.ts";
import { nodeFiles } from "./spool-segment.ts";
import { HeldTask } from "./tasks/held-task.ts";
import type { PreparedWorkspace } from "./workspace.ts";

const ORDERS: AllocationOrders = {
  ...{ id: "1.1.1", fence: 1, version: 1, launch: null },
  ...{ target: null, yield: null, kill: false, reason: "go" },
} as unknown as AllocationOrders;

const LAUNCH = {
  ...{ allocation: "1.1.1", trial: "1.1", entrypoint: ["train"], slots: [], ranks: 2 },
  ...{ killGraceMs: 100, yieldGraceMs: 100, restore: null },
} as unknown as LaunchSpec;

class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "contrail-host-"));
  readonly host: AllocationHost;
  /** What became of it, in order. */
  readonly seen: string[] = [];
  isFull = false;
  hears = true;
  ranks!: Omit<RankSetOptions, "clock" | "starter" | "oom">;
  /** Ends the starting of ranks. */
  answer!: (started: StartedRanks) => void;
  readonly #timers = new Set<() => void>();
  readonly #clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after: (_, callback) => {
      this.#timers.add(callback);
      return () => void this.#timers.delete(callback);
    },
  };
  readonly #starting: Promise<void>;
  #begins = () => {};

  constructor() {
    this.#starting = new Promise((resolve) => {
      this.#begins = resolve;
    });
    mkdirSync(join(this.folder, "1.1.1"));
    const place = {
      ...{ id: "1.1.1", fence: 1 },
      ...{ folder: join(this.folder, "1.1.1"), socketPath: join(this.folder, "1.sock") },
    };
    this.host = new AllocationHost(
      place,
      {
        clock: this.#clock,
        client: {} as RunnerClient,
        machine: this.#machine() as Machine,
        limits: { eventsMaxBytes: 1e6, logsMaxBytes: 1e6 },
        ...{ eventsReady: () => {}, logsReady: () => {}, groupsChanged: () => {} },
        ...{ delivered: () => {}, say: () => {} },
      },
      true,
    );
  }

  #machine(): Partial<Machine> {
    return {
      prepare: async () => ({ code: this.folder, data: {} }) as unknown as PreparedWorkspace,
      capture: async () => ({ environment: {}, own: {} }) as never,
      openSpool: (folder, name) =>
        Spool.open(folder, name, {
          write: (...args) => {
            if (this.isFull) throw new Error("ENOSPC: no space left on device, write");
            return nodeFiles.write(...args);
          },
        }),
      newTask: (options) =>
        new HeldTask(options, { clock: this.#clock, whileRunning: false, tunnel: null }),
      newKeeper: () => ({ open: async () => {} }) as CheckpointKeeper,
      newRanks: (options) => {
        this.ranks = options;
        return {
          ...{ groups: [], release: () => {}, signal: (_, name) => void this.seen.push(name) },
          ...{ pause: () => {}, resume: () => {}, reconsider: () => void this.seen.push("asks") },
          start: () => {
            this.#begins();
            return new Promise((resolve) => {
              this.answer = resolve;
            });
          },
          sweep: async () => ({ outlived: 0, outOfMemory: null }),
        };
      },
      newSocket: () => ({
        ...{ listen: async () => {}, push: () => {}, drained: async () => {}, close: () => {} },
        pause: () => this.#hear(false),
        resume: () => this.#hear(true),
      }),
    };
  }

  #hear(hears: boolean): void {
    this.hears = hears;
  }

  /** Up to where its first rank is to be started. */
  async launch(spec: Partial<LaunchSpec> = {}): Promise<void> {
    this.host.launch(ORDERS, { ...LAUNCH, ...spec });
    await this.#starting;
  }

  order(change: Partial<AllocationOrders>): void {
    this.host.order({ ...ORDERS, version: 2, ...change });
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise(setImmediate);
  }

  /** Whether anything is waited for. */
  get waits(): boolean {
    return this.#timers.size > 0;
  }

  /** All timers that run now go off. */
  ring(): void {
    const due = [...this.#timers];
    this.#timers.clear();
    for (const callback of due) callback();
  }

  close(): void {
    this.host.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => bench.close());

test("a disk that is full when the program begins keeps it waiting until there is room", async () => {
  await bench.launch();
  assert.ok(!bench.hears, "nothing is heard before it is told that it runs");
  bench.isFull = true;
  bench.ranks.first(1);
  assert.ok(!bench.hears);
  bench.isFull = false;
  bench.ring();
  assert.ok(bench.hears);
});

test("room that there is again lets nothing be heard before it is told that the program runs", async () => {
  await bench.launch();
  bench.isFull = true;
  bench.host.outbox.put("usage", {});
  bench.isFull = false;
  bench.ring();
  assert.ok(!bench.hears);
  bench.ranks.first(1);
  assert.ok(bench.hears);
});

test("nobody is asked for how long a task has not been used before it runs", async () => {
  await bench.launch({ task: { kind: "shell", idleTimeoutMs: 60_000 } });
  assert.ok(!bench.waits);
  bench.ranks.first(1);
  assert.ok(bench.waits);
});

test("a kill while ranks are started is asked for again, and ends what is there", async () => {
  await bench.launch();
  bench.ranks.first(1);
  assert.ok(bench.ranks.goesOn(true));
  bench.order({ kill: true });
  assert.deepEqual(bench.seen, ["asks"]);
  assert.ok(!bench.ranks.goesOn(true));
  bench.answer({ pids: [1], fault: null, environment: {} });
  await bench.until(() => bench.seen.includes("SIGTERM"));
});

test("a pause while ranks are started lets the others come, where the first is there", async () => {
  await bench.launch();
  bench.order({ yield: "pause" });
  assert.ok(!bench.ranks.goesOn(false));
  assert.ok(bench.ranks.goesOn(true));
});

test("a pause that came before the first rank is told as one, and no rank failed", async () => {
  await bench.launch();
  bench.order({ yield: "pause" });
  bench.answer({ pids: [], fault: null, environment: {} });
  await bench.host.outbox.ended;
  const { payloads } = bench.host.outbox.events.peek(1e6, 10);
  const last = JSON.parse(payloads.at(-1)?.toString() ?? "") as Record<string, unknown>;
  assert.deepEqual([last.type, last.kind, last.yielded], ["exited", "processes", true]);
});
