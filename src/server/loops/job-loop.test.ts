/** When an engine is asked at all, on a clock that the test moves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import pino from "pino";
import {
  EngineUnreachable,
  JobDeferred,
  type JobEngine,
  type JobObservation,
  type JobRequest,
} from "../../engines/job-engine.ts";
import type { DecisionLoop } from "./decision-loop.ts";
import { JobLoop, type JobLoopOptions } from "./job-loop.ts";
import { ManualClock } from "./manual-clock.ts";

class MovedClock extends ManualClock {
  #nowMs = 0;

  override monotonicMs(): number {
    return this.#nowMs;
  }

  async pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    await this.ring();
  }
}

const ended: JobObservation = {
  state: "ended",
  end: { cause: "exited", code: 0, signal: null, text: "exited with 0" },
};

const queued: JobObservation = { state: "queued", why: "its pods are being made" };

for (const [what, fault] of [
  ["the engine put off", new JobDeferred("exceeded quota")],
  ["nobody knows whether the engine took", new EngineUnreachable("no answer")],
  [
    "the server has no room for",
    Object.assign(new Error("ENOSPC: no space left on device, write"), {
      ...{ code: "ENOSPC", syscall: "write" },
    }),
  ],
] as const)
  test(`a job that ${what} is launched again, though a look has shown it`, async () => {
    const clock = new MovedClock();
    let launches = 0;
    const ends: string[] = [];
    // Shown once, as of the launch that failed, and again when it has been launched.
    const shown = [true, false, false];
    const engine: Partial<JobEngine> = {
      name: "engine",
      launch: async () => {
        launches += 1;
        if (launches === 1) throw fault;
        return { adopted: false };
      },
      output: async () => "",
      list: async () => new Map((shown.shift() ?? launches > 1) ? [["1.1.1", queued]] : []),
    };
    const allocations = new Map([[1, { run: 1, startedAtMs: null }]]);
    const live = {
      ...{ id: 1, pool: "jobs", allocations },
      trials: new Map(),
      x: { trials: new Map() },
    };
    const world = { experiments: new Map([[1, live]]) };
    const decisions = {
      world,
      read: async (read: (of: unknown) => unknown) => read(world),
      submit: async ({ name }: { name: string }) => void ends.push(name),
    };
    const loop = new JobLoop({
      ...{ loop: decisions as unknown as DecisionLoop, engine: engine as JobEngine },
      ...{ clock, log: pino({ level: "silent" }), pool: "jobs", owner: "own" },
      request: async (id) => ({ id }) as JobRequest,
      gone: async () => {},
      kept: () => [],
    });
    loop.start();
    await clock.pass(0);
    for (let second = 0; second < 20; second += 1) await clock.pass(1_000);
    await loop.stop();
    assert.deepEqual(ends, []);
    assert.equal(launches, 2);
    assert.equal(loop.why("1.1.1"), "its job waits in engine: its pods are being made");
  });

/** A pool in which nothing is wanted, of an engine that remembers one job. */
function idlePool(
  clearsByLooks: boolean,
  keeps: Pick<JobLoopOptions, "gone" | "kept"> = { gone: async () => {}, kept: () => [] },
) {
  const clock = new MovedClock();
  const jobs = new Map([["1.1.1", ended]]);
  let looks = 0;
  const engine: Partial<JobEngine> = {
    ...{ name: "engine", clearsByLooks },
    list: async () => {
      looks += 1;
      return new Map(jobs);
    },
  };
  const world = { experiments: new Map() };
  const loop = new JobLoop({
    loop: { world, read: async (read: (of: unknown) => unknown) => read(world) } as DecisionLoop,
    engine: engine as JobEngine,
    ...{ clock, log: pino({ level: "silent" }), pool: "jobs", owner: "own" },
    request: () => assert.fail("nothing is launched"),
    ...keeps,
  });
  return { clock, jobs, loop, looks: () => looks };
}

test("a job that the server cannot prepare holds up no other, and says why it waits", async () => {
  const clock = new MovedClock();
  const launched: string[] = [];
  const engine: Partial<JobEngine> = {
    name: "engine",
    launch: async ({ id }) => {
      launched.push(id);
      return { adopted: false };
    },
    list: async () => new Map(launched.map((id) => [id, queued])),
  };
  const allocations = new Map([1, 2].map((trial) => [trial, { run: 1, startedAtMs: null }]));
  const live = {
    ...{ id: 1, pool: "jobs", allocations },
    ...{ trials: new Map(), x: { trials: new Map() } },
  };
  const world = { experiments: new Map([[1, live]]) };
  const loop = new JobLoop({
    loop: { world, read: async (read: (of: unknown) => unknown) => read(world) } as DecisionLoop,
    engine: engine as JobEngine,
    ...{ clock, log: pino({ level: "silent" }), pool: "jobs", owner: "own" },
    request: async (id) => {
      if (id === "1.2.1") return { id } as JobRequest;
      const message = "EIO: i/o error, open '/data/jobs/1.1.1/token'";
      throw Object.assign(new Error(message), { code: "EIO", syscall: "open" });
    },
    gone: async () => {},
    kept: () => [],
  });
  loop.start();
  await clock.pass(0);
  for (let second = 0; second < 5; second += 1) await clock.pass(1_000);
  await loop.stop();
  assert.deepEqual(launched, ["1.2.1"]);
  assert.match(
    loop.why("1.1.1") ?? "",
    /^its job waits for engine: the server cannot prepare it: EIO: i\/o error, open/,
  );
});

/** A look at two jobs of which the second has ended. @returns what is said of the end */
async function toldOf(request: (id: string) => Promise<JobRequest>): Promise<string> {
  const clock = new MovedClock();
  const told: string[] = [];
  const seen: [string, JobObservation][] = [
    ["1.1.1", queued],
    ["1.2.1", ended],
  ];
  const engine: Partial<JobEngine> = {
    name: "engine",
    launch: async () => ({ adopted: true }),
    list: async () => new Map(seen),
    output: async () => "last words",
  };
  const allocations = new Map([1, 2].map((trial) => [trial, { run: 1, startedAtMs: null }]));
  const trials = new Map([1, 2].map((id) => [id, { id }]));
  const live = { ...{ id: 1, pool: "jobs", allocations, trials }, x: { trials: new Map() } };
  const world = {
    experiments: new Map([[1, live]]),
    apply: (_turn: unknown, { allocations }: typeof live, event: unknown) => {
      allocations.delete(2);
      told.push(JSON.stringify(event));
    },
  };
  const decisions = {
    world,
    read: async (read: (of: unknown) => unknown) => read(world),
    submit: async ({ run }: { run: (of: unknown, turn: unknown) => void }) => run(world, {}),
  };
  const loop = new JobLoop({
    ...{ loop: decisions as unknown as DecisionLoop, engine: engine as JobEngine },
    ...{ clock, log: pino({ level: "silent" }), pool: "jobs", owner: "own" },
    ...{ request, gone: async () => {}, kept: () => [] },
  });
  loop.start();
  await clock.pass(0);
  for (let second = 0; second < 5; second += 1) await clock.pass(1_000);
  await loop.stop();
  return told.join("\n");
}

const unwritable = (): Error =>
  Object.assign(new Error("EIO: i/o error, open"), { code: "EIO", syscall: "open" });

test("a job that runs and whose files cannot be written anew hides no end of another", async () => {
  const told = await toldOf(async (id) => {
    if (id === "1.1.1") throw unwritable();
    return { id } as JobRequest;
  });
  assert.match(told, /exited with 0; it printed last: last words/);
});

test("what a job printed is not said to be nothing where nobody can read it", async () => {
  let requests = 0;
  const told = await toldOf(async (id) => {
    if (id === "1.2.1" && ++requests > 1) throw unwritable();
    return { id } as JobRequest;
  });
  assert.match(told, /exited with 0; what it printed cannot be read: EIO: i\/o error/);
});

test("an engine that clears by looks is looked at now and then until nothing is left", async () => {
  const { clock, jobs, loop, looks } = idlePool(true);
  loop.start();
  await clock.pass(0);
  assert.equal(looks(), 1);
  await clock.pass(1_000);
  await clock.pass(1_000);
  assert.equal(looks(), 1, "not every second");
  await clock.pass(60_000);
  assert.equal(looks(), 2);
  jobs.clear();
  await clock.pass(60_000);
  assert.equal(looks(), 3);
  for (const _ of [1, 2, 3]) await clock.pass(60_000);
  assert.equal(looks(), 3, "nothing is left");
  await loop.stop();
});

test("one that only remembers ends is not asked while nothing is wanted", async () => {
  const { clock, loop, looks } = idlePool(false);
  loop.start();
  for (const _ of [1, 2, 3]) await clock.pass(60_000);
  assert.equal(looks(), 1);
  await loop.stop();
});

test("what a server before this one kept of jobs is forgotten, whatever fails on the way and whichever is first", async () => {
  const asked: string[] = [];
  const { clock, loop, looks } = idlePool(false, {
    kept: () => ["1.1.1", "2.1.1"],
    gone: async (allocation) => {
      asked.push(allocation);
      if (asked.length === 1) throw new Error("the database is away");
    },
  });
  loop.start();
  await clock.pass(0);
  assert.deepEqual(asked, ["1.1.1", "2.1.1"]);
  for (const _ of [1, 2, 3]) await clock.pass(60_000);
  assert.deepEqual(asked, ["1.1.1", "2.1.1", "1.1.1"]);
  assert.equal(looks(), 2, "nothing is kept any more");
  await loop.stop();
});
