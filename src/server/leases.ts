/**
 * Leases inside turns of the decision loop: core decides, this writes what follows from it. A runner that is lost
 * takes its allocations with it in the same turn; one that is back gives its slots back to the scheduler.
 */
import {
  claimLease,
  confirmLease,
  type LeaseLimits,
  type LeaseStep,
  lookAtLease,
  type Sighting,
} from "../core/lease/lease.ts";
import { ContrailError } from "../protocol/errors.ts";
import { storable } from "../store/storable.ts";
import { type LiveRunner, runnerRow } from "./live-runners.ts";
import { findLive } from "./sync.ts";
import type { Turn, World } from "./world.ts";

/** A network that hesitates for a few seconds is none of anybody's business. */
export const DEFAULT_LEASE: LeaseLimits = {
  silentMs: 10_000,
  leaseMs: 60_000,
  lostMs: 600_000,
};

/** A runner speaks every 2 s: who is flagged has missed at least two words. */
const SILENT_MS_MIN = 5_000;

/** @param lostMs absent = ten leases */
export const leaseLimits = (leaseMs: number, lostMs?: number): LeaseLimits => ({
  silentMs: Math.min(
    leaseMs,
    DEFAULT_LEASE.silentMs,
    Math.max(SILENT_MS_MIN, Math.ceil(leaseMs / 3)),
  ),
  leaseMs,
  lostMs: lostMs ?? leaseMs * 10,
});

/** Does something follow from what was heard and what the engine said? Asked again in the turn that makes it so. */
export const leaseStep = (
  runner: LiveRunner,
  at: { readonly sighting: Sighting | null; readonly nowMs: number },
  limits: LeaseLimits,
): LeaseStep | undefined => lookAtLease(runner.lease, { hearing: runner.hearing, ...at }, limits);

export function applyLook(
  world: World,
  turn: Turn,
  at: { readonly runner: string; readonly sighting: Sighting | null; readonly limits: LeaseLimits },
): void {
  const runner = world.runners.get(at.runner);
  const step = leaseStep(runner, { sighting: at.sighting, nowMs: turn.nowMs }, at.limits);
  if (!step) return;
  take(world, turn, runner, step);
  if (step.what === "lost") endAllOf(world, turn, runner.id, step.lease.cause);
}

/** What a runner says of itself in a sync: that it is done with what was replaced. */
export function applyConfirmation(
  world: World,
  turn: Turn,
  runnerId: string,
  said: { readonly lease?: number | undefined; readonly holds?: readonly string[] | undefined },
): void {
  const runner = world.runners.get(runnerId);
  if (runner.lease.standing !== "lost" || said.holds === undefined) return;
  const foreign = said.holds.filter(
    (id) => findLive(world, id)?.allocation.runner !== runnerId,
  ).length;
  const step = confirmLease(runner.lease, { lease: said.lease ?? 0, foreign }, turn.nowMs);
  if (step) take(world, turn, runner, step);
}

/** @throws ContrailError runner_taken: another process speaks for this runner */
export function applyClaim(
  world: World,
  turn: Turn,
  claim: { readonly runner: string; readonly boot: string; readonly sighting: () => Sighting },
): void {
  const runner = world.runners.get(claim.runner);
  const step = claimLease(runner.lease, claim);
  if (typeof step === "string") throw runnerTaken(claim.runner, step);
  if (step) take(world, turn, runner, step);
}

export const runnerTaken = (runner: string, why: string): ContrailError =>
  new ContrailError("runner_taken", `runner ${runner} is another process: ${why}`);

function take(world: World, turn: Turn, runner: LiveRunner, step: LeaseStep): void {
  runner.lease = step.lease;
  turn.batch.put("runners", { ...runnerRow(runner), cause: storable(step.lease.cause) });
  turn.slotsChanged.value = true;
  // That another process speaks is of no interest by itself: who started it has said so.
  if (step.what === "speaks") return;
  turn.batch.change({
    at: new Date(turn.nowMs),
    actor: step.what === "back" ? "runner" : "contrail",
    experimentId: null,
    subject: `runner ${runner.id}`,
    what: step.what,
    cause: storable(step.lease.cause),
  });
  for (const live of world.experiments.values())
    for (const [trial, allocation] of live.allocations)
      if (allocation.runner === runner.id)
        turn.shown.set(live.id, (turn.shown.get(live.id) ?? new Set()).add(trial));
}

function endAllOf(world: World, turn: Turn, runner: string, cause: string): void {
  const reason = `runner ${runner} was lost: ${cause}`;
  for (const live of [...world.experiments.values()])
    for (const [trial, allocation] of [...live.allocations])
      if (allocation.runner === runner)
        world.apply(turn, live, { type: "lost", trial, run: allocation.run, reason });
}
