import assert from "node:assert/strict";
import { test } from "node:test";
import {
  GONE_MS,
  JOB_LAUNCHED,
  type JobMemory,
  type JobSighting,
  jobsToLaunch,
  LEAVING_MS,
  NEVER_SHOWN_MS,
  reconcileJobs,
  type WantedJob,
} from "./reconcile.ts";

const wanted = (more: Partial<WantedJob> = {}): WantedJob => ({
  ...{ id: "1.1.1", leaves: false, started: false },
  ...more,
});

interface Look {
  readonly job?: WantedJob;
  readonly seen?: JobSighting;
  readonly atMs?: number;
  /** Whatever is launched before it is not taken, or nobody knows. */
  readonly fails?: true;
}

/** Looks one after the other, with the memory of the one before; each tells its actions in words. */
function looks(...them: readonly Look[]): string[] {
  let memory: ReadonlyMap<string, JobMemory> = new Map();
  return them.map(({ job, seen, atMs = 0, fails }) => {
    const wanted = job ? [job] : [];
    const launches = jobsToLaunch({ wanted, memory });
    const taken = fails ? [] : launches;
    const known = new Map([...memory, ...taken.map((id) => [id, JOB_LAUNCHED] as const)]);
    const look = reconcileJobs({
      ...{ memory: known, nowMs: atMs, wanted },
      seen: new Map(seen ? [["1.1.1", seen] as const] : []),
    });
    memory = look.memory;
    const acts = look.actions.map((a) => (a.type === "end" ? `end ${a.cause}` : a.type));
    return [...launches.map(() => "launch"), ...acts].join();
  });
}

const running: JobSighting = { state: "running" };
const queued: JobSighting = { state: "queued" };
const lost: JobSighting = { state: "ended", end: { cause: "node_lost", text: "NODE_FAIL" } };

test("a job is launched once, and not again while the engine has not shown it yet", () => {
  const job = wanted();
  const late = NEVER_SHOWN_MS - 1;
  assert.deepEqual(
    looks(
      { job },
      { job },
      { job, atMs: late },
      { job, seen: queued, atMs: late },
      { job, seen: running },
    ),
    ["launch", "", "", "", ""],
  );
});

test("one that is never shown is given up after a while", () => {
  const job = wanted();
  assert.deepEqual(looks({ job }, { job }, { job, atMs: NEVER_SHOWN_MS }), [
    "launch",
    "",
    "end forgotten",
  ]);
});

test("what is shown of a job whose launch did not come to its end is not believed: it is launched again", () => {
  const job = wanted();
  assert.deepEqual(
    looks(
      { job, fails: true, seen: queued },
      { job, fails: true, atMs: GONE_MS },
      { job, fails: true, seen: lost, atMs: 2 * GONE_MS },
      { job, seen: queued, atMs: 4 * GONE_MS },
      { job, atMs: 5 * GONE_MS },
    ),
    ["launch", "launch", "launch", "launch", ""],
  );
  const going = wanted({ leaves: true });
  assert.deepEqual(
    looks({ job, fails: true, seen: queued }, { job: going, seen: queued }),
    ["launch", "cancel"],
    "it may be there all the same",
  );
});

test("after a restart of the server a job that is there is not launched", () => {
  assert.deepEqual(looks({ job: wanted({ started: true }), seen: running }), [""]);
});

test("an end is believed when it has been shown for a while, with the engine's own cause", () => {
  const job = wanted({ started: true });
  assert.deepEqual(
    looks(
      { job, seen: running },
      { job, seen: lost },
      { job, seen: lost, atMs: GONE_MS - 1 },
      { job, seen: lost, atMs: GONE_MS },
    ),
    ["", "", "", "end node_lost"],
  );
});

test("a job that was there and is unknown now is gone; one seen again in between is not", () => {
  const job = wanted({ started: true });
  assert.deepEqual(looks({ job, seen: running }, { job }, { job, atMs: GONE_MS }), [
    "",
    "",
    "end forgotten",
  ]);
  assert.deepEqual(
    looks(
      { job, seen: running },
      { job },
      { job, seen: running, atMs: 10 },
      { job, atMs: GONE_MS },
    ),
    ["", "", "", ""],
  );
});

test("who is told to go while its job waits is taken out of the queue, and no program failed", () => {
  const job = wanted();
  const going = wanted({ leaves: true });
  assert.deepEqual(
    looks({ job }, { job: going, seen: queued }, { job: going }, { job: going, atMs: GONE_MS }),
    ["launch", "cancel", "", "end not_needed"],
  );
  assert.deepEqual(looks({ job: going }), ["end not_needed"], "it was never asked for");
});

test("a running job that is told to go is its runner's affair", () => {
  assert.deepEqual(looks({ job: wanted({ started: true, leaves: true }), seen: running }), [""]);
  assert.deepEqual(looks({ job: wanted({ leaves: true }), seen: running }), [""]);
});

test("what nothing waits for any more is cancelled: in the queue at once, running after a while", () => {
  assert.deepEqual(looks({ seen: queued }), ["cancel"]);
  assert.deepEqual(
    looks(
      { seen: running },
      { seen: running, atMs: LEAVING_MS - 1 },
      { seen: running, atMs: LEAVING_MS },
    ),
    ["", "", "cancel"],
  );
  assert.deepEqual(looks({ seen: lost }), [""]);
});
