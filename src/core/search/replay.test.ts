import assert from "node:assert/strict";
import { test } from "node:test";
import { reviveExact, stringifyExact } from "../../base/json.ts";
import { type LoggedStep, Replay } from "./replay.ts";
import type { MethodSpec, SearchSpec } from "./search.ts";
import { Player, specOf } from "./search-fixtures.test.ts";

const method: MethodSpec = {
  ...{ name: "asha", form: "promoting", trialsMax: 9, divisor: 3, rungs: 3 },
  ...{ stepsMax: 9, concurrentMax: 3 },
};

/** As it lies in a database: through JSON, names in another order. */
function logOf(spec: SearchSpec): LoggedStep[] {
  const log: LoggedStep[] = [];
  class Recorder extends Player {
    override send(event: Parameters<Player["send"]>[0]) {
      this.nowMs += 500;
      const actions = super.send(event);
      const step = { seq: log.length + 1, atMs: this.nowMs, event, actions };
      log.push(reviveExact(JSON.parse(stringifyExact(step))));
      return actions;
    }
  }
  new Recorder(spec).play((trial, step) => (trial === 4 ? Number.NaN : (trial * 7) % 5) / step, 2);
  return log;
}

function replayed(spec: SearchSpec, log: readonly LoggedStep[]) {
  const replay = new Replay(spec);
  for (const step of log) {
    const parting = replay.take(step);
    if (parting) return { replay, parting };
  }
  return { replay, parting: undefined };
}

const spec = specOf(method);
const hyperband = specOf({
  ...{ name: "hyperband", divisor: 3, trialsMax: 12, stragglerFactor: 3, stepsMax: 9 },
  concurrentMax: 4,
});

test("a log decides the same again, also where time and NaN play a part", () => {
  for (const each of [spec, hyperband]) {
    const log = logOf(each);
    const { replay, parting } = replayed(each, log);
    assert.equal(parting, undefined);
    assert.equal(replay.events, log.length);
    assert.equal(
      replay.decisions,
      log.reduce((sum, { actions }) => sum + actions.length, 0),
    );
    assert.equal(replay.state.phase, "finished");
  }
});

test("so does the log of one that somebody else ended: from there on it says nothing but that all are over", () => {
  const log = logOf(spec).slice(0, 9);
  const { replay } = replayed(spec, log);
  const made = replay.state.trials.length;
  const seqs = () => ({ seq: replay.events + 1, atMs: 1_000_000 });
  assert.equal(replay.take({ ...seqs(), event: { type: "end" }, actions: [] }), undefined);
  const live = replay.state.trials.flatMap(({ phase }, i) => (phase === "over" ? [] : [i + 1]));
  const last = live.pop();
  for (const trial of live) {
    const event = { type: "exit", trial, reason: "canceled" } as const;
    assert.equal(replay.take({ ...seqs(), event, actions: [] }), undefined);
  }
  const event = { type: "exit", trial: last as number, reason: "canceled" } as const;
  const { now = [] } = replay.take({ ...seqs(), event, actions: [] }) ?? {};
  assert.deepEqual(
    now.map(({ type }) => type),
    ["finish"],
  );
  assert.equal(replay.state.trials.length, made);
});

test("any event or answer that was changed is found, at the first decision that it touches", () => {
  const log = logOf(spec);
  const reports = log.filter(({ event }) => event.type === "report");
  const better = reports[1] as LoggedStep;
  const changed = log.map((step) =>
    step === better ? { ...step, event: { ...step.event, objective: -99 } as never } : step,
  );
  const { parting } = replayed(spec, changed);
  assert.equal(parting?.kind, "decision");
  assert.ok(parting.seq >= better.seq);
  assert.notDeepEqual(parting.now, parting.step.actions);

  const deciding = log.find(({ actions }) => actions.some(({ type }) => type === "train"));
  assert.ok(deciding);
  const other = structuredClone(deciding) as unknown as {
    actions: { type: string; target?: number }[];
  };
  const at = other.actions.findIndex(({ type }) => type === "train");
  (other.actions[at] as { target: number }).target = 8;
  const found = replayed(
    spec,
    log.map((step) => (step === deciding ? (other as never) : step)),
  );
  assert.equal(found.parting?.seq, deciding.seq);
  assert.equal(found.parting.difference?.path, `[${at}].target`);
  assert.deepEqual([found.parting.difference.left, found.parting.difference.right], [8, 3]);
  assert.equal(found.replay.events, deciding.seq - 1);
});

test("an event that is missing, doubled or none at all is named", () => {
  const log = logOf(spec);
  const without = log.filter(({ seq }) => seq !== 5);
  assert.deepEqual(
    [replayed(spec, without).parting?.kind, replayed(spec, without).parting?.seq],
    ["missing_event", 6],
  );
  const twice = log.toSpliced(4, 0, log[3] as LoggedStep);
  assert.equal(replayed(spec, twice).parting?.kind, "missing_event");
  const odd = [
    { type: "reports" },
    null,
    { type: "exit", trial: 1, reason: "bored" },
    { type: "report" },
  ];
  for (const event of odd) {
    const bad = log.map((step) => (step.seq === 4 ? { ...step, event: event as never } : step));
    assert.equal(replayed(spec, bad).parting?.kind, "no_event");
  }
});

test("another seed decides otherwise from the first trial on", () => {
  const { parting } = replayed({ ...spec, seed: spec.seed + 1 }, logOf(spec));
  assert.equal(parting?.seq, 1);
});
