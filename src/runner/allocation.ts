/**
 * One allocation from launch to exit, as `step(state, input) → { state, actions }`: what to tell the
 * training code, when to signal it, and when it has ended. No processes, files or clocks here, so the
 * same decisions run in the simulator; `allocation-host.ts` performs the actions.
 *
 * The intuition is a ladder that is only ever climbed: asked over the socket, then SIGTERM, then
 * SIGKILL. A yield starts at the first rung, a kill at the second. Only the first can be taken back,
 * because a program that was asked may not have listened yet, and one that got SIGTERM has.
 */
import type { Orders } from "../protocol/trial-socket.ts";
import {
  type AllocationExit,
  brokenBy,
  causeOf,
  type RankEnded,
  type RankExit,
} from "./allocation-exit.ts";
import { type Audience, gone, greeted, hasLeft, listens, NOBODY } from "./audience.ts";

/** How long a program that cannot hear (no helper, or not yet there) has before SIGTERM stands for a yield. */
export const DEAF_GRACE_MS = 2_000;

export interface HeardOrders extends Orders {
  readonly version: number;
  readonly kill: boolean;
}

export interface AllocationState {
  readonly phase: "preparing" | "running" | "sweeping" | "ended";
  readonly rung: "none" | "asked" | "term" | "kill";
  readonly orders: HeardOrders;
  readonly killGraceMs: number;
  readonly yieldGraceMs: number;
  readonly alive: readonly number[];
  readonly exits: readonly RankExit[];
  readonly signalsSent: readonly string[];
  readonly audience: Audience;
  /** The step at which rank 0 waits for orders. */
  readonly waiting: number | null;
  /** A yield reached the training code, over the socket or as SIGTERM, before it said goodbye by itself. */
  readonly told: boolean;
  readonly outOfMemory: string | null;
  /** How long it had said nothing when it was ended for that. */
  readonly silentMs: number | null;
  /** Why a process could not be started. */
  readonly launchFault: string | null;
  /** What took a rank away that had not been told to end, and was not its own doing. */
  readonly lost: string | null;
  /** One rank failed while others were at work, and that is why they were stopped. */
  readonly wasBroken: boolean;
  /** The runner itself ends; set when that, and no order, is why the processes die. */
  readonly abandoned: boolean;
  readonly notes: readonly string[];
}

export type AllocationInput =
  | { readonly type: "orders"; readonly orders: HeardOrders }
  /** The server knows a newer fence, or has ended this allocation. */
  | { readonly type: "disowned"; readonly reason: string }
  | { readonly type: "shutdown"; readonly graceMs: number }
  /** The engine takes the node away: save and go within the grace, to go on elsewhere. */
  | { readonly type: "leave"; readonly graceMs: number; readonly reason: string }
  | { readonly type: "prepared" }
  | { readonly type: "started"; readonly ranks: readonly number[] }
  /** `lost`: it was taken away before it began, which was no failure of it. */
  | { readonly type: "launch_failed"; readonly detail: string; readonly lost?: boolean }
  | { readonly type: "hello"; readonly rank: number; readonly connection: number }
  | { readonly type: "wait"; readonly rank: number; readonly step: number }
  | { readonly type: "bye" | "closed"; readonly connection: number }
  | { readonly type: "timer" }
  /** It has said nothing for longer than its deadline, and nothing excuses that. */
  | { readonly type: "overdue"; readonly silentMs: number }
  | ({ readonly type: "rank_exited" } & RankEnded)
  /** Every process is gone; `outlived` of them had to be killed after the last rank ended. */
  | { readonly type: "swept"; readonly outlived: number; readonly outOfMemory: string | null };

export type AllocationAction =
  | { readonly type: "push" }
  | { readonly type: "spawn" }
  | { readonly type: "abort_preparation" }
  | { readonly type: "signal"; readonly name: "SIGTERM" | "SIGKILL" }
  /** Replaces the timer; null = none. */
  | { readonly type: "timer"; readonly delayMs: number | null }
  | { readonly type: "waiting"; readonly step: number }
  | { readonly type: "sweep"; readonly graceMs: number }
  | { readonly type: "exited"; readonly exit: AllocationExit };

export interface AllocationStep {
  readonly state: AllocationState;
  readonly actions: readonly AllocationAction[];
}

/** After this the sweep of what outlived the ranks goes over to SIGKILL, however patient the grace is. */
const SWEEP_GRACE_MAX_MS = 5_000;
const SIGKILL_AGAIN_MS = 5_000;

export function newAllocation(options: {
  readonly orders: HeardOrders;
  readonly killGraceMs: number;
  readonly yieldGraceMs: number;
}): AllocationState {
  return {
    ...options,
    phase: "preparing",
    rung: "none",
    alive: [],
    exits: [],
    signalsSent: [],
    audience: NOBODY,
    waiting: null,
    told: false,
    outOfMemory: null,
    silentMs: null,
    launchFault: null,
    lost: null,
    wasBroken: false,
    abandoned: false,
    notes: [],
  };
}

/** Whether orders say what to do at `step`: train past it, or yield. */
export const answers = (orders: Orders, step: number): boolean =>
  orders.yield !== null || orders.target === null || orders.target > step;

/** Takes one input. Inputs that mean nothing in the present phase change nothing. */
export function stepAllocation(state: AllocationState, input: AllocationInput): AllocationStep {
  if (state.phase === "ended") return { state, actions: [] };
  switch (input.type) {
    case "orders":
      return heard(state, input.orders);
    case "disowned":
      if (state.orders.kill) return { state, actions: [] };
      return heard(state, { ...state.orders, kill: true, reason: input.reason });
    case "shutdown":
      return shutdown(state, input.graceMs);
    case "leave":
      return leave(state, input);
    case "prepared":
      return isCancelled(state) ? neverStarted(state) : { state, actions: [{ type: "spawn" }] };
    case "started":
      return started({ ...state, phase: "running", alive: input.ranks });
    case "launch_failed":
      return launchFailed(state, input);
    case "hello":
      return hello(state, input);
    case "wait":
      return wait(state, input.rank, input.step);
    case "bye":
    case "closed": {
      const audience = gone(state.audience, input.connection, input.type === "bye");
      return { state: { ...state, audience }, actions: [] };
    }
    case "timer":
      return timer(state);
    case "overdue":
      return overdue(state, input.silentMs);
    case "rank_exited":
      return rankExited(state, input);
    case "swept":
      return swept(state, input);
  }
}

function heard(state: AllocationState, told: HeardOrders): AllocationStep {
  const { yield: yielding, reason } = state.orders;
  const leaves = state.abandoned && yielding !== null;
  const orders = leaves && told.yield === null ? { ...told, yield: yielding, reason } : told;
  const next: AllocationState = {
    ...state,
    orders,
    waiting: state.waiting !== null && answers(orders, state.waiting) ? null : state.waiting,
  };
  if (next.phase === "preparing") {
    // The first ranks may be there while others are still started, and may wait for this.
    const abort: AllocationAction[] = isCancelled(next) ? [{ type: "abort_preparation" }] : [];
    return { state: { ...next, told: reached(next) }, actions: [{ type: "push" }, ...abort] };
  }
  if (next.phase === "sweeping") return { state: next, actions: [] };
  return climb(next, [{ type: "push" }]);
}

/** Who was told to go while they were being started has nothing to save yet, and goes at once. */
const started = (state: AllocationState): AllocationStep =>
  state.abandoned ? terminate(state, []) : climb(state, []);

/** Before its processes are there: whether they are not to begin. */
export const isCancelled = (state: AllocationState): boolean =>
  state.abandoned || state.orders.kill || state.orders.yield !== null;

/** Whether a yield has reached training code, once what is pushed now is heard. */
const reached = ({ told, orders, audience }: AllocationState): boolean =>
  told || (orders.yield !== null && listens(audience));

/** Climbs to the rung that the orders ask for, or steps back from having merely asked. */
function climb(state: AllocationState, before: readonly AllocationAction[]): AllocationStep {
  const { orders, rung } = state;
  if (rung === "term" || rung === "kill") return { state, actions: before };
  if (orders.kill) return terminate(state, before);
  if (orders.yield === null) {
    if (rung === "none") return { state, actions: before };
    return {
      state: { ...state, rung: "none" },
      actions: [...before, { type: "timer", delayMs: null }],
    };
  }
  if (rung === "asked") return { state, actions: before };
  const told = reached(state);
  // Who has left by itself has no need to hear, and may take long to tidy up.
  const patient = told || hasLeft(state.audience);
  const delayMs = patient ? state.yieldGraceMs : Math.min(DEAF_GRACE_MS, state.yieldGraceMs);
  return {
    state: { ...state, rung: "asked", told },
    actions: [...before, { type: "timer", delayMs }],
  };
}

function terminate(
  state: AllocationState,
  before: readonly AllocationAction[],
  graceMs = state.killGraceMs,
): AllocationStep {
  return {
    state: {
      ...state,
      rung: "term",
      signalsSent: [...state.signalsSent, "SIGTERM"],
      told: state.told || (state.orders.yield !== null && !hasLeft(state.audience)),
    },
    actions: [...before, { type: "signal", name: "SIGTERM" }, { type: "timer", delayMs: graceMs }],
  };
}

function shutdown(state: AllocationState, graceMs: number): AllocationStep {
  const abandoned = !state.orders.kill && state.rung !== "term" && state.rung !== "kill";
  const next = { ...state, abandoned: state.abandoned || abandoned };
  const grace = Math.min(graceMs, state.killGraceMs);
  if (state.phase === "preparing")
    return {
      // Ranks may be being started; the grace is theirs then.
      state: { ...next, killGraceMs: grace },
      actions: [{ type: "abort_preparation" }],
    };
  if (state.phase === "sweeping") return { state, actions: [] };
  // Whoever is on the way out already gets no more time than the others.
  if (state.rung === "term") return { state: next, actions: [{ type: "timer", delayMs: grace }] };
  if (state.rung === "kill") return { state: next, actions: [] };
  return terminate(next, [], grace);
}

/**
 * To training code it is the same as being asked to pause; that it comes back is the server's affair, to which this is the
 * runner's end. Who does not save in time is killed, and goes on from its checkpoint before.
 */
function leave(
  state: AllocationState,
  { graceMs, reason }: { readonly graceMs: number; readonly reason: string },
): AllocationStep {
  const asked = state.rung === "none" || state.rung === "asked";
  if (state.phase !== "running" || !asked) {
    // Whose processes have all ended did not end by it.
    const isWhy = state.phase !== "sweeping" && !state.abandoned;
    return shutdown({ ...state, notes: [...state.notes, ...(isWhy ? [reason] : [])] }, graceMs);
  }
  // The first to take it away says how long there is.
  if (state.abandoned) return { state, actions: [] };
  const killGraceMs = Math.min(state.killGraceMs, Math.floor(graceMs / 3));
  const yieldGraceMs = Math.max(0, Math.min(state.yieldGraceMs, graceMs - killGraceMs));
  return climb(
    {
      ...state,
      ...{ killGraceMs, yieldGraceMs, abandoned: true, waiting: null },
      // Who saves for a pause already is asked anew, and has the time that the node has.
      rung: "none",
      orders: { ...state.orders, yield: state.orders.yield ?? "pause", reason },
      notes: [...state.notes, reason],
    },
    [{ type: "push" }],
  );
}

function launchFailed(
  state: AllocationState,
  { detail, lost = false }: { readonly detail: string; readonly lost?: boolean },
): AllocationStep {
  const next = lost
    ? { ...state, lost: state.lost ?? detail }
    : { ...state, launchFault: state.launchFault ?? detail };
  if (state.phase === "preparing" && isCancelled(state)) return neverStarted(state);
  if (state.alive.length === 0) return end({ ...next, phase: "ended" });
  return state.rung === "none" || state.rung === "asked"
    ? terminate(next, [])
    : { state: next, actions: [] };
}

/**
 * The orders changed while code and data were fetched: nothing ran, so nothing failed either. No
 * processes and no fault is how that is told.
 */
function neverStarted(state: AllocationState): AllocationStep {
  const { orders, abandoned } = state;
  const yielded = orders.yield !== null && !orders.kill;
  const note = `ended before any process was started: ${abandoned ? "the runner was told to stop" : orders.reason}`;
  return end({
    ...state,
    phase: "ended",
    told: yielded,
    notes: [...state.notes, note],
  });
}

function hello(
  state: AllocationState,
  { connection, rank }: { readonly connection: number; readonly rank: number },
): AllocationStep {
  const audience = greeted(state.audience, connection, rank);
  const next = { ...state, audience, told: state.told || state.orders.yield !== null };
  // Once: who greets for each word it says would never be ended.
  if (state.told || state.rung !== "asked") return { state: next, actions: [] };
  return { state: next, actions: [{ type: "timer", delayMs: state.yieldGraceMs }] };
}

function wait(state: AllocationState, rank: number, step: number): AllocationStep {
  if (answers(state.orders, step)) return { state, actions: [{ type: "push" }] };
  // Who waits after a yield was taken back has not acted on it.
  const next = { ...state, told: false };
  if (rank !== 0 || state.waiting === step) return { state: next, actions: [] };
  return { state: { ...next, waiting: step }, actions: [{ type: "waiting", step }] };
}

/** Whether its silence counts: who waits for orders, or is on the way out, has nothing to say. */
export const owesWord = ({ phase, rung, waiting }: AllocationState): boolean =>
  phase === "running" && rung === "none" && waiting === null;

function overdue(state: AllocationState, silentMs: number): AllocationStep {
  if (!owesWord(state)) return { state, actions: [] };
  return terminate({ ...state, silentMs }, []);
}

function timer(state: AllocationState): AllocationStep {
  if (state.phase !== "running") return { state, actions: [] };
  if (state.rung === "asked") return terminate(state, []);
  if (state.rung === "none") return { state, actions: [] };
  const first = state.rung === "term";
  return {
    state: {
      ...state,
      rung: "kill",
      signalsSent: first ? [...state.signalsSent, "SIGKILL"] : state.signalsSent,
    },
    actions: [
      { type: "signal", name: "SIGKILL" },
      { type: "timer", delayMs: SIGKILL_AGAIN_MS },
    ],
  };
}

function rankExited(
  state: AllocationState,
  input: Extract<AllocationInput, { type: "rank_exited" }>,
): AllocationStep {
  const { rank, code, signal, outOfMemory, fault = null, lost } = input;
  if (!state.alive.includes(rank)) return { state, actions: [] };
  const onItsWay = state.rung === "term" || state.rung === "kill";
  const next: AllocationState = {
    ...state,
    alive: state.alive.filter((other) => other !== rank),
    exits: lost === undefined ? [...state.exits, { rank, code, signal }] : state.exits,
    outOfMemory: state.outOfMemory ?? outOfMemory,
    launchFault: state.launchFault ?? fault,
    lost: state.lost ?? (onItsWay ? null : (lost ?? null)),
  };
  if (next.alive.length === 0) {
    const graceMs = next.rung === "kill" ? 0 : Math.min(next.killGraceMs, SWEEP_GRACE_MAX_MS);
    return {
      state: { ...next, phase: "sweeping" },
      actions: [
        { type: "timer", delayMs: null },
        { type: "sweep", graceMs },
      ],
    };
  }
  const failed = lost !== undefined || code !== 0;
  if (!failed || onItsWay) return { state: next, actions: [] };
  const notes =
    lost === undefined
      ? next.notes
      : [...next.notes, `rank ${rank} was taken away, and the others were stopped`];
  return terminate({ ...next, wasBroken: lost === undefined, notes }, []);
}

function swept(
  state: AllocationState,
  input: Extract<AllocationInput, { type: "swept" }>,
): AllocationStep {
  const { outlived } = input;
  if (state.phase !== "sweeping") return { state, actions: [] };
  const note = `${outlived} ${outlived === 1 ? "process" : "processes"} outlived the last rank and had to be killed`;
  return end({
    ...state,
    phase: "ended",
    outOfMemory: state.outOfMemory ?? input.outOfMemory,
    notes: outlived === 0 ? state.notes : [...state.notes, note],
  });
}

function end(state: AllocationState): AllocationStep {
  const { launchFault, lost, abandoned, told, audience, silentMs } = state;
  const cause = causeOf(state.exits, state.signalsSent);
  const others = state.exits.filter((exit) => exit !== cause);
  const exits = cause === undefined ? others : [cause, ...others];
  const inOrder = exits.every((exit) => exit.code === 0);
  const taken = abandoned || lost !== null;
  const kind = launchFault !== null ? "launch_failed" : taken ? "runner_lost" : "processes";
  const notes = [
    ...(launchFault === null ? [] : [launchFault]),
    ...(lost === null ? [] : [lost]),
    ...(abandoned && exits.length > 0 ? ["the runner was told to stop and ended its trials"] : []),
    ...(state.wasBroken && cause !== undefined ? [brokenBy(cause)] : []),
    ...state.notes,
  ];
  const exit: AllocationExit = {
    kind,
    processes: exits,
    outOfMemory: state.outOfMemory,
    signalsSent: state.signalsSent,
    yielded: launchFault === null && !taken && told && (audience.saidBye || inOrder),
    ...(state.wasBroken && cause !== undefined ? { broken: true } : {}),
    ...(silentMs === null ? {} : { silentMs }),
    detail: notes.join("; "),
  };
  return { state, actions: [{ type: "exited", exit }] };
}
