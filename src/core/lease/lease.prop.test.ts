import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  claimLease,
  confirmLease,
  type Hearing,
  heardNow,
  type Lease,
  type LeaseLimits,
  listenedMs,
  lookAtLease,
  NEVER_HEARD,
  needsSighting,
  newLease,
  type Sighting,
  stillUnheard,
  whyWithheld,
} from "./lease.ts";

const LIMITS: LeaseLimits = { silentMs: 1000, leaseMs: 5000, lostMs: 20_000 };
const EVERY_MS = 500;

type Happening =
  | { readonly type: "heard"; readonly afterMs: number }
  | { readonly type: "look"; readonly passedMs: number; readonly troubled: boolean }
  | { readonly type: "engine"; readonly says: Sighting["state"] }
  | { readonly type: "confirms"; readonly late: number; readonly foreign: number }
  | { readonly type: "restart" };

const look = fc.record({
  type: fc.constant("look" as const),
  passedMs: fc.oneof(fc.constant(EVERY_MS), fc.integer({ min: 0, max: 100_000 })),
  troubled: fc.boolean(),
});
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("heard" as const),
      afterMs: fc.integer({ min: 0, max: EVERY_MS }),
    }),
  },
  { weight: 12, arbitrary: look },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("engine" as const),
      says: fc.constantFrom("alive" as const, "gone" as const, "unknown" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("confirms" as const),
      late: fc.integer({ min: 0, max: 2 }),
      foreign: fc.integer({ min: 0, max: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "restart" as const }) },
);

const sightingOf = (state: Sighting["state"]): Sighting =>
  state === "alive"
    ? { state, boot: "a" }
    : state === "gone"
      ? { state, proof: "no such process" }
      : { state, why: "no answer" };

interface Seen {
  readonly before: Lease;
  readonly after: Lease;
  readonly hearing: Hearing;
  readonly engine: Sighting["state"];
  readonly by: Happening;
  /** Time that the server listened and heard nothing, added up by the test itself. */
  readonly listened: number;
}

/** Plays what happens as the server does, and hands every change to the check. */
function play(happenings: readonly Happening[], check: (seen: Seen) => void): void {
  let lease = newLease(0);
  let hearing = NEVER_HEARD;
  let engine: Sighting["state"] = "unknown";
  let listened = 0;
  let nowMs = 0;
  let sinceLookMs = 0;
  for (const by of happenings) {
    const before = lease;
    switch (by.type) {
      case "heard":
        // Some time after the last look.
        nowMs += by.afterMs;
        sinceLookMs += by.afterMs;
        hearing = heardNow(nowMs);
        listened = 0;
        break;
      case "engine":
        engine = by.says;
        break;
      case "restart":
        hearing = NEVER_HEARD;
        listened = 0;
        sinceLookMs = 0;
        break;
      case "confirms":
        lease =
          confirmLease(lease, { lease: lease.number - by.late, foreign: by.foreign }, nowMs)
            ?.lease ?? lease;
        break;
      case "look": {
        nowMs += by.passedMs;
        const ms = listenedMs({
          ...{ passedMs: by.passedMs + sinceLookMs, troubled: by.troubled },
          everyMs: EVERY_MS,
        });
        sinceLookMs = 0;
        listened += by.troubled ? 0 : Math.min(by.passedMs, 2 * EVERY_MS);
        hearing = stillUnheard(hearing, ms);
        const sighting = needsSighting(lease, hearing, LIMITS) ? sightingOf(engine) : null;
        lease = lookAtLease(lease, { hearing, sighting, nowMs }, LIMITS)?.lease ?? lease;
      }
    }
    check({ before, after: lease, hearing, engine, by, listened });
  }
}

const property = (name: string, check: (seen: Seen) => void): void => {
  test(name, () =>
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 150, size: "max" }), (list) =>
        play(list, check),
      ),
      { seed: 11, numRuns: 1500 },
    ),
  );
};

const lostNow = ({ before, after }: Seen): boolean =>
  after.standing === "lost" && before.standing !== "lost";

property("nobody is lost who was not silent before", (seen) => {
  if (lostNow(seen)) assert.equal(seen.before.standing, "silent");
});

property("an engine that says alive ends nothing, however long the silence", (seen) => {
  if (lostNow(seen)) assert.notEqual(seen.engine, "alive");
});

property(
  "one that is proved gone is lost only after its lease, one that may live much later",
  (seen) => {
    if (!lostNow(seen)) return;
    const bound = seen.engine === "gone" ? LIMITS.leaseMs : LIMITS.lostMs;
    assert.ok(seen.listened >= bound, `${seen.engine} after ${seen.listened} ms`);
  },
);

property("time in which the server could not hear uses up nothing", (seen) => {
  assert.ok(seen.hearing.unheardMs <= seen.listened);
});

property("who was heard since the last look is not silent and not lost by it", (seen) => {
  if (seen.hearing.unheardMs < LIMITS.silentMs) {
    assert.ok(!lostNow(seen));
    assert.ok(seen.before.standing === seen.after.standing || seen.after.standing === "held");
  }
});

property("a lost runner is back only by its own word under the new number", (seen) => {
  if (seen.before.standing !== "lost" || seen.after.standing === "lost") return;
  assert.ok(seen.by.type === "confirms" && seen.by.late === 0 && seen.by.foreign === 0);
});

property("the number moves on exactly when it is lost, and never back", (seen) => {
  assert.equal(seen.after.number - seen.before.number, lostNow(seen) ? 1 : 0);
});

property("slots are granted only where a lease is held", (seen) => {
  assert.equal(whyWithheld("b", seen.after) === undefined, seen.after.standing === "held");
});

test("the same things heard give the same lease, whatever the time of day", () => {
  const at = (nowMs: number, heardAtMs: number) => {
    const hearing = { unheardMs: 1500, fresh: false, heardAtMs };
    return lookAtLease(newLease(0), { hearing, sighting: null, nowMs }, LIMITS)?.lease.standing;
  };
  assert.equal(at(0, 0), "silent");
  assert.equal(at(-31_536_000_000, 31_536_000_000), "silent");
  assert.equal(at(31_536_000_000, -1000), "silent");
});

test("a lost runner's cause says when it was heard, how long the lease was, and what the engine said", () => {
  const silent: Lease = { ...newLease(0), standing: "silent" };
  const hearing = { ...heardNow(Date.UTC(2026, 0, 5)), unheardMs: 20_500 };
  const sighting = sightingOf("unknown");
  assert.equal(
    lookAtLease(silent, { hearing, sighting, nowMs: 1 }, LIMITS)?.lease.cause,
    "last heard 2026-01-05T00:00:00.000Z, 21 s ago; its lease of 5.0 s has run out; the engine cannot tell whether it lives: no answer",
  );
});

test("who may speak for a runner: the first, its successor, and nobody beside it", () => {
  const held: Lease = { ...newLease(0), boot: "a" };
  const claim = (lease: Lease, boot: string, sighting: Sighting) => {
    const result = claimLease(lease, { boot, sighting: () => sighting });
    return typeof result === "object" ? result.lease.boot : result;
  };
  const alive = (boot: string | null): Sighting => ({ state: "alive", boot });
  const unknown = sightingOf("unknown");
  const gone = sightingOf("gone");
  assert.equal(claim(newLease(0), "a", unknown), "a", "the first");
  assert.equal(claim(held, "a", gone), undefined, "the same: the engine is not even asked");
  assert.equal(claim(held, "b", gone), "b");
  assert.equal(claim(held, "b", alive("b")), "b");
  assert.match(String(claim(held, "b", alive("a"))), /its process a lives/);
  assert.match(String(claim(held, "b", alive(null))), /its process a lives/);
  assert.match(String(claim(held, "b", unknown)), /nobody knows .* no answer/);
  const lost: Lease = { ...held, standing: "lost", number: 2, cause: "why" };
  assert.match(String(claim(lost, "b", unknown)), /nobody knows/, "lost is not dead");
  const taken = claimLease(lost, { boot: "b", sighting: () => gone });
  assert.ok(typeof taken === "object");
  assert.deepEqual(
    [taken.lease.standing, taken.lease.number, taken.lease.cause],
    ["lost", 2, "why"],
    "a successor has to confirm, too",
  );
});
