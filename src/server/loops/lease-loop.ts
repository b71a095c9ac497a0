/**
 * Looks at the leases of all runners, asks the engine about those that have run out, and brings what follows before
 * the decision loop. Who speaks is noted as the request arrives, before anything is decided about it.
 *
 * Looks are what time is counted by: one that comes late, because this process stood still, counts as one; one in
 * whose time a commit failed counts for nothing.
 */
import type { Clock } from "../../base/clock.ts";
import {
  type LeaseLimits,
  listenedMs,
  needsSighting,
  type Sighting,
  stillUnheard,
} from "../../core/lease/lease.ts";
import { applyClaim, applyLook, leaseStep } from "../leases.ts";
import type { LiveRunner } from "../live-runners.ts";
import type { DecisionLoop } from "./decision-loop.ts";

const LOOK_MS_MAX = 1_000;

export interface LeaseLoopOptions {
  readonly loop: DecisionLoop;
  readonly clock: Clock;
  readonly limits: LeaseLimits;
  /** The engine's word on a runner. */
  readonly observe: (runner: string) => Sighting;
  /** Nothing runs that could speak for it: its silence counts for nothing. */
  readonly cannotSpeak?: (runner: string) => boolean;
}

/** Where runners are heard. */
export interface Leases {
  readonly limits: LeaseLimits;
  /** Somebody speaks as this runner. @param boot null = one that is too old to say @throws ContrailError runner_taken */
  heard(runner: string, boot: string | null): Promise<void>;
}

export class LeaseLoop implements Leases {
  readonly #options: LeaseLoopOptions;
  readonly #everyMs: number;
  #lookedAtMs: number;
  #troubled = false;
  #stopped = false;
  #cancel = (): void => {};

  constructor(options: LeaseLoopOptions) {
    this.#options = options;
    this.#everyMs = Math.min(LOOK_MS_MAX, Math.ceil(options.limits.silentMs / 4));
    this.#lookedAtMs = options.clock.monotonicMs();
  }

  get limits(): LeaseLimits {
    return this.#options.limits;
  }

  /** Leases run from now on. */
  start(): void {
    this.#lookedAtMs = this.#options.clock.monotonicMs();
    this.#next();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** The server could not commit: until the next look it counts as deaf. */
  noteTrouble(): void {
    this.#troubled = true;
  }

  async heard(runner: string, boot: string | null): Promise<void> {
    const { loop, clock, observe } = this.#options;
    const { lease } = loop.world.runners.get(runner);
    if (boot !== null && boot !== lease.boot)
      await loop.submit({
        name: "runner speaks",
        run: (world, turn) =>
          applyClaim(world, turn, { runner, boot, sighting: () => observe(runner) }),
      });
    loop.world.runners.heard(runner, clock.nowMs());
  }

  #next(): void {
    this.#cancel = this.#options.clock.after(this.#everyMs, () => {
      void this.#look().finally(() => {
        if (!this.#stopped) this.#next();
      });
    });
  }

  async #look(): Promise<void> {
    const { loop, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const passedMs = nowMs - this.#lookedAtMs;
    const ms = listenedMs({ passedMs, everyMs: this.#everyMs, troubled: this.#troubled });
    this.#lookedAtMs = nowMs;
    this.#troubled = false;
    // The loop has reported the failure; the next look tries again.
    await Promise.all(
      loop.world.runners.all.map((runner) => this.#lookAt(runner, ms).catch(() => undefined)),
    );
  }

  async #lookAt(runner: LiveRunner, ms: number): Promise<void> {
    const { loop, clock, limits, observe, cannotSpeak } = this.#options;
    runner.hearing = stillUnheard(runner.hearing, cannotSpeak?.(runner.id) ? 0 : ms);
    const asked = needsSighting(runner.lease, runner.hearing, limits);
    const sighting = asked ? observe(runner.id) : null;
    if (sighting?.state === "alive") runner.aliveAtMs = clock.nowMs();
    if (!leaseStep(runner, { sighting, nowMs: clock.nowMs() }, limits)) return;
    await loop.submit({
      name: "look at leases",
      run: (world, turn) => applyLook(world, turn, { runner: runner.id, sighting, limits }),
    });
  }
}
