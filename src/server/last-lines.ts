/**
 * What a trial that failed wrote last. Of several ranks the one that ended the others comes first, with what it wrote
 * last itself: behind it stand the errors of those that lost it, which are many and say nothing of the cause.
 */
import type pg from "pg";
import { type LogRow, readLines } from "../store/log-store.ts";
import type { AllocationRow, TrialRow } from "../store/schema.ts";
import { logView } from "./views.ts";

const LAST_LINES = 20;

type Trial = Pick<TrialRow, "experiment_id" | "number" | "state" | "restarts">;
type Run = Pick<AllocationRow, "exit_detail" | "ended_at">;

/** @param runs of the trial, oldest first */
export async function lastLines(
  pool: pg.Pool,
  trial: Trial,
  runs: readonly Run[],
): Promise<string[]> {
  if (trial.state !== "error" && trial.restarts === 0) return [];
  const read = (more: { rank?: number; until?: Date }) =>
    readLines(pool, {
      ...{ experiment: trial.experiment_id, trial: trial.number },
      ...{ fromEnd: true, limit: LAST_LINES, ...more },
    });
  const text = (line: LogRow): string => logView(trial.experiment_id, line).text;
  const broken = runs.map(brokenRun).findLast((run) => run !== undefined);
  if (broken === undefined) return (await read({})).map(text);
  // What a later run has written is not what this one ended with.
  const until = broken.endedAt === null ? {} : { until: broken.endedAt };
  const [own, all] = await Promise.all([read({ rank: broken.rank, ...until }), read(until)]);
  const others = all.filter(({ rank }) => rank !== broken.rank);
  return [...own, ...others].slice(0, LAST_LINES).map((line) => `rank ${line.rank}: ${text(line)}`);
}

/** Which of several ranks ended this run, if one did. */
function brokenRun(run: Run): { rank: number; endedAt: Date | null } | undefined {
  const { exits = [] } = (run.exit_detail ?? {}) as {
    exits?: readonly { readonly code: number | null; readonly rank?: number }[];
  };
  const rank = exits.find(({ code }) => code !== 0)?.rank;
  return exits.length < 2 || rank === undefined ? undefined : { rank, endedAt: run.ended_at };
}
