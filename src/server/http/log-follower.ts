/**
 * A reader that follows logs: what there is, then what comes, until the subject is over and everything was sent.
 *
 * What is there already goes out as fast as the reader takes it. Behind that a round is made when lines were stored, at
 * most twenty a second: a program that prints all the time would otherwise cost the database a transaction for every
 * few lines and reader. Turns of the loop, of which a busy experiment has hundreds a second, wake nobody unless
 * they can be the end of the following, and whether they are is asked of memory first.
 */
import { readAllocation, readExperimentHead, readTrial } from "../../store/experiment-reads.ts";
import { type LogFilter, lastPlace, linesToCome, readLines } from "../../store/log-store.ts";
import { logView } from "../views.ts";
import type { RouteContext } from "./context.ts";
import type { EventStream } from "./event-stream.ts";
import { cursorOf, further, isFull, type LogSubject, placeOf } from "./log-place.ts";

const STREAM_LINES = 1000;
/** Of one event, so that a reader that does not read holds no more than this. */
const STREAM_BYTES = 256 * 1024;
/** Lines stored within this time go out together. */
const GATHER_MS = 50;
/** Lines of a trial that is over are waited for as long as this. */
const LATE_LINES_MS = 60_000;

type Context = Pick<RouteContext, "clock" | "readPool" | "subscribers"> & {
  readonly world: Pick<RouteContext["world"], "experiments">;
};

export interface Following {
  readonly subject: LogSubject;
  /** `after`: what its reader has seen last. */
  readonly filter: Omit<LogFilter, "limit" | "fromEnd">;
  /** Begins with the last so many lines; absent = with the first. */
  readonly tail: number | undefined;
  readonly stream: Pick<EventStream, "closed" | "send" | "wake" | "idle" | "pause" | "close">;
}

export async function followLogs(context: Context, following: Following): Promise<void> {
  const { subject, filter, stream } = following;
  const whose = { ...subject, run: filter.run };
  let { after } = filter;
  let { tail } = following;
  let stored = true;
  const stop = context.subscribers.watchLogs(subject.experiment, () => {
    stored = true;
    stream.wake();
  });
  const stopWatching = context.subscribers.watch(subject.experiment, {
    changed: (trials) => {
      const isOurs = subject.trial === undefined || trials.has(subject.trial);
      if (mayBeOver(context, whose, isOurs)) stream.wake();
    },
  });
  try {
    // Asked only where nothing was left to read, and then read once more: what is stored before the end is seen.
    let over = false;
    while (!stream.closed) {
      stored = false;
      const bounds = {
        limit: tail ?? STREAM_LINES,
        bytesMax: tail === undefined ? STREAM_BYTES : undefined,
      };
      const fromEnd = tail !== undefined;
      // Asked before the lines: all up to there are among those that are looked through.
      const end = isFiltered(filter) ? await lastPlace(context.readPool, whose) : undefined;
      const rows = await readLines(context.readPool, { ...filter, after, fromEnd, ...bounds });
      tail = undefined;
      const last = rows.at(-1);
      if (last) {
        after = placeOf(subject, cursorOf(subject, last));
        const entries = rows.map((row) => logView(subject.experiment, row, cursorOf(subject, row)));
        await stream.send("log", entries, entries.at(-1)?.cursor);
        // What did not fit into this event is in the next one.
        if (isFull(rows, bounds)) continue;
      }
      // What the filter passed over is not looked through again.
      after = further(after, end);
      if (over && !stored) {
        await stream.send("end", {});
        break;
      }
      over ||= mayBeOver(context, whose) && (await isComplete(context, whose));
      if (over) continue;
      await stream.pause(GATHER_MS);
      await stream.idle();
    }
  } finally {
    stop();
    stopWatching();
    stream.close();
  }
}

type Whose = Pick<LogFilter, "experiment" | "trial" | "run">;

/** Whether there may be lines that it passes over; of others the last that was sent is as far as was looked. */
const isFiltered = ({ experiment, trial, run, after, ...asked }: Following["filter"]): boolean =>
  Object.values(asked).some((value) => value !== undefined);

/** As memory has it; of what is not in memory the database has to be asked. @param changed whether the trial did */
function mayBeOver({ world }: Context, { experiment, trial, run }: Whose, changed = true): boolean {
  const live = world.experiments.get(experiment);
  if (!live) return true;
  if (trial === undefined || !changed) return false;
  const known = live.x.trials.get(trial);
  return known?.over !== null || (run !== undefined && known.allocation?.run !== run);
}

/** Over, and everything that it wrote has arrived (or its runner has had time enough to send it). */
async function isComplete({ readPool, clock }: Context, whose: Whose): Promise<boolean> {
  const { experiment, trial, run } = whose;
  const row =
    trial === undefined
      ? await readExperimentHead(readPool, experiment)
      : run === undefined
        ? await readTrial(readPool, experiment, trial)
        : ((await readAllocation(readPool, { experiment, trial, run })) ??
          // It never was: it cannot come any more when the trial is over.
          (await readTrial(readPool, experiment, trial)));
  if (!row?.ended_at) return false;
  if (clock.nowMs() - row.ended_at.getTime() > LATE_LINES_MS) return true;
  return (await linesToCome(readPool, whose)) === 0;
}
