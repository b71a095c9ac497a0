/** What all parts of one run share: time, the scenario, the trace, and the place where broken rules are told. */
import type { SpoolStream } from "../runner/spool.ts";
import type { Faults } from "./faults.ts";
import { type Behaviour, behaviourOf, type Scenario } from "./scenario.ts";
import { type Life, Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";

/** A rule that did not hold; ends the run. */
export class Broken extends Error {
  override name = "Broken";
  readonly rule: string;
  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`);
    this.rule = rule;
  }
}

/** The runner that has opened a spool, and what it lies on. */
export interface SpoolOwner {
  readonly crash: () => void;
  readonly disk: { full: boolean };
}

export class SimContext {
  readonly timeline = new Timeline();
  readonly scenario: Scenario;
  /** As they are now: none any more once the run heals. */
  faults: Faults;
  /** Allocations that were ended with nobody knowing whether their processes live. */
  readonly givenUp = new Set<string>();
  /** Allocation → steps of the checkpoints that its runner has taken over. */
  readonly takenOver = new Map<string, Set<number>>();
  /** Allocations whose program offered a checkpoint and was told that it could not be kept. */
  readonly notKept = new Set<string>();
  /** Allocations of which the server has heard that they run. */
  readonly saidStarted = new Set<string>();
  readonly #trace: Trace;
  readonly #behaviours = new Map<string, Behaviour>();
  /** Told of every spool that is opened. */
  watchSpool: (allocation: string, spool: SpoolStream, by: SpoolOwner) => void = () => undefined;

  /** Told before a runner begins an allocation. */
  onBegun: (allocation: string, by: Life) => void = () => undefined;

  /** Asked before a runner makes a note for its successor. */
  noteFails: () => boolean = () => false;

  constructor(scenario: Scenario, trace: Trace) {
    this.scenario = scenario;
    this.faults = scenario.faults;
    this.#trace = trace;
  }

  /** Some seeds check what only costs time in the others. */
  get thorough(): boolean {
    return this.scenario.seed % 16 === 0;
  }

  get tracing(): boolean {
    return this.#trace.on;
  }

  trace(who: string, text: string): void {
    this.#trace.say(this.timeline.nowMs, who, text);
  }

  fail(error: unknown): void {
    this.timeline.fail(error);
  }

  broken(rule: string, detail: string): void {
    this.trace("BROKEN", `${rule}: ${detail}`);
    this.timeline.fail(new Broken(rule, detail));
  }

  behaviour(trial: string): Behaviour {
    const known = this.#behaviours.get(trial) ?? behaviourOf(this.scenario, trial).behaviour;
    this.#behaviours.set(trial, known);
    return known;
  }
}
