/**
 * An experiment under a test's hand: events in, effects out, and the little that every scenario needs
 * said once. It checks nothing of its own except that granting is legal.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MethodSpec } from "../search/search.ts";
import { lineSpace } from "../search/search-fixtures.test.ts";
import type { ClockStep } from "./clock-steps.ts";
import {
  type Effects,
  type Experiment,
  type ExperimentCore,
  type ExperimentEvent,
  type ExperimentSpec,
  newExperiment,
} from "./experiment.ts";
import { stepExperiment } from "./step.ts";
import { type ProcessesEnd, type TrialState, trialStateName, wantsSlots } from "./trial.ts";

export const randomSearch = (trialsMax: number, stepsMax = 9): MethodSpec => ({
  name: "random",
  trialsMax,
  stepsMax,
  concurrentMax: 0,
});

/** Rungs at steps 3 and 9. */
export const ashaSearch = (trialsMax = 3): MethodSpec => ({
  name: "asha",
  form: "promoting",
  trialsMax,
  divisor: 3,
  rungs: 2,
  stepsMax: 9,
  concurrentMax: 0,
});

export function specWith(
  method: MethodSpec,
  over: Partial<Omit<ExperimentSpec, "search">> = {},
): ExperimentSpec {
  return {
    search: { space: lineSpace(9), seed: 7, smallerIsBetter: true, method },
    objective: "loss",
    timeMetric: null,
    maxRestarts: 2,
    slotsPerTrial: 1,
    budget: {},
    ...over,
  };
}

export const exitOf = (over: Partial<ProcessesEnd> = {}): ProcessesEnd => ({
  kind: "processes",
  exits: [{ code: 0, signal: null }],
  outOfMemory: null,
  signalsSent: [],
  yielded: false,
  logLines: 0,
  detail: "",
  ...over,
});
export const CRASH = exitOf({ exits: [{ code: 1, signal: null }] });
export const YIELDED = exitOf({ yielded: true });
export const TERMINATED = exitOf({
  exits: [{ code: null, signal: "SIGTERM" }],
  signalsSent: ["SIGTERM"],
});
export const SILENT = exitOf({
  exits: [{ code: null, signal: "SIGTERM" }],
  signalsSent: ["SIGTERM"],
  silentMs: 61_000,
});
export const NODE_LOST = exitOf({ kind: "runner_lost", exits: [], detail: "node n1 was lost" });

export class Play {
  readonly x: Experiment;
  nowMs = 1_000_000;
  clockSteps: readonly ClockStep[] = [];
  last: Effects | undefined;
  readonly ended: Effects["ended"][number][] = [];

  /** @param start the checkpoint of another experiment that every trial goes on from */
  constructor(
    spec: ExperimentSpec,
    { paused = false, start }: { paused?: boolean; start?: ExperimentCore["start"] } = {},
  ) {
    this.x = newExperiment(spec, start);
    this.do({ type: "start", paused, actor: "ada" });
  }

  do(event: ExperimentEvent): Effects {
    this.last = stepExperiment(this.x, event, this.nowMs, this.clockSteps);
    this.ended.push(...this.last.ended);
    return this.last;
  }

  trial(number = 1): TrialState {
    const trial = this.x.trials.get(number);
    assert.ok(trial, `there is no trial ${number}`);
    return trial;
  }

  state(number = 1): string {
    return trialStateName(this.trial(number), this.x.core.run === "paused");
  }

  grant(number = 1): this {
    assert.ok(wantsSlots(this.trial(number)), `trial ${number} wants no slots`);
    this.do({ type: "granted", trial: number, slots: [`cpu:${number}`], reason: "free" });
    return this;
  }

  run(number = 1): this {
    this.grant(number);
    this.do({ type: "started", trial: number, run: this.trial(number).run });
    return this;
  }

  report(step: number, loss: number, number = 1): Effects {
    return this.reportMetrics(step, { loss }, number);
  }

  reportMetrics(step: number, metrics: Record<string, number>, number = 1): Effects {
    const { run } = this.trial(number);
    return this.do({ type: "report", trial: number, run, step, metrics });
  }

  waiting(step: number, number = 1): Effects {
    return this.do({ type: "waiting", trial: number, run: this.trial(number).run, step });
  }

  checkpoint(step: number, number = 1): Effects {
    const { run } = this.trial(number);
    return this.do({ type: "checkpoint", trial: number, run, step, tree: `tree${number}.${step}` });
  }

  exit(end: ProcessesEnd = exitOf(), number = 1): Effects {
    return this.do({ type: "exited", trial: number, run: this.trial(number).run, end });
  }

  user(verb: "activate" | "pause" | "cancel" | "kill", trial?: number): Effects {
    return this.do({
      type: "user",
      verb,
      actor: "ada",
      ...(trial === undefined ? {} : { trial }),
    });
  }

  /** Every allocation that was told to go, goes: as a program that listens would. */
  obey(): void {
    for (const number of [...this.x.live]) {
      const allocation = this.trial(number).allocation;
      if (allocation?.kill) this.exit(TERMINATED, number);
      else if (allocation?.yield) this.exit(YIELDED, number);
    }
  }
}

test("a new experiment makes its trials at once, and they wait for slots", () => {
  const play = new Play(specWith(randomSearch(2)));
  assert.equal(play.x.core.run, "active");
  assert.deepEqual([play.state(1), play.state(2)], ["queued", "queued"]);
  assert.deepEqual(
    play.last?.decisions.map(({ type, trial }) => `${type} ${trial}`),
    ["create 1", "create 2"],
  );
});
