/** Every code that a reason can have, and what it says; docs/audit.md shows this very list. */
export const WHY_CODES = {
  // Waiting
  waits_for_slots: "its slots are not free; `figures` has how many, and who holds them",
  waits_for_more_slots: "it needs more slots than there are at all; others pass it",
  waits_for_pool: "its pool is not one of this server's any more",
  waits_behind: "something ahead in the queue needs more slots and keeps those that are free",
  waits_for_max_slots: "its experiment holds as many slots as `resources.max_slots` allows",
  waits_for_retry: "it failed, and the wait before the next attempt is not over",
  waits_at_rung: "the search paused it until more results are there to compare with",
  waits_in_order: "its result is in; in this deterministic search others count first",
  rested: "it gave its slots to others while its result waited",
  waits_in_engine:
    "it has slots, and its job waits in the queue of the pool's engine, in the engine's words; or its pool is not there any more",
  about_to_start: "it wants slots, and nothing stands in the way any more",
  server_stopping: "nothing starts while the server is stopping",
  // Pauses
  pausing: "told to save and go; its processes are still there",
  paused_by_user: "a person paused it",
  paused_idle: "a shell or notebook that nobody used for as long as its `task.idle_timeout` allows",
  paused: "an earlier pause of the experiment",
  paused_by_server: "told to save and go because the server stopped",
  experiment_paused: "its experiment is paused, or was at that time",
  never_activated: "submitted paused, and nobody has activated it",
  activated_by_user: "a person activated it after a pause",
  activated: "the experiment was activated",
  // Placement and progress
  created: "the search made the trial, or a person submitted the experiment",
  copied:
    "the experiment was made from another run: a fork, a replay, a copy or an import, and what differs",
  judged: "it was run again from its record, and whether the same parameters came out",
  created_as_replacement: "made in place of a trial whose hyperparameters were impossible",
  placed: "the scheduler gave it slots: which, why these, after what wait, from which step on",
  promoted: "among the best of its rung, so it goes on: rank, threshold, competitors",
  ran_in_image: "the image that its latest run was in, and what that name stood for",
  ran_on_nodes: "the nodes that its latest run of several was on",
  retried: "it failed and was started again, from which checkpoint, at which attempt",
  node_lost: "its runner was lost; it goes on and is charged nothing",
  runner_silent: "its runner is not heard; its training is presumed to go on, and nothing ends",
  late_exit: "how the processes of an allocation ended that had been given up before",
  left_out: "the middle of a long history is left out",
  // Ends of trials
  stopping: "told to end; its processes are still there, or the experiment is being brought down",
  killing: "told to end at once; its processes are still there",
  reached_end: "trained as far as the search trains anything",
  finished_by_itself: "its program ended by itself with exit code 0",
  stopped_below_threshold: "judged at a rung and not good enough: rank, threshold, competitors",
  stopped_rung_closed: "not among the best of a rung that nobody else will reach",
  stopped_straggler: "far slower than the others on the way to its rung",
  stopped_by_search: "stopped by the search for another reason, which the text gives",
  killed: "a person killed it, or its experiment",
  canceled: "a person canceled it, or its experiment",
  experiment_ended:
    "Contrail stopped it because its experiment ended: why that was, and how its processes ended",
  budget_reached: "the budget is used up",
  failed_user_error: "its program failed: exit code or signal as the kernel gave it",
  failed_out_of_memory: "it ran out of memory, and what says so",
  failed_no_progress: "it neither reported nor saved within `progress_deadline`",
  failed_launch_failed: "its program could not be started",
  objective_missing: "it did not report the metric that the search judges by",
  invalid_hyperparameters: "its program declared the hyperparameters impossible",
  // Experiments and searchers
  active: "the experiment is active, and since when and by whom",
  trials: "how many of its trials are in which state",
  trial_failed: "one of its trials that failed",
  best: "its best trial",
  search_completed: "all trials are over, and some ended well",
  search_error: "all trials are over, and all failed",
  search_canceled: "all trials are over, and none was let to its end",
  searcher_named: "the configuration says which searcher",
  searcher_chosen: "the configuration names none; which was chosen, and by what rule",
  search_plan: "what the search may do at most",
  // Slots and allocations
  held: "an allocation holds the slot, and why it was granted",
  held_until_processes_end:
    "its allocation was told to go; the slot is free when the processes are gone",
  free_nothing_waits: "no trial wants it",
  free_nothing_fits: "trials wait, but none of them can use it now",
  free_server_stopping: "the server is stopping and grants nothing",
  withheld_silent: "its runner is not heard, so nothing new is granted on it",
  withheld_lost:
    "its runner is lost: processes may still use the device, so nobody gets it before the runner has confirmed that none does",
  starting: "the allocation's processes are being started",
  running: "the allocation's processes run",
  leaving: "the allocation was told to go; its processes are still there",
  ended_finished: "its program ended by itself",
  ended_paused: "it saved and went as asked, and who asked",
  ended_stopped: "it stopped as asked",
  ended_killed: "it was killed as ordered: signals sent, signal that it died of",
  ended_user_error: "its program failed",
  ended_out_of_memory: "it ran out of memory",
  ended_no_progress: "it neither reported nor saved within `progress_deadline`",
  ended_node_lost: "its runner was lost",
  ended_launch_failed: "its program could not be started",
  ended_invalid_hyperparameters: "its program declared the hyperparameters impossible",
  // What no rule above knows
  as_stored: "the state and its reason as they are stored",
} as const satisfies Readonly<Record<string, string>>;

export type WhyCode = keyof typeof WHY_CODES;

/** A code that is put together from a word of another closed list. */
export const codeOf = (prefix: string, word: string | null): WhyCode => {
  const code = `${prefix}_${word}`;
  return Object.hasOwn(WHY_CODES, code) ? (code as WhyCode) : "as_stored";
};

/** The table of docs/audit.md. */
export function whyCodeTable(): string {
  const rows = Object.entries(WHY_CODES).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  return ["| code | |", "| --- | --- |", ...rows, ""].join("\n");
}
