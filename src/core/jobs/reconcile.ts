/**
 * Jobs of an engine with a scheduler of its own, beside the allocations that they are for: what has to be launched,
 * cancelled, or counted as ended. From one look at both, and a memory of the looks before.
 *
 * What was never asked for is launched before a look, and does not wait for one: a launch under an id that was there
 * starts nothing. Nor does a look at it count before a launch of it has returned: what is shown may be half made, or what
 * is left of a launch that the engine took back.
 *
 * A job's end is believed when looks have shown it for a while: what its runner said last may be under way, and tells more.
 * One that was launched and was never shown is waited for longer, since an engine may be slow to show what it took.
 * A job that the engine does not know any more is gone. Whoever leaves by itself is given time to; a job for which nothing
 * waits any more is cancelled after it.
 */

export interface WantedJob {
  /** The allocation's. */
  readonly id: string;
  /** It was told to pause, to stop or to end. */
  readonly leaves: boolean;
  /** Its program was started: whatever else happens to it, its runner tells. */
  readonly started: boolean;
}

/** How a job came to its end, as far as its engine knows. */
export type EngineCause =
  | "exited"
  | "cancelled"
  | "preempted"
  | "node_lost"
  | "time_limit"
  | "out_of_memory"
  | "never_started";

export type JobCause =
  | EngineCause
  /** The engine knows nothing of it any more. */
  | "forgotten"
  /** It was told to go before anything of it ran. */
  | "not_needed";

export type JobSighting =
  | { readonly state: "queued" | "running" | "ending" }
  | {
      readonly state: "ended";
      readonly end: { readonly cause: JobCause; readonly text: string };
    };

/** What is remembered of a job between looks. */
export interface JobMemory {
  readonly launched: boolean;
  /** The engine has shown it. */
  readonly shown: boolean;
  /** Since when every look has lacked it or shown its end, monotonic time; null = the last one did not. */
  readonly goneSinceMs: number | null;
  /** Since when nothing wants it, monotonic time; null = wanted. */
  readonly unwantedSinceMs: number | null;
}

export type JobAction =
  | { readonly type: "cancel"; readonly id: string }
  | {
      readonly type: "end";
      readonly id: string;
      readonly cause: JobCause;
      readonly text: string;
    };

export const GONE_MS = 1_500;
export const NEVER_SHOWN_MS = 15_000;
/** A runner whose allocation has ended leaves by itself. */
export const LEAVING_MS = 60_000;

export interface JobLook {
  readonly wanted: readonly WantedJob[];
  readonly seen: ReadonlyMap<string, JobSighting>;
  readonly memory: ReadonlyMap<string, JobMemory>;
  /** Monotonic. */
  readonly nowMs: number;
}

const NEW: JobMemory = {
  ...{ launched: false, shown: false, goneSinceMs: null, unwantedSinceMs: null },
};
/** What is remembered of one that was just launched. */
export const JOB_LAUNCHED: JobMemory = { ...NEW, launched: true };

/** The only place where a launch is decided. @returns ids, in the order of what is wanted */
export const jobsToLaunch = ({ wanted, memory }: Pick<JobLook, "wanted" | "memory">): string[] =>
  wanted
    .filter(({ id, leaves, started }) => !leaves && !started && !memory.get(id)?.launched)
    .map(({ id }) => id);

/** @returns what to do, and what to remember: of all that is wanted or seen, and of nothing else */
export function reconcileJobs(look: JobLook): {
  actions: JobAction[];
  memory: Map<string, JobMemory>;
} {
  const actions: JobAction[] = [];
  const memory = new Map<string, JobMemory>();
  for (const job of look.wanted) {
    const before = look.memory.get(job.id) ?? NEW;
    const seen = look.seen.get(job.id);
    const { action, after } = ofWanted(job, seen, {
      before: { ...before, unwantedSinceMs: null },
      nowMs: look.nowMs,
    });
    if (action) actions.push(action);
    memory.set(job.id, after);
  }
  for (const [id, seen] of look.seen) {
    if (memory.has(id) || seen.state === "ended") continue;
    const before = look.memory.get(id) ?? NEW;
    const sinceMs = before.unwantedSinceMs ?? look.nowMs;
    if (seen.state === "queued" || look.nowMs - sinceMs >= LEAVING_MS)
      actions.push({ type: "cancel", id });
    memory.set(id, { ...before, unwantedSinceMs: sinceMs });
  }
  return { actions, memory };
}

function ofWanted(
  job: WantedJob,
  seen: JobSighting | undefined,
  { before, nowMs }: { readonly before: JobMemory; readonly nowMs: number },
): { action?: JobAction; after: JobMemory } {
  const { id } = job;
  // Its launch failed, or it became wanted since: its turn comes before the next look.
  if (!before.launched && !job.started && !job.leaves) return { after: before };
  const here = { ...before, launched: true, shown: true, goneSinceMs: null };
  if (seen !== undefined && seen.state !== "ended") {
    const idle = seen.state === "queued" && job.leaves && !job.started;
    return { after: here, ...(idle ? { action: { type: "cancel", id } as const } : {}) };
  }
  if (seen === undefined && !before.launched && !job.started)
    return { after: before, action: notNeeded(id) };
  const goneSinceMs = before.goneSinceMs ?? nowMs;
  const shown = before.shown || seen !== undefined || job.started;
  const after = { ...before, launched: true, shown, goneSinceMs };
  if (nowMs - goneSinceMs < (shown ? GONE_MS : NEVER_SHOWN_MS)) return { after };
  if (job.leaves && !job.started) return { action: notNeeded(id), after };
  const { cause, text } = seen?.end ?? {
    cause: "forgotten" as const,
    text: "the engine knows nothing of its job any more",
  };
  return { action: { type: "end", id, cause, text }, after };
}

const notNeeded = (id: string): JobAction => ({
  ...{ type: "end", id, cause: "not_needed" },
  text: "its job was taken out of the engine's queue before anything of it ran",
});
