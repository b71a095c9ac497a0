/**
 * `stepExperiment(experiment, event, now) → effects`: everything that can happen to an experiment, its
 * trials and its search, in one closed union.
 *
 * The experiment passed in is consumed (updated in place): it can hold ten thousand trials, and the
 * shell that owns it throws it away and loads it again when the commit of the effects fails. Effects say
 * what has to be written in that one transaction and what to tell runners afterwards; they are facts
 * about the new state, so performing them twice does no harm.
 *
 * Long because every event is answered in this one file: what a person, the search and a runner may each do to the
 * same trial has to be read side by side. Rules that need no more than trials to look at stand outside.
 *
 * The search hears only of trials by number and only what it can judge by: objectives and ends.
 */
import { assert, unreachable } from "../../base/assert.ts";
import { budgetReached } from "../budget.ts";
import { searchProgress, searchWantsTicks, stepSearch } from "../search/methods.ts";
import { type SearchAction, type SearchEvent, UNBOUNDED_STEPS } from "../search/search.ts";
import { type ClockStep, passedMs } from "./clock-steps.ts";
import {
  type Effects,
  type Experiment,
  type ExperimentCore,
  type ExperimentEvent,
  isOver,
  runningSlotMs,
  type TrialDecision,
} from "./experiment.ts";
import { endStandstill, noteHeld, standStill, standsStill } from "./holding.ts";
import { lastFailure, programNeverWorked } from "./program-faults.ts";
import {
  type AllocationEnd,
  classifyEnd,
  type EndReason,
  endStateName,
  type LiveAllocation,
  lostWith,
  newTrial,
  type ProcessesEnd,
  retryDelayMs,
  type TrialState,
} from "./trial.ts";
import {
  endlessTimeText,
  goalOf,
  leftUnsaved,
  missingText,
  searchExit,
  stopReason,
  timeUpText,
  unsavedText,
  unusedText,
} from "./trial-end.ts";

const SEARCH_TICK_MS = 1000;

/** @param clockSteps where the wall clock was set forward: budgets do not count it */
export function stepExperiment(
  experiment: Experiment,
  event: ExperimentEvent,
  nowMs: number,
  clockSteps: readonly ClockStep[] = [],
): Effects {
  const step = new Step(experiment, nowMs, clockSteps);
  step.apply(event);
  step.settle();
  return step.effects();
}

/** One step in progress: the experiment and what has changed so far. */
class Step {
  readonly #x: Experiment;
  readonly #now: number;
  readonly #clockSteps: readonly ClockStep[];
  #experimentChanged = false;
  readonly #trials = new Set<number>();
  readonly #orders = new Map<number, string>();
  readonly #ended: Effects["ended"][number][] = [];
  readonly #searchLog: Effects["searchLog"][number][] = [];
  readonly #changes: Effects["changes"][number][] = [];
  readonly #decisions: TrialDecision[] = [];
  readonly #toSearch: SearchEvent[] = [];
  /** Has a trial ended in error in this step? */
  #failedNow = false;

  constructor(experiment: Experiment, nowMs: number, clockSteps: readonly ClockStep[]) {
    this.#x = experiment;
    this.#now = nowMs;
    this.#clockSteps = clockSteps;
  }

  effects(): Effects {
    return {
      experimentChanged: this.#experimentChanged,
      trialsChanged: this.#trials,
      ordersChanged: this.#orders,
      ended: this.#ended,
      searchLog: this.#searchLog,
      decisions: this.#decisions,
      changes: this.#changes,
    };
  }

  apply(event: ExperimentEvent): void {
    switch (event.type) {
      case "start":
        return this.#start(event);
      case "user":
        return event.trial === undefined
          ? this.#userOnExperiment(event.verb, event.actor)
          : this.#userOnTrial(event.verb, event.trial, event.actor);
      case "granted":
        return this.#granted(event);
      case "rest":
        return this.#rest(event.trial, event.reason);
      case "drain":
        for (const trial of this.#liveTrials()) this.#yield(trial, "pause", event.reason);
        return;
      case "tick":
        return this.#tick();
      case "lost":
        return this.#lost(event);
      case "started":
      case "report":
      case "waiting":
      case "checkpoint":
      case "invalid":
      case "usage":
      case "exited":
        return this.#fromRunner(event);
      default:
        return unreachable(event, "experiment event");
    }
  }

  /** Runs the search until it has nothing more to say, then looks whether anything has come to its end. */
  settle(): void {
    this.#checkProgram();
    this.#letSearchDecide();
    this.#checkBudget();
    // It hears of those whom the budget has ended, too.
    this.#letSearchDecide();
    this.#checkEnd();
  }

  #letSearchDecide(): void {
    for (let next = this.#toSearch.shift(); next; next = this.#toSearch.shift())
      this.#tellSearch(next);
  }

  /**
   * Time for a search that measures it. Every tick that it hears changes what it knows and so has to be in its log,
   * or a restored search would judge by other durations: hence one a second, and none while nobody trains.
   */
  #tick(): void {
    const { core, search, spec } = this.#x;
    if (core.run !== "active" || !searchWantsTicks(spec.search)) return;
    if (search.lastMs !== null && Math.abs(this.#now - search.lastMs) < SEARCH_TICK_MS) return;
    for (const { allocation } of this.#liveTrials()) {
      if (allocation === null || allocation.queued) continue;
      this.#toSearch.push({ type: "tick" });
      return;
    }
  }

  /** A search that measures durations leaves out the time that a trial has no slots, or has them and its job waits. */
  #slotsForSearch(type: "granted" | "yielded", trial: number): void {
    if (searchWantsTicks(this.#x.spec.search)) this.#toSearch.push({ type, trial });
  }

  // ---- the experiment ------------------------------------------------------------------------

  #start({ paused, actor, cause }: Extract<ExperimentEvent, { type: "start" }>): void {
    this.#say(actor, undefined, "created", cause ?? "submitted");
    this.#toSearch.push({ type: "start" });
    if (!paused) this.#setRun("active", actor, "activated at submission");
  }

  #setRun(run: ExperimentCore["run"], actor: string, cause: string): void {
    const core = this.#x.core;
    // Whether a trial without slots is queued or paused depends on its experiment.
    if ((core.run === "paused") !== (run === "paused"))
      for (const trial of this.#liveTrials()) this.#trials.add(trial.number);
    core.run = run;
    core.reason = cause;
    if (run === "active" && core.startedAtMs === null) core.startedAtMs = this.#now;
    if (isOver(core)) {
      core.endedAtMs = this.#now;
      if (run === "completed") core.progress = 1;
    }
    this.#experimentChanged = true;
    this.#say(actor, undefined, run, cause);
  }

  #userOnExperiment(verb: "activate" | "pause" | "cancel" | "kill", actor: string): void {
    const core = this.#x.core;
    if (isOver(core)) return;
    switch (verb) {
      case "activate":
        if (core.run === "paused") this.#setRun("active", actor, `activated by ${actor}`);
        return;
      case "pause":
        if (core.run !== "active") return;
        this.#setRun("paused", actor, `paused by ${actor}`);
        for (const trial of this.#liveTrials())
          this.#yield(trial, "pause", `the experiment was paused by ${actor}`);
        return;
      case "cancel":
      case "kill": {
        const killed = verb === "kill";
        const text = `${killed ? "killed" : "canceled"} by ${actor}`;
        this.#endExperiment("canceled", text, actor);
        if (killed) this.#hardenEnd(text, actor);
        for (const trial of this.#liveTrials())
          this.#end(
            trial,
            killed ? "killed_by_user" : "canceled_by_user",
            killed,
            `the experiment was ${text}`,
            actor,
          );
      }
    }
  }

  /** Decides the outcome once; what comes later does not change it. */
  #endExperiment(outcome: "completed" | "canceled" | "error", text: string, actor: string): void {
    if (this.#x.core.ending !== null) return;
    this.#x.core.ending = { outcome, text };
    // Before anything else it may still be told: what it would do about that does not happen any more.
    if (actor !== "search") this.#toSearch.unshift({ type: "end" });
    this.#setRun("stopping", actor, text);
  }

  /** A cancel that a person turns into a kill is a kill from then on; any other end keeps its reason. */
  #hardenEnd(text: string, actor: string): void {
    const { ending } = this.#x.core;
    if (ending?.outcome !== "canceled" || ending.text === text) return;
    for (const trial of this.#liveTrials()) {
      if (trial.ending?.kill === true) continue;
      ending.text = text;
      return this.#setRun("stopping", actor, text);
    }
  }

  #checkBudget(): void {
    const x = this.#x;
    const { core, spec } = x;
    if (core.ending !== null || core.run !== "active" || core.startedAtMs === null) return;
    const [now, steps] = [this.#now, this.#clockSteps];
    const text = budgetReached(spec.budget, {
      steps: core.steps,
      timeMs: passedMs(steps, core.startedAtMs, now),
      // A walk over all trials that live: only for those who ask.
      slotMs: () => core.slotMs + runningSlotMs(x, now, steps),
    });
    if (text === undefined) return;
    this.#endExperiment("completed", text, "budget");
    for (const trial of this.#liveTrials())
      this.#end(trial, "budget_reached", false, text, "budget");
  }

  /** Looked at before the search answers a failure with another trial of the same program. */
  #checkProgram(): void {
    const { core, trials } = this.#x;
    if (core.ending !== null || core.steps > 0 || !this.#failedNow) return;
    const text = programNeverWorked(trials.values(), this.#now);
    if (text === undefined) return;
    this.#endExperiment("error", text, "contrail");
    for (const trial of this.#liveTrials())
      this.#end(trial, "experiment_ended", false, text, "contrail");
  }

  #checkEnd(): void {
    const { core, live } = this.#x;
    if (core.ending === null || live.size > 0 || isOver(core)) return;
    this.#setRun(core.ending.outcome, "contrail", core.ending.text);
  }

  // ---- trials --------------------------------------------------------------------------------

  *#liveTrials(): Generator<TrialState> {
    for (const number of [...this.#x.live]) {
      const trial = this.#x.trials.get(number);
      assert(trial, `live trial ${number} is missing`);
      yield trial;
    }
  }

  #userOnTrial(
    verb: "activate" | "pause" | "cancel" | "kill",
    number: number,
    actor: string,
  ): void {
    const trial = this.#x.trials.get(number);
    assert(trial, `there is no trial ${number}`);
    if (trial.over !== null) return;
    switch (verb) {
      case "activate":
        if (!trial.userHold) return;
        trial.userHold = false;
        trial.reason = trial.searchHold
          ? `activated by ${actor}; it waits at its rung for the search`
          : `activated by ${actor}`;
        this.#say(actor, number, "activated", trial.reason);
        this.#trials.add(number);
        return;
      case "pause":
        if (trial.userHold || trial.ending !== null) return;
        trial.userHold = true;
        trial.reason = `paused by ${actor}`;
        this.#say(actor, number, "paused", trial.reason);
        this.#trials.add(number);
        this.#yield(trial, "pause", trial.reason);
        return;
      case "cancel":
        return this.#end(trial, "canceled_by_user", false, `canceled by ${actor}`, actor);
      case "kill":
        return this.#end(trial, "killed_by_user", true, `killed by ${actor}`, actor);
    }
  }

  /** Asks a running allocation to save and go; nothing to do where there is none. */
  #yield(trial: TrialState, how: "pause" | "stop", reason: string): void {
    const allocation = trial.allocation;
    if (!allocation || allocation.kill || allocation.yield === "stop" || allocation.yield === how)
      return;
    allocation.yield = how;
    this.#orders.set(trial.number, reason);
    this.#trials.add(trial.number);
  }

  /** From now on it is to end; at once where nothing runs. A kill hardens an earlier, milder end. */
  #end(trial: TrialState, reason: EndReason, kill: boolean, text: string, actor: string): void {
    if (trial.over !== null) return;
    if (trial.ending === null || (kill && !trial.ending.kill)) {
      // Whoever kills takes the end upon himself; any other hard end keeps the first reason.
      const first = reason === "killed_by_user" ? null : trial.ending;
      trial.ending = { reason: first?.reason ?? reason, kill, text: first?.text ?? text };
      trial.reason = text;
      this.#say(actor, trial.number, kill ? "killing" : "stopping", text);
      this.#trials.add(trial.number);
    } else if (trial.ending.reason === "finished" && !trial.ending.kill) {
      trial.ending.instead ??= this.#endsInstead(trial, reason, text, actor);
    }
    const allocation = trial.allocation;
    if (!allocation) return this.#over(trial, trial.ending.reason, trial.ending.text);
    if (kill && !allocation.kill) {
      allocation.kill = true;
      this.#orders.set(trial.number, text);
    } else if (!kill) this.#yield(trial, "stop", text);
  }

  /** It finishes all the same, unless its program fails on the way out: then it is not started again. */
  #endsInstead(
    trial: TrialState,
    reason: EndReason,
    text: string,
    actor: string,
  ): { reason: EndReason; text: string } {
    this.#trials.add(trial.number);
    this.#say(actor, trial.number, "stopping", text);
    return { reason, text };
  }

  #over(trial: TrialState, reason: EndReason, text: string): void {
    trial.over = reason;
    this.#failedNow ||= endStateName(reason) === "error";
    trial.reason = text;
    trial.endedAtMs = this.#now;
    this.#x.live.delete(trial.number);
    this.#trials.add(trial.number);
    this.#say("contrail", trial.number, reason, text);
    this.#toSearch.push({ type: "exit", trial: trial.number, reason: searchExit(reason) });
  }

  #granted(event: Extract<ExperimentEvent, { type: "granted" }>): void {
    const { trial: number, slots, reason, queued } = event;
    const trial = this.#x.trials.get(number);
    assert(
      trial && trial.allocation === null && trial.over === null,
      `trial ${number} can't be granted slots`,
    );
    trial.run += 1;
    trial.step = trial.checkpoint?.step ?? 0;
    // What an earlier run declared decides nothing about this one.
    trial.invalid = null;
    delete trial.unsaved;
    trial.allocation = {
      run: trial.run,
      phase: "assigned",
      yield: null,
      kill: false,
      startStep: trial.step,
      sinceMs: this.#now,
      ...(queued ? { queued } : {}),
    };
    if (!queued) trial.startedAtMs ??= this.#now;
    trial.reason = reason;
    this.#trials.add(number);
    this.#orders.set(number, reason);
    this.#say("scheduler", number, `granted ${slots.join(" ")}`, reason);
    if (!queued) this.#slotsForSearch("granted", number);
  }

  // ---- what runners say ----------------------------------------------------------------------

  /** Reports of an earlier allocation are kept by the store; they decide nothing here (the fence). */
  #fromRunner(event: Exclude<Extract<ExperimentEvent, { run: number }>, { type: "lost" }>): void {
    const trial = this.#x.trials.get(event.trial);
    assert(trial, `there is no trial ${event.trial}`);
    const allocation = trial.allocation;
    if (!allocation || allocation.run !== event.run) return;
    this.#trials.add(trial.number);
    switch (event.type) {
      case "started":
        allocation.phase = "running";
        if (allocation.queued) this.#leavesQueue(trial, allocation);
        if (trial.ending === null) trial.reason = "running";
        this.#say("runner", trial.number, "started", `allocation ${event.run} runs`);
        return;
      case "report":
        return this.#report(trial, event.step, event.metrics);
      case "waiting":
        return this.#waiting(trial, event.step);
      case "checkpoint":
        if (trial.checkpoint === null || event.step >= trial.checkpoint.step)
          trial.checkpoint = { step: event.step, tree: event.tree };
        return;
      case "invalid":
        // Of several ranks the first that says so; the others may have seen no more than that it left.
        trial.invalid ??= event.reason;
        return;
      case "usage":
        return this.#usage(allocation, event);
      case "exited":
        return this.#exited(
          trial,
          event.end,
          event.end.kind === "job_ended" ? "contrail" : "runner",
        );
      default:
        return unreachable(event, "runner event");
    }
  }

  /** What its job has waited until now is no use of slots, and no time that it trained. */
  #leavesQueue(trial: TrialState, allocation: LiveAllocation): void {
    delete allocation.queued;
    allocation.sinceMs = this.#now;
    trial.startedAtMs ??= this.#now;
    this.#slotsForSearch("granted", trial.number);
  }

  /** Nobody uses it: it is paused like by a person, and a person's word brings it back. */
  #usage(
    allocation: LiveAllocation,
    { idleSinceMs, expired }: Extract<ExperimentEvent, { type: "usage" }>,
  ): void {
    if (idleSinceMs === null) delete allocation.unusedSinceMs;
    else allocation.unusedSinceMs = idleSinceMs;
    if (!expired || idleSinceMs === null || this.#x.core.run !== "active") return;
    const text = unusedText(this.#now - idleSinceMs);
    this.#setRun("paused", "idle", text);
    for (const trial of this.#liveTrials()) this.#yield(trial, "pause", text);
  }

  #report(trial: TrialState, step: number, metrics: Readonly<Record<string, number>>): void {
    const { spec, core } = this.#x;
    if (step > trial.step) {
      core.steps += step - trial.step;
      trial.step = step;
      this.#experimentChanged = true;
    }
    for (const name of Object.keys(metrics))
      if (trial.metricNames.length < 32 && !trial.metricNames.includes(name))
        trial.metricNames.push(name);
    const { objective, timeMetric } = spec;
    if (objective === null && timeMetric === null) return;
    if (objective !== null && !Object.hasOwn(metrics, objective))
      return this.#endIfMute(trial, step, metrics);
    const resource = timeMetric === null ? step : this.#timeOf(trial, timeMetric, step, metrics);
    if (resource === undefined) return;
    if (objective === null) return this.#endIfTimeIsUp(trial, resource);
    const value = metrics[objective] as number;
    trial.objective = { step, value, resource };
    this.#noteBest(trial, step, value);
    if (trial.ending === null && !this.#endIfReached(trial, step))
      this.#toSearch.push({
        type: "report",
        trial: trial.number,
        step: resource,
        objective: value,
      });
  }

  /** What it has trained, in the unit of its clock; undefined = it does not say, and is ended for that. */
  #timeOf(
    trial: TrialState,
    timeMetric: string,
    step: number,
    metrics: Readonly<Record<string, number>>,
  ): number | undefined {
    const time = Object.hasOwn(metrics, timeMetric) ? metrics[timeMetric] : undefined;
    if (time !== undefined && Number.isFinite(time)) return Math.floor(time);
    // On its way out it may still save.
    if (trial.ending !== null) return undefined;
    const text =
      time === undefined
        ? missingText(timeMetric, "searcher.time_metric", step, trial.metricNames)
        : endlessTimeText(timeMetric, time, step);
    this.#end(trial, "objective_missing", true, text, "contrail");
    return undefined;
  }

  /** Without an objective the search is told nothing, and without a target nobody waits: its own clock ends it. */
  #endIfTimeIsUp(trial: TrialState, time: number): void {
    const { timeMetric, search } = this.#x.spec;
    const max = search.method.stepsMax;
    if (timeMetric === null || trial.ending !== null || time < max) return;
    this.#end(trial, "finished", false, timeUpText(timeMetric, time, max), "contrail");
  }

  /** Of one that trains its last steps once more: the search has heard of them and has nothing more to say. */
  #endIfReached(trial: TrialState, step: number): boolean {
    if (trial.reached === undefined) return false;
    if (step >= goalOf(trial)) this.#end(trial, "finished", false, trial.reached, "search");
    return true;
  }

  /** Without a target nobody asks such a trial to wait, so its own clock tells when it should have spoken. */
  #endIfMute(trial: TrialState, step: number, metrics: Readonly<Record<string, number>>): void {
    const { objective, timeMetric, search } = this.#x.spec;
    if (objective === null || timeMetric === null || trial.objective !== null) return;
    // On its way out it may still save.
    if (trial.ending !== null) return;
    const time = Object.hasOwn(metrics, timeMetric) ? (metrics[timeMetric] as number) : 0;
    if (!(time >= search.method.stepsMax)) return;
    const text = missingText(objective, "searcher.metric", step, trial.metricNames);
    this.#end(trial, "objective_missing", true, text, "contrail");
  }

  #noteBest(trial: TrialState, step: number, value: number): void {
    const core = this.#x.core;
    if (!Number.isFinite(value)) return;
    const sign = this.#x.spec.search.smallerIsBetter ? 1 : -1;
    if (trial.best === null || sign * value < sign * trial.best.value) trial.best = { step, value };
    // Of equals the older trial, so that luck of arrival decides nothing.
    const { best } = core;
    const ahead = best === null ? 1 : sign * (best.value - value) || best.trial - trial.number;
    if (ahead > 0) {
      core.best = { trial: trial.number, step, value };
      this.#experimentChanged = true;
    }
  }

  /** The program stands at its target. Everything it had to say about these steps is said, so the latest
   *  objective counts for the target even where it was measured a little earlier. */
  #waiting(trial: TrialState, step: number): void {
    const { spec } = this.#x;
    if (trial.allocation) trial.allocation.waitsAt = step;
    if (spec.objective === null) {
      if (trial.ending === null && trial.target !== null && step >= trial.target)
        this.#end(
          trial,
          "finished",
          false,
          `it trained to step ${step}, as far as it was asked to`,
          "contrail",
        );
      return;
    }
    if (trial.ending !== null || this.#endIfReached(trial, step)) return;
    const last = trial.objective;
    if (last === null) {
      this.#end(
        trial,
        "objective_missing",
        true,
        missingText(spec.objective, "searcher.metric", step, trial.metricNames),
        "contrail",
      );
      return;
    }
    if (spec.timeMetric === null && last.resource < step)
      this.#toSearch.push({ type: "report", trial: trial.number, step, objective: last.value });
  }

  /** Nobody knows whether its processes live. What they still say counts for nothing from here on: the run moves on. */
  #lost(event: Extract<ExperimentEvent, { type: "lost" }>): void {
    const trial = this.#x.trials.get(event.trial);
    assert(trial, `there is no trial ${event.trial}`);
    if (trial.allocation?.run !== event.run) return;
    this.#trials.add(trial.number);
    this.#exited(trial, lostWith(event.reason), "contrail");
  }

  #exited(trial: TrialState, end: ProcessesEnd, actor: "runner" | "contrail" = "runner"): void {
    const allocation = trial.allocation;
    assert(allocation, "an exit needs an allocation");
    const asked = {
      yield: allocation.yield,
      kill: allocation.kill,
      invalid: trial.invalid !== null,
    };
    const verdict = classifyEnd(end, asked);
    const heldMs = allocation.queued
      ? 0
      : passedMs(this.#clockSteps, allocation.sinceMs, this.#now);
    const usedMs = heldMs * this.#x.spec.slotsPerTrial;
    endStandstill(this.#x, trial, this.#now);
    trial.slotMs += usedMs;
    this.#x.core.slotMs += usedMs;
    this.#experimentChanged = true;
    trial.allocation = null;
    this.#ended.push({
      trial: trial.number,
      run: allocation.run,
      end: verdict.end,
      text: verdict.text,
      exits: end,
    });
    this.#say(actor, trial.number, `allocation ended: ${verdict.end}`, verdict.text);
    if (leftUnsaved(trial, allocation, end, verdict.end)) trial.unsaved = true;
    const { ending } = trial;
    if (ending === null) this.#afterAllocation(trial, verdict);
    else if (ending.reason !== "finished" || ending.kill || !trial.unsaved)
      this.#over(trial, ending.reason, ending.text);
    else if (ending.instead) this.#over(trial, ending.instead.reason, ending.instead.text);
    else {
      this.#trainAgain(trial, ending.text);
      this.#afterAllocation(trial, {
        ...verdict,
        text: unsavedText(verdict.text, goalOf(trial)),
      });
    }
    if (trial.over === null) this.#slotsForSearch("yielded", trial.number);
  }

  /** What the search asked of it is measured and not saved: it has to go there again, and ends there. */
  #trainAgain(trial: TrialState, reached: string): void {
    trial.reached = reached;
    // Known by now, also where time decided it.
    trial.target = goalOf(trial);
    trial.ending = null;
    trial.searchHold = false;
  }

  /** It is not to end: what becomes of it now that its allocation has ended. */
  #afterAllocation(trial: TrialState, verdict: { end: AllocationEnd; text: string }): void {
    switch (verdict.end) {
      case "finished":
        return this.#finishedByItself(trial, verdict.text);
      case "invalid_hyperparameters":
        return this.#over(
          trial,
          "invalid_hyperparameters",
          `its program declared the hyperparameters invalid: ${trial.invalid}`,
        );
      case "paused":
      case "stopped":
      case "killed":
        // A trial that waits at a rung waits for the search's reason.
        if (!trial.searchHold) trial.reason = verdict.text;
        return;
      case "node_lost":
        trial.reason = `${verdict.text}; it goes on from its last checkpoint`;
        return;
      case "user_error":
      case "out_of_memory":
      case "no_progress":
      case "launch_failed":
        return this.#failed(trial, verdict.end, verdict.text);
      default:
        return unreachable(verdict.end, "allocation end");
    }
  }

  #finishedByItself(trial: TrialState, text: string): void {
    const { spec } = this.#x;
    if (spec.objective !== null && trial.objective === null)
      return this.#over(
        trial,
        "objective_missing",
        missingText(spec.objective, "searcher.metric", trial.step, trial.metricNames),
      );
    this.#over(trial, "finished", text);
  }

  #failed(
    trial: TrialState,
    reason: "user_error" | "out_of_memory" | "no_progress" | "launch_failed",
    text: string,
  ): void {
    trial.restarts += 1;
    const max = this.#x.spec.maxRestarts;
    if (trial.restarts > max) {
      trial.restarts = max;
      return this.#over(
        trial,
        reason,
        `${text.replace(/\.$/, "")}; max_restarts (${max}) are used up`,
      );
    }
    const delayMs = retryDelayMs(trial.restarts);
    trial.retryAtMs = this.#now + delayMs;
    const from = trial.checkpoint
      ? `from the checkpoint at step ${trial.checkpoint.step}`
      : "from the beginning";
    trial.reason = `${text}; restart ${trial.restarts} of ${max} ${from}`;
    this.#say("contrail", trial.number, "restarting", trial.reason);
  }

  // ---- the search ----------------------------------------------------------------------------

  #tellSearch(event: SearchEvent): void {
    const { spec, core } = this.#x;
    const { state, actions } = stepSearch(spec.search, this.#x.search, event, this.#now);
    this.#x.search = state;
    this.#searchLog.push({ event, actions });
    if (noteHeld(this.#x)) this.#experimentChanged = true;
    if (core.ending !== null) return;
    for (const action of actions) this.#perform(action);
    const progress = Math.max(core.progress, Math.min(1, searchProgress(spec.search, state)));
    if (progress !== core.progress) {
      core.progress = progress;
      this.#experimentChanged = true;
    }
  }

  #perform(action: SearchAction): void {
    if (action.type === "create") return this.#create(action);
    if (action.type === "finish") {
      if (action.outcome !== "errored")
        return this.#endExperiment(action.outcome, action.cause.text, "search");
      const last = lastFailure(this.#x.trials.values());
      const text = last ? `${action.cause.text} The last: ${last}` : action.cause.text;
      return this.#endExperiment("error", text, "search");
    }
    const { spec } = this.#x;
    const trial = this.#x.trials.get(action.trial);
    assert(trial, `the search spoke of trial ${action.trial}, which does not exist`);
    if (trial.over !== null || trial.ending !== null) {
      // Decided all the same: in virtual order its end comes later than this.
      if (spec.search.deterministic && action.type !== "hold") this.#decisions.push(action);
      return;
    }
    if (action.type === "hold") return this.#hold(trial, action.cause.text);
    endStandstill(this.#x, trial, this.#now);
    this.#decisions.push(action);
    this.#trials.add(trial.number);
    this.#say("search", trial.number, action.type, action.cause.text);
    switch (action.type) {
      case "train":
        trial.target = this.#targetOf(action.target);
        trial.searchHold = false;
        trial.reason = action.cause.text;
        if (trial.allocation === null) this.#slotsForSearch("yielded", trial.number);
        else if (trial.allocation.yield === null) this.#orders.set(trial.number, action.cause.text);
        return;
      case "pause":
        trial.searchHold = true;
        if (!trial.userHold) trial.reason = action.cause.text;
        return this.#yield(trial, "pause", action.cause.text);
      case "stop":
        if (action.cause.code === "reached_end" && trial.unsaved) {
          // Only a held one can stand here: its program failed while its result waited for others.
          this.#trainAgain(trial, action.cause.text);
          trial.reason = unsavedText("its program ended", goalOf(trial));
          return this.#say("contrail", trial.number, "restarting", trial.reason);
        }
        return this.#end(trial, stopReason(action.cause), false, action.cause.text, "search");
    }
  }

  #create(action: Extract<SearchAction, { type: "create" }>): void {
    assert(!this.#x.trials.has(action.trial), `trial ${action.trial} exists already`);
    const target = this.#targetOf(action.target);
    const trial = newTrial({ ...action, number: action.trial, target }, this.#now);
    const checkpoint = this.#x.core.start ?? null;
    this.#x.trials.set(action.trial, { ...trial, checkpoint, reason: action.cause.text });
    this.#x.live.add(action.trial);
    this.#decisions.push(action);
    this.#trials.add(action.trial);
    this.#slotsForSearch("yielded", action.trial);
    this.#say("search", action.trial, "create", action.cause.text);
  }

  /** It needs no slots until the search says more; those it has it keeps while nobody wants them. */
  #hold(trial: TrialState, text: string): void {
    trial.searchHold = true;
    if (!trial.userHold) trial.reason = text;
    standStill(trial, this.#now);
    this.#trials.add(trial.number);
    this.#say("search", trial.number, "held", text);
  }

  #rest(number: number, reason: string): void {
    const trial = this.#x.trials.get(number);
    assert(trial && standsStill(trial), `trial ${number} does not stand still`);
    this.#say("scheduler", number, "resting", reason);
    this.#yield(trial, "pause", reason);
  }

  /** In the steps that the program counts; null where it can't know: time decides, or nothing was asked. */
  #targetOf(target: number): number | null {
    return this.#x.spec.timeMetric === null && target < UNBOUNDED_STEPS ? target : null;
  }

  #say(actor: string, trial: number | undefined, what: string, cause: string): void {
    this.#changes.push({ actor, ...(trial === undefined ? {} : { trial }), what, cause });
  }
}
