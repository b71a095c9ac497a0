/**
 * A player of searches for tests: it obeys every action as a server would, knows only what the
 * contract says, and fails on the first action that a server could not obey.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Space } from "../space/space.ts";
import { mixedSpace, spaceOf } from "../space/space-fixtures.test.ts";
import type { SearchState } from "./methods.ts";
import { searchProgress, searchRungs, startSearch, stepSearch } from "./methods.ts";
import type { ExitReason, MethodSpec, SearchAction, SearchEvent, SearchSpec } from "./search.ts";

export function specOf(method: MethodSpec, over: Partial<SearchSpec> = {}): SearchSpec {
  return { space: mixedSpace, seed: 1, smallerIsBetter: true, method, ...over };
}

/** A space whose grid has `size` points. */
export const lineSpace = (size: number): Space =>
  spaceOf({ x: { type: "int", min: 1, max: Math.max(size, 2), count: size } });

interface Seen {
  target: number;
  /** Where its checkpoint or its training stands. */
  step: number;
  phase: "training" | "paused" | "stopping" | "over";
  holdsSlots: boolean;
}

export class Player {
  readonly spec: SearchSpec;
  readonly trials = new Map<number, Seen>();
  readonly log: SearchAction[] = [];
  readonly bound: number;
  state: SearchState;
  finish: Extract<SearchAction, { type: "finish" }> | undefined;
  nowMs = 1_000_000;
  /** Take every state through JSON, as a server that restarts after each event would. */
  restores = false;
  #progress = 0;

  constructor(spec: SearchSpec, { restores = false } = {}) {
    this.spec = spec;
    this.restores = restores;
    this.state = startSearch(spec);
    this.bound = spec.method.concurrentMax || Number.POSITIVE_INFINITY;
  }

  send(event: SearchEvent): SearchAction[] {
    if (event.type === "exit") {
      const seen = this.trials.get(event.trial);
      if (seen !== undefined) Object.assign(seen, { phase: "over", holdsSlots: false });
    }
    if (this.restores) this.state = JSON.parse(JSON.stringify(this.state));
    const { state, actions } = stepSearch(this.spec, this.state, event, this.nowMs);
    this.state = state;
    for (const action of actions) this.#obey(action);
    const progress = searchProgress(this.spec, state);
    assert.ok(progress >= this.#progress && progress <= 1, "progress went backwards");
    assert.equal(progress === 1, this.finish !== undefined, "progress is 1 exactly at the end");
    this.#progress = progress;
    return actions;
  }

  #obey(action: SearchAction): void {
    this.log.push(action);
    assert.equal(this.finish, undefined, `${action.type} after the end`);
    assert.ok(action.cause.text.length > 10);
    if (action.type === "finish") {
      for (const [number, seen] of this.trials)
        assert.equal(seen.phase, "over", `trial ${number} stranded`);
      this.finish = action;
      return;
    }
    const { stepsMax } = this.spec.method;
    if (action.type === "create") {
      assert.equal(action.trial, this.trials.size + 1, "trials are numbered without gaps");
      this.trials.set(action.trial, {
        target: action.target,
        step: 0,
        phase: "training",
        holdsSlots: true,
      });
      assert.ok(action.target >= 1 && action.target <= stepsMax);
    } else {
      const seen = this.trials.get(action.trial) as Seen;
      assert.ok(action.cause.standing, `${action.type} without a standing`);
      checkStanding(action);
      assert.ok(
        seen.phase === "training" || seen.phase === "paused",
        `${action.type} to a ${seen.phase} trial`,
      );
      if (action.type === "train") {
        assert.ok(action.target > seen.target && action.target <= stepsMax);
        Object.assign(seen, { target: action.target, phase: "training", holdsSlots: true });
      } else if (action.type === "pause") {
        assert.equal(seen.phase, "training");
        Object.assign(seen, { phase: "paused", holdsSlots: false });
      } else seen.phase = "stopping";
    }
    const holding = [...this.trials.values()].filter((seen) => seen.holdsSlots).length;
    assert.ok(holding <= this.bound, `${holding} trials want slots, ${this.bound} may`);
  }

  report(trial: number, step: number, objective: number): SearchAction[] {
    const seen = this.trials.get(trial);
    if (seen !== undefined) seen.step = Math.max(seen.step, step);
    return this.send({ type: "report", trial, step, objective });
  }

  exit(trial: number, reason: ExitReason = "stopped"): SearchAction[] {
    return this.send({ type: "exit", trial, reason });
  }

  with(phase: Seen["phase"]): number[] {
    return [...this.trials].filter(([, seen]) => seen.phase === phase).map(([number]) => number);
  }

  /** Plays to the end on `workers` slots, oldest wish first; every trial reports at its target. */
  play(
    objectiveOf: (trial: number, step: number) => number,
    workers = Number.POSITIVE_INFINITY,
  ): void {
    this.send({ type: "start" });
    for (let turns = 0; this.finish === undefined; turns++) {
      assert.ok(turns < 100_000, "the search does not end");
      const stopping = this.with("stopping");
      const training = this.with("training").slice(0, workers);
      assert.ok(
        stopping.length + training.length > 0,
        "nobody is left to move, and it is not over",
      );
      for (const trial of stopping) this.exit(trial);
      for (const trial of training) {
        const seen = this.trials.get(trial) as Seen;
        if (seen.phase === "training")
          this.report(trial, seen.target, objectiveOf(trial, seen.target));
      }
    }
  }

  /** How many arrived at each rung of each bracket. */
  arrivals(): number[][] {
    const found: number[][] = [];
    for (const { bracket, entries } of searchRungs(this.spec, this.state)) {
      found[bracket] ??= [];
      found[bracket].push(entries.length);
    }
    return found;
  }
}

function checkStanding(action: Exclude<SearchAction, { type: "create" | "finish" }>): void {
  const s = action.cause.standing;
  assert.ok(s !== undefined && s.rank >= 1 && s.rank <= s.of && s.passing <= s.of);
  assert.ok(s.competitors.length <= 64);
  if (action.type === "train") assert.ok(s.rank <= s.passing, "promoted from behind the line");
  if (s.of <= 16) assert.equal(s.competitors.length, s.of);
  assert.equal(s.threshold === undefined, s.passing === 0);
}

test("the player notices a trial that nobody ends", () => {
  const player = new Player(
    specOf({ name: "random", trialsMax: 2, stepsMax: 1, concurrentMax: 0 }),
  );
  player.send({ type: "start" });
  assert.deepEqual(player.with("training"), [1, 2]);
  player.exit(1, "finished");
  assert.equal(player.finish, undefined);
});
