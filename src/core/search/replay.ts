/**
 * A search decided again from its log: each event that it was told goes into a fresh search, and what that
 * answers is held to what was answered then. Nothing but the specification and the log takes part, so it needs
 * neither a server nor the machine that trained.
 *
 * The simulator checks every search by this, and `contrail search replay` shows it to people.
 */
import { type Difference, firstDifference } from "../../base/difference.ts";
import { startSearch, stepSearch } from "./methods.ts";
import type { ExitReason, SearchAction, SearchEvent, SearchSpec } from "./search.ts";
import type { SearchState } from "./state.ts";

/** A row of the log. */
export interface LoggedStep {
  /** 1, 2, … without a gap. */
  readonly seq: number;
  /** Wall time at which it was told. */
  readonly atMs: number;
  readonly event: SearchEvent;
  readonly actions: readonly SearchAction[];
}

/** Where a log and the search that it is of part. */
export interface Parting {
  readonly kind: "decision" | "missing_event" | "no_event";
  /** The event at which it shows. */
  readonly seq: number;
  readonly step: LoggedStep;
  /** What is decided now, where it got that far. */
  readonly now: readonly SearchAction[];
  /** The first difference between the two answers; `left` is then, `right` is now. */
  readonly difference: Difference | null;
}

export class Replay {
  readonly spec: SearchSpec;
  state: SearchState;
  /** Events that were decided again with the same answers, and the answers in them. */
  events = 0;
  decisions = 0;

  /** @throws AssertionFailed for a specification that no configuration gives */
  constructor(spec: SearchSpec) {
    this.spec = spec;
    this.state = startSearch(spec);
  }

  /** Takes the next row. After a parting the replay is of no more use. */
  take(step: LoggedStep): Parting | undefined {
    const parting = (kind: Parting["kind"]): Parting => ({
      ...{ kind, seq: step.seq, step, now: [], difference: null },
    });
    if (step.seq !== this.events + 1) return parting("missing_event");
    if (!isSearchEvent(step.event)) return parting("no_event");
    const { state, actions } = stepSearch(this.spec, this.state, step.event, step.atMs);
    this.state = state;
    const difference = firstDifference(step.actions, actions);
    if (difference) return { ...parting("decision"), now: actions, difference };
    this.events += 1;
    this.decisions += actions.length;
    return undefined;
  }
}

const EXITS: readonly string[] = [
  "finished",
  "stopped",
  "errored",
  "canceled",
  "invalid_hyperparameters",
] satisfies ExitReason[];

/** A log may come from a file that anybody has written. */
export function isSearchEvent(value: unknown): value is SearchEvent {
  if (typeof value !== "object" || value === null) return false;
  const { type, trial, step, objective, reason } = value as Record<string, unknown>;
  switch (type) {
    case "start":
    case "end":
    case "tick":
      return true;
    case "report":
      return [trial, step, objective].every((number) => typeof number === "number");
    case "exit":
      return typeof trial === "number" && EXITS.includes(reason as string);
    case "granted":
    case "yielded":
      return typeof trial === "number";
    default:
      return false;
  }
}
