/** Text that people and programs wrote, made harmless: see src/cli/inert.ts. Nothing from outside is shown otherwise. */
import { useSyncExternalStore } from "react";
import { ago, moment } from "../../src/cli/figures.ts";
import { inert } from "../../src/cli/inert.ts";

/** One line: control characters and overrides of direction as escapes, and no influence on what stands beside it. */
export function Inert({ children }: { readonly children: string }) {
  return <bdi>{inert(children)}</bdi>;
}

let nowMs = Date.now();
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function watchClock(changed: () => void): () => void {
  watchers.add(changed);
  timer ??= setInterval(() => {
    nowMs = Date.now();
    for (const watcher of watchers) watcher();
  }, 1_000);
  return () => {
    watchers.delete(changed);
    if (watchers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The time, once a second; one timer for the whole page. */
export const useNowMs = (): number => useSyncExternalStore(watchClock, () => nowMs);

/** How long ago; the exact time on hover. */
export function Ago({ time }: { readonly time: string | null }) {
  const now = useNowMs();
  if (time === null) return <span className="dim">–</span>;
  return (
    <time dateTime={time} title={moment(time)}>
      {ago(time, Math.max(now, Date.parse(time)))}
    </time>
  );
}
