/**
 * Whether a runner still speaks for its node, in two steps and never one.
 *
 * *Silent*: nothing was heard of it for some seconds. That is a flag; its training is presumed to go on, and nothing
 * ends. *Lost*: its lease has run out, and the engine, asked then, has proved it gone or could not tell for much
 * longer. Only then do its allocations end, and its number (the fence of the runner) moves on. What it held is granted
 * to nobody until it has said under the new number that nothing of the old runs any more: what cannot be reached may
 * well be training still, on those very devices.
 *
 * Time counts only while the server listened. A server that was down, stood still or could not commit has heard nobody,
 * so its own trouble never looks like a runner's. No time of day comes into it.
 *
 * Alternative refused: ending at the first missed deadline, as heartbeats in a database do. Every network trouble then
 * costs live trials, and every stall of the server all of them.
 */
export interface LeaseLimits {
  /** Not heard for so long: silent. */
  readonly silentMs: number;
  /** Length of a lease. Run out, the engine is asked. */
  readonly leaseMs: number;
  /** An engine that cannot tell for so long counts as none. */
  readonly lostMs: number;
}

/** What has to be known again after a restart of the server. */
export interface Lease {
  readonly standing: "held" | "silent" | "lost";
  /** Counts a runner's leases from 1. What was said under an earlier one confirms nothing. */
  readonly number: number;
  /** The start of the runner's process that holds it; null = none has spoken yet. */
  readonly boot: string | null;
  /** Why it stands so, in one sentence. */
  readonly cause: string;
  readonly sinceMs: number;
}

/** What this server has heard itself; begins anew with it. */
export interface Hearing {
  /** Time that the server has listened since it last heard this runner, or since it started. */
  readonly unheardMs: number;
  /** Heard since the last look. When in between nobody noted, so what passed until then counts for nothing. */
  readonly fresh: boolean;
  /** Wall time, for people; null = not since the server started. */
  readonly heardAtMs: number | null;
}

export const NEVER_HEARD: Hearing = { unheardMs: 0, fresh: false, heardAtMs: null };

export const heardNow = (nowMs: number): Hearing => ({
  ...{ unheardMs: 0, fresh: true, heardAtMs: nowMs },
});

/** @param ms time that the server has listened since the last look */
export const stillUnheard = (hearing: Hearing, ms: number): Hearing => ({
  ...hearing,
  unheardMs: hearing.fresh ? 0 : hearing.unheardMs + ms,
  fresh: false,
});

/** What an engine says of a runner. */
export type Sighting =
  | { readonly state: "alive"; readonly boot: string | null }
  | { readonly state: "gone"; readonly proof: string }
  | { readonly state: "unknown"; readonly why: string };

export interface LeaseStep {
  readonly lease: Lease;
  readonly what: "silent" | "heard again" | "lost" | "back" | "speaks";
}

export const newLease = (nowMs: number): Lease => ({
  standing: "held",
  number: 1,
  boot: null,
  cause: "it has not spoken yet",
  sinceMs: nowMs,
});

/**
 * How much of the time since the last look the server can say it listened.
 * @param look `passedMs` on the monotonic clock; `everyMs` is how often it looks: whoever looks later stood still
 */
export function listenedMs(look: {
  readonly passedMs: number;
  readonly everyMs: number;
  /** The server could not commit, so nobody could be answered. */
  readonly troubled: boolean;
}): number {
  if (look.troubled) return 0;
  return Math.max(0, Math.min(look.passedMs, 2 * look.everyMs));
}

/** Is it time to ask the engine? */
export const needsSighting = (lease: Lease, hearing: Hearing, limits: LeaseLimits): boolean =>
  lease.standing === "silent" && hearing.unheardMs >= limits.leaseMs;

/** @param sighting null where the engine was not asked @returns undefined where nothing changes */
export function lookAtLease(
  lease: Lease,
  at: { readonly hearing: Hearing; readonly sighting: Sighting | null; readonly nowMs: number },
  limits: LeaseLimits,
): LeaseStep | undefined {
  const { hearing, sighting, nowMs } = at;
  const silent = hearing.unheardMs >= limits.silentMs;
  const stands = (what: LeaseStep["what"], change: Partial<Lease>): LeaseStep => ({
    lease: { ...lease, sinceMs: nowMs, ...change },
    what,
  });
  switch (lease.standing) {
    case "held":
      if (!silent) return undefined;
      return stands("silent", {
        standing: "silent",
        cause: `not heard for ${seconds(hearing.unheardMs)}; its training is presumed to go on`,
      });
    case "silent": {
      if (!silent && hearing.heardAtMs !== null)
        return stands("heard again", { standing: "held", cause: "it was heard again" });
      const why = sighting && whyLost(hearing, sighting, limits);
      if (!why || !needsSighting(lease, hearing, limits)) return undefined;
      return stands("lost", { standing: "lost", number: lease.number + 1, cause: why });
    }
    case "lost":
      return undefined;
  }
}

function whyLost(hearing: Hearing, sighting: Sighting, limits: LeaseLimits): string | undefined {
  if (sighting.state === "alive") return undefined;
  const patient = sighting.state === "unknown" && hearing.unheardMs < limits.lostMs;
  if (patient) return undefined;
  const heard =
    hearing.heardAtMs === null
      ? "not heard since the server started"
      : `last heard ${new Date(hearing.heardAtMs).toISOString()}`;
  const says =
    sighting.state === "gone"
      ? `the engine says that it is gone: ${sighting.proof}`
      : `the engine cannot tell whether it lives: ${sighting.why}`;
  return `${heard}, ${seconds(hearing.unheardMs)} ago; its lease of ${seconds(limits.leaseMs)} has run out; ${says}`;
}

/**
 * A lost runner says what may still run there.
 * @param said `lease`: the number under which it speaks; `foreign`: of that, what the server does not want to run there
 */
export function confirmLease(
  lease: Lease,
  said: { readonly lease: number; readonly foreign: number },
  nowMs: number,
): LeaseStep | undefined {
  if (lease.standing !== "lost" || said.lease !== lease.number || said.foreign > 0)
    return undefined;
  const cause = "it has confirmed that nothing runs there that was replaced";
  return { lease: { ...lease, standing: "held", cause, sinceMs: nowMs }, what: "back" };
}

/**
 * May this start of the process speak for the runner? Two with one name would each end what the other runs, so a
 * second one has to be the successor of the first, and the engine is who knows. @returns a refusal as a sentence
 */
export function claimLease(
  lease: Lease,
  claim: { readonly boot: string; readonly sighting: () => Sighting },
): LeaseStep | string | undefined {
  const { boot } = claim;
  if (boot === lease.boot) return undefined;
  if (lease.boot !== null) {
    const seen = claim.sighting();
    const proved = seen.state === "gone" || (seen.state === "alive" && seen.boot === boot);
    if (!proved)
      return seen.state === "alive"
        ? `its process ${lease.boot} lives`
        : `nobody knows whether its process ${lease.boot} has ended: ${seen.why}`;
  }
  // Lost or not stays as it is: a successor has to confirm, too.
  const cause = lease.standing === "held" ? `it speaks as ${boot}` : lease.cause;
  return { lease: { ...lease, boot, cause }, what: "speaks" };
}

/** Why nothing is granted on its slots; undefined where it is. */
export function whyWithheld(runner: string, lease: Lease): string | undefined {
  switch (lease.standing) {
    case "held":
      return undefined;
    case "silent":
      return `its runner ${runner} is silent: ${lease.cause}`;
    case "lost":
      return `its runner ${runner} is lost and has not confirmed that nothing of it runs any more: ${lease.cause}`;
  }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
