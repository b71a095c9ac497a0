import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  compareTasks,
  describeWait,
  planStarts,
  type SchedulableTask,
  type Snapshot,
  type WaitReason,
} from "./plan.ts";

const task = fc.record({
  group: fc.integer({ min: 1, max: 4 }),
  slots: fc.integer({ min: 1, max: 4 }),
  priority: fc.integer({ min: 1, max: 3 }),
  submittedAtMs: fc.integer({ min: 0, max: 3 }),
  notBeforeMs: fc.constantFrom(0, 0, 0, 50, 200),
});
const snapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    tasks: fc.array(task, { maxLength: 12 }),
    runners: fc.array(
      fc.record({
        total: fc.integer({ min: 1, max: 8 }),
        freeShare: fc.integer({ min: 0, max: 8 }),
        withheld: fc.constantFrom(false, false, true),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    slotsMax: fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 })), {
      maxLength: 2,
    }),
    held: fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 3 })), {
      maxLength: 2,
    }),
  })
  .map(({ tasks, runners, slotsMax, held }) => ({
    runners: runners.map(({ total, freeShare, withheld }, index) => ({
      ...{ runner: `r${index}`, total, withheld },
      free: Array.from({ length: Math.min(total, freeShare) }, (_, i) => `r${index} cpu:${i}`),
    })),
    queue: tasks.map((t, i): SchedulableTask => ({ ...t, id: `${t.group}.${i}`, number: i })),
    slotsMax: new Map(slotsMax),
    held: new Map(held),
    nowMs: 100,
  }));

const largest = (s: Snapshot): number => Math.max(0, ...s.runners.map((r) => r.total));

const property = (name: string, check: (s: Snapshot) => void): void => {
  test(name, () => fc.assert(fc.property(snapshot, check), { seed: 7, numRuns: 2000 }));
};

property("no slot is given twice, and only free ones are given", (s) => {
  const given = planStarts(s).starts.flatMap((start) => start.slots);
  assert.equal(new Set(given).size, given.length);
  const free = s.runners.flatMap((r) => r.free);
  assert.ok(given.every((slot) => free.includes(slot)));
});

property("all slots of a task are of one runner, which is neither silent nor lost", (s) => {
  for (const start of planStarts(s).starts) {
    const runner = s.runners.find((r) => r.runner === start.runner);
    assert.ok(runner && !runner.withheld);
    assert.ok(start.slots.every((slot) => runner.free.includes(slot)));
  }
});

property("a task gets all the slots it needs or none", (s) => {
  for (const start of planStarts(s).starts) assert.equal(start.slots.length, start.task.slots);
});

property("every task either starts or has a reason to wait", (s) => {
  const plan = planStarts(s);
  const seen = [...plan.starts.map((x) => x.task.id), ...plan.waits.map((x) => x.task.id)].sort();
  assert.deepEqual(seen, s.queue.map((t) => t.id).sort());
  for (const { reason } of plan.waits) assert.notEqual(describeWait(reason, s.nowMs), "");
});

property("planning again after applying the plan starts nothing", (s) => {
  const first = planStarts(s);
  const started = new Set(first.starts.map((x) => x.task.id));
  const used = new Set(first.starts.flatMap((x) => x.slots));
  const held = new Map(s.held);
  for (const { task: t } of first.starts) held.set(t.group, (held.get(t.group) ?? 0) + t.slots);
  const again = planStarts({
    ...s,
    runners: s.runners.map((r) => ({ ...r, free: r.free.filter((slot) => !used.has(slot)) })),
    queue: s.queue.filter((t) => !started.has(t.id)),
    held,
  });
  assert.equal(again.starts.length, 0);
});

property("nobody overtakes a task that waits for slots which are there", (s) => {
  const plan = planStarts(s);
  const widest = Math.max(0, ...s.runners.map((r) => (r.withheld ? 0 : r.total)));
  const blocked = plan.waits.find(
    ({ reason, task: t }) => reason.code === "no_free_slot" && t.slots <= widest,
  );
  if (!blocked) return;
  for (const start of plan.starts) assert.ok(compareTasks(start.task, blocked.task) < 0);
});

property("what needs more slots than there are holds nobody up", (s) => {
  const plan = planStarts(s);
  const tooWide = ({ slots }: SchedulableTask): boolean => slots > largest(s);
  for (const { task: t, reason } of plan.waits)
    assert.equal(reason.code === "too_few_slots", tooWide(t));
  const without = planStarts({ ...s, queue: s.queue.filter((t) => !tooWide(t)) });
  const taken = ({ starts }: typeof plan) => starts.map((x) => [x.task.id, x.slots]);
  assert.deepEqual(taken(plan), taken(without));
});

property("a task that only a silent or lost runner could take holds up nobody", (s) => {
  const widest = Math.max(0, ...s.runners.map((r) => (r.withheld ? 0 : r.total)));
  for (const { reason } of planStarts(s).waits)
    if (reason.code === "behind") assert.ok(reason.aheadNeeds <= widest);
});

property("no experiment goes over its max_slots", (s) => {
  const plan = planStarts(s);
  for (const [group, max] of s.slotsMax) {
    const mine = plan.starts.filter((x) => x.task.group === group);
    const after = (s.held.get(group) ?? 0) + mine.reduce((sum, x) => sum + x.slots.length, 0);
    if (mine.length > 0) assert.ok(after <= max);
  }
});

property("the order of the queue as given does not matter", (s) => {
  assert.deepEqual(planStarts({ ...s, queue: [...s.queue].reverse() }), planStarts(s));
});

/** The same plan, found without remembering anything between two tasks. */
function plannedPlainly(s: Snapshot): { starts: unknown[]; waits: unknown[] } {
  const free = s.runners.map((r) => (r.withheld ? [] : [...r.free]));
  const held = new Map(s.held);
  const [starts, waits]: [unknown[], unknown[]] = [[], []];
  let ahead: SchedulableTask | undefined;
  for (const t of [...s.queue].sort(compareTasks)) {
    const wait = (reason: WaitReason) => waits.push({ task: t, reason });
    const max = s.slotsMax.get(t.group) ?? Number.POSITIVE_INFINITY;
    const mine = held.get(t.group) ?? 0;
    const fitting = free.filter((own) => own.length >= t.slots);
    const chosen = fitting.toSorted((a, b) => a.length - b.length)[0];
    if (t.slots > largest(s)) wait({ code: "too_few_slots", needed: t.slots, total: largest(s) });
    else if (t.notBeforeMs > s.nowMs) wait({ code: "backoff", untilMs: t.notBeforeMs });
    else if (mine + t.slots > max) wait({ code: "slots_max", max, held: mine });
    else if (ahead) wait({ code: "behind", ahead: ahead.id, aheadNeeds: ahead.slots });
    else if (chosen === undefined) {
      const totalOf = (runners: Snapshot["runners"]) => runners.reduce((n, r) => n + r.total, 0);
      wait({
        ...{ code: "no_free_slot", needed: t.slots, total: totalOf(s.runners) },
        free: Math.max(...free.map((own) => own.length)),
        withheld: totalOf(s.runners.filter((r) => r.withheld)),
      });
      if (s.runners.some((r) => !r.withheld && r.total >= t.slots)) ahead = t;
    } else {
      const { runner } = s.runners[free.indexOf(chosen)] as Snapshot["runners"][number];
      starts.push({ task: t, runner, slots: chosen.splice(0, t.slots) });
      held.set(t.group, mine + t.slots);
    }
  }
  return { starts, waits };
}

property("what is remembered between two tasks changes no plan", (s) => {
  const { starts, waits } = planStarts(s);
  const taken = starts.map(({ task: t, runner, slots }) => ({ task: t, runner, slots }));
  assert.deepEqual({ starts: taken, waits }, plannedPlainly(s));
});

test("the runners are looked at for a plan and for each start, not for each task that waits", () => {
  let looks = 0;
  const runners = Array.from({ length: 50 }, (_, index) => ({
    ...{ runner: `r${index}`, free: index === 0 ? ["r0 cpu:0"] : [], withheld: false },
    get total() {
      looks += 1;
      return 1;
    },
  }));
  const queue = Array.from({ length: 200 }, (_, number) => ({
    ...{ id: `1.${number}`, group: 1, slots: 1, priority: 1, submittedAtMs: 0, number },
    notBeforeMs: 0,
  }));
  const plan = planStarts({ runners, queue, slotsMax: new Map(), held: new Map(), nowMs: 100 });
  assert.deepEqual([plan.starts.length, plan.waits.length], [1, 199]);
  assert.ok(looks <= 2 * runners.length, `${looks} looks at ${runners.length} runners`);
});
