/** The model of a log in React: made anew for another trial or filter, fed by the live stream while it is looked at. */
import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { LogEntry } from "../../src/protocol/api.ts";
import { client, clock } from "../live/client.ts";
import { Feed } from "../live/connection.ts";
import { type LogFilter, LogModel } from "./log-model.ts";

const NOT_YET_MS = 200;

interface Log {
  readonly model: LogModel;
  readonly subscribe: (changed: () => void) => () => void;
  readonly version: () => number;
}

/** @returns the model, which is the same object while its content changes; and a number that grows with each change */
export function useLog(
  trial: string,
  filter: LogFilter,
  fromEnd: boolean,
): readonly [LogModel, number] {
  const key = JSON.stringify(filter);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is the filter
  const log = useMemo(() => makeLog(trial, filter, fromEnd), [trial, key, fromEnd]);
  const version = useSyncExternalStore(log.subscribe, log.version);
  useEffect(() => void log.model.start(), [log]);
  return [log.model, version];
}

function makeLog(trial: string, filter: LogFilter, fromEnd: boolean): Log {
  const watchers = new Set<() => void>();
  let version = 0;
  const changed = (): void => {
    version++;
    for (const watcher of watchers) watcher();
  };
  const source = {
    extent: () => client.logExtent(trial),
    page: (query: Parameters<typeof client.trialLogs>[1]) => client.trialLogs(trial, query),
  };
  const model = new LogModel({ source, filter, fromEnd, changed });
  const feed = new Feed<LogEntry[]>({
    open: async function* (how) {
      let query = model.next();
      while (query === undefined && !how.signal.aborted) {
        await new Promise<void>((resolve) => clock.after(NOT_YET_MS, resolve));
        query = model.next();
      }
      if (!how.signal.aborted) yield* client.logStream({ trial }, query, how);
    },
    onItem: (entries) => model.append(entries),
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
