/**
 * The race that every method runs: trials set out, report, arrive at rungs, wait or go on, and end.
 *
 * A method says how many brackets of which rungs there are, when a rung lets its best go on (the
 * halving rule) and what trial n's hyperparameters are. The rest is the same for all of them and
 * stands here once: which reports count, who gets a free place, what an exit means, when it is over.
 *
 * After every event the race settles: places that are free are filled while there is anything to
 * do, and whoever can never go on is stopped. So no trial is stranded and no place stands idle.
 *
 * Invariants, held by the exhaustive test: `wanting` <= concurrentMax after every action; used
 * trials per bracket <= its trialsMax; a trial is in the order of a rung exactly when it arrived
 * there; every created trial is stopped or over when the race is.
 */
import { unreachable } from "../../base/assert.ts";
import { toWire } from "../../base/json.ts";
import { trialSeed } from "../space/sample.ts";
import type { Hyperparameters } from "../space/space.ts";
import * as causes from "./causes.ts";
import { passingCount } from "./halving-rule.ts";
import { divisorOf, doorsOf, nextJob, waitingBehind } from "./line.ts";
import {
  COMPETITORS_MAX_CLOSING,
  enter,
  type Field,
  moveToEnd,
  standingOf,
  withdraw,
} from "./rung.ts";
import type { ExitReason, SearchAction, SearchCause, SearchEvent, SearchSpec } from "./search.ts";
import {
  type Bracket,
  bracketOf,
  type Rung,
  type SearchState,
  type SearchTrial,
  trialOf,
} from "./state.ts";
import { passTime, slotsChanged, stragglersOf, tookMs } from "./stragglers.ts";

/** The choice of hyperparameters for trial 1, 2, … */
export type Choose = (spec: SearchSpec, trialNumber: number) => Hyperparameters;

/** One event's worth of work. */
interface Turn extends Field {
  readonly spec: SearchSpec;
  readonly choose: Choose;
  readonly divisor: number;
  readonly starting: boolean;
  readonly actions: SearchAction[];
  /** Trials whose pause stands in `actions` and whose place nobody was given since. */
  readonly unheard: Set<number>;
}

/** Takes one event. Updates `state` in place. Events that say nothing new change nothing. */
export function race(
  spec: SearchSpec,
  state: SearchState,
  { event, nowMs, choose }: { event: SearchEvent; nowMs: number; choose: Choose },
): SearchAction[] {
  const starting = event.type === "start" && state.phase === "new";
  if (state.phase !== "running" && !starting) return [];
  state.phase = "running";
  if (keepsTime(spec)) passTime(state, nowMs);
  const { smallerIsBetter, method } = spec;
  const divisor = divisorOf(method);
  const turn: Turn = {
    spec,
    state,
    choose,
    divisor,
    smallerIsBetter,
    starting,
    actions: [],
    unheard: new Set(),
  };
  const trial = "trial" in event ? state.trials[event.trial - 1] : undefined;
  switch (event.type) {
    case "start":
      break;
    case "end":
      state.ended = true;
      break;
    case "report":
      if (trial !== undefined && !state.ended) hear(turn, event);
      break;
    case "exit":
      if (trial !== undefined && trial.phase !== "over") leave(turn, event.trial, event.reason);
      break;
    case "granted":
    case "yielded":
      if (trial !== undefined && keepsTime(spec))
        slotsChanged(state, trial, event.type === "granted");
      break;
    case "tick":
      if (!state.ended) dropStragglers(turn);
      break;
    default:
      unreachable(event, "search event");
  }
  settle(turn);
  return turn.actions;
}

/** Does the method measure durations, and so want to hear of time passing? */
export function keepsTime({ method, deterministic }: SearchSpec): boolean {
  return deterministic !== true && method.name === "hyperband" && method.stragglerFactor > 0;
}

/**
 * A report counts for every rung at or below its step that has no value yet: the first such report
 * wins, also for rungs that the trial is not at yet, and repeats after a restart say nothing new.
 */
function hear(turn: Turn, report: { trial: number; step: number; objective: number }): void {
  const { state } = turn;
  const trial = trialOf(state, report.trial);
  if (trial.phase !== "training" && trial.phase !== "waiting") return;
  if (!Number.isFinite(report.step)) return;
  const { steps } = bracketOf(state, trial);
  const value = toWire(report.objective === 0 ? 0 : report.objective); // -0 would not survive JSON
  for (const step of steps.slice(trial.measured.length)) {
    if (step <= report.step) trial.measured.push(value);
  }
  const reached = Math.min(report.step, steps.at(-1) as number);
  if (reached > trial.steps) {
    state.stepsHeard += reached - trial.steps;
    trial.steps = reached;
  }
  arrive(turn, report.trial);
}

/** Lets a trial arrive at every rung that its reports have reached, as far as it may go. */
function arrive(turn: Turn, number: number): void {
  const { state } = turn;
  const trial = trialOf(state, number);
  const bracket = bracketOf(state, trial);
  while (trial.phase === "training" && trial.measured.length > trial.rung) {
    const rung = bracket.rungs[trial.rung] as Rung;
    rung.training--;
    if (keepsTime(turn.spec)) rung.tookMs.push(tookMs(state, trial));
    enter(turn, number);
    if (trial.rung === bracket.steps.length - 1) {
      stop(turn, number, causes.reachedEnd(standingOf(turn, number, { passing: 0 })));
    } else if (state.timing === "stopping") {
      goOnOrStop(turn, number, rung.order.length);
    } else {
      const passing = doorsOf(state, bracket, turn.divisor)[trial.rung]?.passing ?? 0;
      const cause = causes.waitingForRung(standingOf(turn, number, { passing }));
      trial.phase = "waiting";
      rung.waiting++;
      want(turn, trial, -1);
      turn.actions.push({ type: "pause", trial: number, cause });
      turn.unheard.add(number);
    }
  }
}

/** The stopping form: judged by those who came before, once and for all. */
function goOnOrStop(turn: Turn, number: number, arrived: number): void {
  const passing = passingCount("stopping", { arrived, divisor: turn.divisor, closed: false });
  const standing = standingOf(turn, number, { passing });
  if (standing.rank <= passing) setOut(turn, number, (target) => causes.promoted(standing, target));
  else stop(turn, number, causes.belowThreshold(standing));
}

/** Sends a trial on to its next rung. */
function setOut(turn: Turn, number: number, cause: (target: number) => SearchCause): void {
  const trial = trialOf(turn.state, number);
  const bracket = bracketOf(turn.state, trial);
  trial.phase = "training";
  trial.rung++;
  (bracket.rungs[trial.rung] as Rung).training++;
  startTimer(turn, trial);
  const target = bracket.steps[trial.rung] as number;
  turn.unheard.clear();
  turn.actions.push({ type: "train", trial: number, target, cause: cause(target) });
}

function promote(turn: Turn, number: number, passing: number): void {
  const { state } = turn;
  const trial = trialOf(state, number);
  const standing = standingOf(turn, number, { passing });
  takeBackPause(turn, number);
  (bracketOf(state, trial).rungs[trial.rung] as Rung).waiting--;
  want(turn, trial, 1);
  setOut(turn, number, (target) => causes.promoted(standing, target));
  arrive(turn, number);
}

/**
 * A pause that nobody has heard yet need not be said, unless its place was given away since.
 * @returns whether it was taken back
 */
function takeBackPause({ actions, unheard }: Turn, number: number): boolean {
  if (!unheard.delete(number)) return false;
  actions.splice(
    actions.findLastIndex((a) => a.type === "pause" && a.trial === number),
    1,
  );
  return true;
}

function create(turn: Turn, index: number): void {
  const { state, spec } = turn;
  const bracket = state.brackets[index] as Bracket;
  const number = state.trials.length + 1;
  const code = bracket.owed > 0 ? "replacement" : turn.starting ? "initial" : "successor";
  if (bracket.owed > 0) bracket.owed--;
  bracket.used++;
  const trial: SearchTrial = {
    ...{ bracket: index, rung: 0, phase: "training", measured: [], steps: spec.startStep ?? 0 },
  };
  state.trials.push(trial);
  state.live++;
  (bracket.rungs[0] as Rung).training++;
  want(turn, trial, 1);
  startTimer(turn, trial);
  let [used, trialsMax] = [0, 0];
  for (const each of state.brackets) {
    used += each.used;
    trialsMax += each.trialsMax;
  }
  const { replaced, replacementsMax } = state;
  turn.unheard.clear();
  turn.actions.push({
    type: "create",
    trial: number,
    hyperparameters: turn.choose(spec, number),
    seed: givenSeed(spec) ?? trialSeed(spec.seed, number),
    target: bracket.steps[0] as number,
    bracket: index,
    cause: causes.created(code, { used, trialsMax, replaced, replacementsMax }),
  });
}

/** Of a search of one trial that repeats another's. */
const givenSeed = ({ method }: SearchSpec): number | undefined =>
  method.name === "single" ? method.trialSeed : undefined;

/** Tells a trial to stop. One that holds slots counts as holding them until its exit is known. */
function stop(turn: Turn, number: number, cause: SearchCause): void {
  const { state } = turn;
  const trial = trialOf(state, number);
  if (trial.phase === "waiting") {
    (bracketOf(state, trial).rungs[trial.rung] as Rung).waiting--;
    trial.phase = "leaving";
    if (takeBackPause(turn, number)) {
      trial.phase = "stopping";
      want(turn, trial, 1);
    }
  } else trial.phase = "stopping";
  turn.actions.push({ type: "stop", trial: number, cause });
}

/** A trial is over. */
function leave(turn: Turn, number: number, reason: ExitReason): void {
  const { state } = turn;
  const trial = trialOf(state, number);
  const rung = bracketOf(state, trial).rungs[trial.rung] as Rung;
  const was = trial.phase;
  state.exits[reason]++;
  state.live--;
  if (was === "training" || was === "stopping") want(turn, trial, -1);
  if (was === "training") rung.training--;
  if (was === "waiting") rung.waiting--;
  if (reason === "invalid_hyperparameters" && state.replacementsMax > 0) {
    discard(turn, number, was === "training" ? trial.rung - 1 : trial.rung);
  } else if (was === "training") {
    // It never reached the rung: it counts as an arrival behind everyone, so the others' chances stay.
    trial.last = true;
    enter(turn, number);
  } else if (was === "waiting" && reason !== "finished" && reason !== "stopped") {
    moveToEnd(turn, number);
  }
  trial.phase = "over";
  trial.exit = reason;
}

/** Takes a trial out of the race as if it had never been, and owes its bracket another one. */
function discard(turn: Turn, number: number, topRung: number): void {
  const { state } = turn;
  const bracket = bracketOf(state, trialOf(state, number));
  for (let r = 0; r <= topRung; r++) withdraw(turn, number, r);
  bracket.used--;
  if (state.replaced < state.replacementsMax) {
    state.replaced++;
    bracket.owed++;
  } else state.replacementsUsedUp = true;
}

function dropStragglers(turn: Turn): void {
  const { method } = turn.spec;
  if (method.name !== "hyperband" || method.stragglerFactor <= 0) return;
  for (const [index, bracket] of turn.state.brackets.entries()) {
    if (!bracket.rungs.some((rung) => rung.training > 0)) continue;
    const doors = doorsOf(turn.state, bracket, turn.divisor);
    for (const late of stragglersOf(turn.state, index, { doors, factor: method.stragglerFactor })) {
      const trial = trialOf(turn.state, late.trial);
      (bracket.rungs[trial.rung] as Rung).training--;
      trial.last = true;
      enter(turn, late.trial);
      const { passing } = doorsOf(turn.state, bracket, turn.divisor)[trial.rung] ?? { passing: 0 };
      const standing = standingOf(turn, late.trial, { passing });
      stop(turn, late.trial, causes.straggler(standing, late));
    }
  }
}

/** Stops whoever can never go on and fills free places, unless it was ended; and ends the search when everyone is over. */
function settle(turn: Turn): void {
  const { state, divisor } = turn;
  while (!state.ended) {
    for (const bracket of state.brackets) closeRungs(turn, bracket);
    const job = nextJob(state, divisor);
    if (job === undefined) break;
    if (job.type === "create") create(turn, job.bracket);
    else promote(turn, job.trial, job.passing);
  }
  const over = state.trials.length - state.replaced - state.live;
  const trialsMax = state.brackets.reduce((sum, bracket) => sum + bracket.trialsMax, 0);
  const bySteps = 0.99 * Math.min(1, state.stepsHeard / state.stepsExpected);
  state.progress = Math.max(state.progress, bySteps, Math.min(0.99, over / trialsMax));
  if (state.live === 0) {
    state.phase = "finished";
    state.progress = 1;
    turn.actions.push({ type: "finish", ...causes.ending(state) });
  }
}

function closeRungs(turn: Turn, bracket: Bracket): void {
  if (!bracket.rungs.some((rung) => rung.waiting > 0)) return;
  const doors = doorsOf(turn.state, bracket, turn.divisor);
  for (const [r, { closed, passing }] of doors.entries()) {
    if (!closed) return;
    for (const number of waitingBehind(turn.state, bracket, { r, passing })) {
      const standing = standingOf(turn, number, { passing, shown: COMPETITORS_MAX_CLOSING });
      stop(turn, number, causes.rungClosed(standing));
    }
  }
}

function want(turn: Turn, trial: SearchTrial, change: 1 | -1): void {
  turn.state.wanting += change;
  bracketOf(turn.state, trial).wanting += change;
}

function startTimer(turn: Turn, trial: SearchTrial): void {
  if (!keepsTime(turn.spec)) return;
  trial.sinceMs = turn.state.clockMs;
  delete trial.ranMs;
}
