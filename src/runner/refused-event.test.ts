import assert from "node:assert/strict";
import { test } from "node:test";
import { type RunnerEvent, runnerEvent } from "../protocol/runner-wire.ts";
import { inPlaceOf } from "./refused-event.ts";

const LASTING = { forMs: 60_000 };
const instead = (event: RunnerEvent | undefined, message: string) => {
  const payload = Buffer.from(JSON.stringify(event));
  const found = inPlaceOf(payload, { message, ...LASTING }, () => false);
  assert.ok(found?.payload);
  return { payload: found.payload, note: found.note };
};
const place = { seq: 7, atMs: 5 };
const tree = [{ path: "w", size: 1, hash: "a".repeat(64), executable: false }];
const EVENTS: readonly RunnerEvent[] = [
  { type: "started", ...place, pid: 12 },
  { type: "report", ...place, step: 3, metrics: { loss: 1 } },
  { type: "waiting", ...place, step: 3 },
  { type: "checkpoint", ...place, step: 3, tree, metadata: {} },
  { type: "usage", ...place, idleSinceMs: 1, expired: true },
  { type: "invalid_hyperparameters", ...place, reason: "too wide" },
  {
    ...{ type: "record", ...place, source: "program", environment: null },
    own: { captured: {}, not_applicable: [], missing: [] },
  },
  {
    ...{ type: "exited", ...place, kind: "processes", outOfMemory: null, yielded: true },
    processes: [{ rank: 0, code: 1, signal: null }],
    ...{ signalsSent: ["SIGTERM", "SIGTERM"], broken: true, logLines: 9, detail: "poison" },
  },
];

test("whatever is refused has something in its place, under its number, that says why and that the server takes", () => {
  for (const event of EVENTS) {
    const { payload } = instead(event, `413 ${"x".repeat(1e6)}`);
    assert.equal(runnerEvent.parse(JSON.parse(String(payload))).seq, 7);
    assert.ok(payload.length < 10_000, event.type);
    if (event.type !== "started") assert.match(String(payload), /413/);
  }
});

test("what decides stays: that it runs, reports, and how it ended", () => {
  const of = (type: string): RunnerEvent =>
    JSON.parse(
      String(
        instead(
          EVENTS.find((e) => e.type === type),
          "400",
        ).payload,
      ),
    );
  assert.equal(of("started").type, "started");
  const report = of("report");
  assert.ok(report.type === "report" && report.step === 3);
  assert.deepEqual(report.metrics, {});
  const { detail, ...exited } = of("exited") as Extract<RunnerEvent, { type: "exited" }>;
  const { detail: _, ...before } = EVENTS.at(-1) as typeof exited & { detail: string };
  assert.deepEqual(exited, { ...before, signalsSent: ["SIGTERM"] });
  assert.equal(detail, "the server refused it: 400");
});

test("what a trial would miss is told in its output", () => {
  const notes = EVENTS.flatMap((event) => instead(event, "400").note ?? []);
  assert.deepEqual(
    notes.map(
      (note) =>
        /report at step 3|waits at step 3|checkpoint at step 3 is lost|invalid/.exec(note)?.[0],
    ),
    ["report at step 3", "waits at step 3", "checkpoint at step 3 is lost", "invalid"],
  );
});

test("what a trial is worth is not given up for a no that passes; what only accompanies it is", () => {
  const given = EVENTS.filter((event) =>
    inPlaceOf(Buffer.from(JSON.stringify(event)), { message: "400", forMs: 10_000 }, () => false),
  );
  assert.deepEqual(
    given.map(({ type }) => type),
    ["usage", "record"],
  );
});
