/**
 * The deterministic form of any search: results count in virtual order, not in the order of arrival.
 *
 * Virtual time is counted in steps. Whoever is told at virtual time v to train from step a to step b
 * owes its result at v + (b - a); whoever is told to stop owes its end at v. What is owed first (ties by
 * trial number) counts next, and nothing else counts before it has been heard. When a result is due
 * depends on decisions alone, so the whole sequence does: it is the same for one slot and for sixteen,
 * whatever waits, fails and is repeated in between. It is the order of a cluster with a place for every
 * trial on which each step takes equally long.
 *
 * A trial that ends on its way counts at the time of the result that it owed, however far it had come:
 * at which step a crash strikes is not repeatable, that it strikes may be. The end of a trial that waits at
 * a rung counts when the search next asks something of it; only a person's is told at once, because
 * nobody can repeat that.
 *
 * Each trial that owes something either trains, waits for slots that held trials give back, or is ending;
 * so what is owed first always comes, and the search ends as it would have.
 *
 * Alternative refused: the step that was really reached as a trial's clock. Failures would count a little
 * earlier, and their order would hang on whether the last line before a crash still came through.
 */
import { fromWire, toWire } from "../../base/json.ts";
import { waitingInOrder } from "./causes.ts";
import type { SearchAction, SearchEvent } from "./search.ts";
import { bracketOf, type Pending, type SearchState, trialOf, type VirtualOrder } from "./state.ts";

export const newVirtualOrder = (): VirtualOrder => ({
  now: 0,
  stepsHeard: 0,
  trials: {},
  owing: [],
  held: { results: 0, ms: 0, msMax: 0 },
});

type Report = Extract<SearchEvent, { type: "report" }>;

/**
 * Takes an event as it arrives and gives the race those that count now.
 * @param tell the race takes one event
 */
export function inVirtualOrder(
  state: SearchState,
  order: VirtualOrder,
  {
    event,
    nowMs,
    tell,
    startStep,
  }: {
    readonly event: SearchEvent;
    readonly nowMs: number;
    readonly tell: (event: SearchEvent) => SearchAction[];
    /** At which trials begin. */
    readonly startStep: number;
  },
): SearchAction[] {
  const actions: SearchAction[] = [];
  const pass = (told: SearchEvent): void => {
    for (const action of tell(told)) {
      note(state, order, action, startStep);
      actions.push(action);
    }
  };
  switch (event.type) {
    case "start":
      pass(event);
      break;
    case "report":
      if (!hear(state, order, event)) return [];
      break;
    case "exit": {
      const pending = order.trials[event.trial];
      if (pending === undefined || pending.exit !== undefined) return [];
      pending.exit = event.reason;
      // It was to end at the last step, and failed before that was saved.
      if (pending.stop === "finished" && event.reason === "errored") pending.stop = "errored";
      if (event.reason === "canceled" && pending.due === null)
        owe(order, event.trial, pending, order.now);
      break;
    }
    default:
      // Nothing real may decide here: neither slots nor time.
      return [];
  }
  for (let next = firstOwed(order); next && isIn(next.pending); next = firstOwed(order))
    count(order, next, nowMs, pass);
  return [...actions, ...holds(order, nowMs)];
}

function owe(order: VirtualOrder, number: number, pending: Pending, due: number): void {
  if (pending.due === null) order.owing.push(number);
  pending.due = due;
}

/** What an answer of the race asks of a trial, and when that is due. */
function note(
  state: SearchState,
  order: VirtualOrder,
  action: SearchAction,
  startStep: number,
): void {
  if (action.type === "create") {
    const { trial, target } = action;
    const pending: Pending = { due: null, rung: 0, target, measured: [], steps: startStep };
    order.trials[trial] = pending;
    return owe(order, trial, pending, order.now + target - startStep);
  }
  const pending = "trial" in action ? order.trials[action.trial] : undefined;
  if (pending === undefined || !("trial" in action)) return;
  if (action.type === "train") {
    owe(order, action.trial, pending, order.now + action.target - pending.target);
    pending.target = action.target;
    pending.rung = trialOf(state, action.trial).rung;
  } else if (action.type === "stop") {
    owe(order, action.trial, pending, order.now);
    // Whichever was heard first, its result or that it failed for good before that was saved.
    const end = pending.exit === "errored" ? "errored" : "finished";
    pending.stop = action.cause.code === "reached_end" ? end : "stopped";
  } else if (action.type === "pause" && pending.exit === "canceled") {
    owe(order, action.trial, pending, order.now);
  }
}

/** @returns whether it is a value for a rung that had none */
function hear(state: SearchState, order: VirtualOrder, report: Report): boolean {
  const pending = order.trials[report.trial];
  if (pending === undefined || pending.exit !== undefined || !Number.isFinite(report.step))
    return false;
  const { steps } = bracketOf(state, trialOf(state, report.trial));
  const before = pending.measured.length;
  for (const step of steps.slice(before))
    if (step <= report.step)
      pending.measured.push(toWire(report.objective === 0 ? 0 : report.objective));
  const reached = Math.min(report.step, steps.at(-1) as number);
  if (reached > pending.steps) {
    order.stepsHeard += reached - pending.steps;
    pending.steps = reached;
    const heard = 0.99 * Math.min(1, order.stepsHeard / state.stepsExpected);
    if (state.phase === "running") state.progress = Math.max(state.progress, heard);
  }
  return pending.measured.length > before;
}

interface Owed {
  readonly number: number;
  readonly due: number;
  readonly pending: Pending;
}

function firstOwed({ trials, owing }: VirtualOrder): Owed | undefined {
  let first: Owed | undefined;
  for (const number of owing) {
    const pending = trials[number] as Pending;
    const due = pending.due as number;
    if (first === undefined || due < first.due || (due === first.due && number < first.number))
      first = { number, due, pending };
  }
  return first;
}

/** Has it been heard, what this trial owes? */
const isIn = ({ stop, exit, measured, rung }: Pending): boolean =>
  exit !== undefined || (stop === undefined && measured.length > rung);

/** What was owed first counts now. */
function count(
  order: VirtualOrder,
  { number, due, pending }: Owed,
  nowMs: number,
  pass: (event: SearchEvent) => void,
): void {
  const { held } = order;
  order.now = due;
  order.owing.splice(order.owing.indexOf(number), 1);
  pending.due = null;
  if (pending.sinceMs !== undefined) {
    const ms = Math.max(0, nowMs - pending.sinceMs);
    held.results++;
    held.ms += ms;
    held.msMax = Math.max(held.msMax, ms);
    delete pending.sinceMs;
  }
  const value = pending.stop === undefined ? pending.measured[pending.rung] : undefined;
  if (value !== undefined) {
    pass({ type: "report", trial: number, step: pending.target, objective: fromWire(value) });
    return;
  }
  const { exit, stop } = pending;
  delete order.trials[number];
  // Told to stop before its end counts, it has stopped, whatever its program did meanwhile.
  const reason = stop === undefined || exit === "canceled" ? exit : stop;
  if (reason !== undefined) pass({ type: "exit", trial: number, reason });
}

/** Whoever owes a result that is in from now on waits for the others. */
function holds(order: VirtualOrder, nowMs: number): SearchAction[] {
  const first = firstOwed(order);
  if (first === undefined) return [];
  return order.owing.flatMap((number) => {
    const pending = order.trials[number] as Pending;
    if (pending.sinceMs !== undefined || !isIn(pending)) return [];
    pending.sinceMs = nowMs;
    if (pending.exit !== undefined) return [];
    const cause = waitingInOrder(pending.target, first.number);
    return [{ type: "hold" as const, trial: number, cause }];
  });
}
