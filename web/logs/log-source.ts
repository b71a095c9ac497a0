/**
 * Whose output is looked at: one trial's, or that of all trials of an experiment together. What differs is how a line is
 * addressed: in a trial by its run and its number there, in an experiment by its position, in the order in which the lines
 * came. Positions go up by one from 1, so an experiment reads like a trial with a single run.
 */
import { client } from "../live/client.ts";
import type { LogSource, LogSubject } from "./log-model.ts";

export function sourceOf(subject: LogSubject): LogSource {
  if ("trial" in subject)
    return {
      extent: () => client.logExtent(subject.trial),
      page: (query) => client.trialLogs(subject.trial, query),
      placeOf: ({ run, line }) => ({ run, line }),
      from: ({ run, line }) => ({ from: `${run}.${line}` }),
    };
  return {
    extent: async () => {
      const [last] = (await client.experimentLogs(subject.experiment, { tail: 1 })).items;
      if (!last) return { runs: [] };
      const { at, cursor } = last;
      return { runs: [{ run: 1, lines: Number(cursor), first_at: at, last_at: at }] };
    },
    page: (query) => client.experimentLogs(subject.experiment, query),
    placeOf: ({ cursor }) => ({ run: 1, line: Number(cursor) }),
    from: ({ line }) => (line > 1 ? { cursor: String(line - 1) } : {}),
  };
}
