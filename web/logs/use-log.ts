/** The model of a log in React: made anew for another subject or filter, fed by the live stream while it is looked at. */
import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { LogEntry } from "../../src/protocol/api.ts";
import { client, clock, isAway } from "../live/client.ts";
import { Feed } from "../live/connection.ts";
import { NEWS_MS } from "../live/news.ts";
import { type LogFilter, LogModel, type LogSubject } from "./log-model.ts";
import { sourceOf } from "./log-source.ts";

const NOT_YET_MS = 200;

interface Log {
  readonly model: LogModel;
  readonly subscribe: (changed: () => void) => () => void;
  readonly version: () => number;
}

/** @returns the model, which is the same object while its content changes; and a number that grows with each change */
export function useLog(
  subject: LogSubject,
  filter: LogFilter,
  fromEnd: boolean,
): readonly [LogModel, number] {
  const key = JSON.stringify([subject, filter]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is subject and filter
  const log = useMemo(() => makeLog(subject, filter, fromEnd), [key, fromEnd]);
  const version = useSyncExternalStore(log.subscribe, log.version);
  useEffect(() => void log.model.start(), [log]);
  const { failure } = log.model;
  useEffect(
    () => (isAway(failure) ? clock.after(NEWS_MS, () => void log.model.again()) : undefined),
    [log, failure],
  );
  return [log.model, version];
}

function makeLog(subject: LogSubject, filter: LogFilter, fromEnd: boolean): Log {
  const watchers = new Set<() => void>();
  let version = 0;
  const changed = (): void => {
    version++;
    for (const watcher of watchers) watcher();
  };
  const model = new LogModel({ source: sourceOf(subject), filter, fromEnd, changed });
  const feed = new Feed<LogEntry[]>({
    open: async function* (how) {
      let query = model.next();
      while (query === undefined && !how.signal.aborted) {
        await new Promise<void>((resolve) => clock.after(NOT_YET_MS, resolve));
        query = model.next();
      }
      if (!how.signal.aborted) yield* client.logStream(subject, query, how);
    },
    onItem: (entries) => {
      model.append(entries);
      return false;
    },
    onFailure: () => {},
  });
  return {
    model,
    subscribe: (watcher) => {
      watchers.add(watcher);
      const close = feed.subscribe(() => {});
      return () => {
        watchers.delete(watcher);
        close();
      };
    },
    version: () => version,
  };
}
