/**
 * Says on stderr that something takes a while: a spinner with the latest detail on a terminal, a plain
 * line every few seconds elsewhere, and nothing at all for what is over at once.
 */
import type { Clock } from "../base/clock.ts";
import { cut, inert } from "./inert.ts";

export interface ProgressSink {
  write(text: string): void;
  readonly isTTY: boolean;
  readonly dumb?: boolean;
  readonly columns: number;
}

export interface Progress {
  /** Replaces what is said beside the label. */
  detail(text: string): void;
  /** Takes the spinner away; call it in a finally. Idempotent. */
  stop(): void;
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 100;
const TTY_FIRST_MS = 150;
const LINE_FIRST_MS = 1_000;
const LINE_MS = 5_000;

export const SILENT: Progress = { detail() {}, stop() {} };

/** @param what can hold text of others, as its details can */
export function startProgress(what: string, sink: ProgressSink, clock: Clock): Progress {
  const label = inert(what);
  const beganMs = clock.monotonicMs();
  let detail = "";
  let frame = 0;
  let drawn = false;
  let said = "";
  let cancel: () => void = () => {};
  const seconds = (): number => (clock.monotonicMs() - beganMs) / 1000;
  const text = (): string => `${label}${detail === "" ? "" : ` · ${detail}`}`;
  const draw = (): void => {
    const since = seconds();
    const clockText = since >= 1 ? ` (${since.toFixed(0)} s)` : "";
    const line = cut(`${FRAMES[frame++ % FRAMES.length]} ${text()}${clockText}`, sink.columns - 1);
    sink.write(`\r\x1b[2K${line}`);
    drawn = true;
    cancel = clock.after(FRAME_MS, draw);
  };
  const say = (): void => {
    if (text() !== said) {
      said = text();
      sink.write(`${said} (${seconds().toFixed(0)} s)\n`);
    }
    cancel = clock.after(LINE_MS, say);
  };
  cancel =
    sink.isTTY && sink.dumb !== true
      ? clock.after(TTY_FIRST_MS, draw)
      : clock.after(LINE_FIRST_MS, say);
  return {
    detail(latest) {
      detail = inert(latest);
    },
    stop() {
      cancel();
      if (drawn) sink.write("\r\x1b[2K");
      drawn = false;
    },
  };
}
