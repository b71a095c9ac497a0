/**
 * Brings the live view to where it is read: redrawn in place on a terminal, an occasional line in a pipe,
 * one JSON object an event with --json. It draws at most a few times a second however fast events come,
 * and never more lines than the terminal has.
 */
import type { Clock } from "../base/clock.ts";
import type { Experiment, StreamEvent } from "../protocol/api.ts";
import type { Client } from "../sdk/client.ts";
import type { Sink } from "./cli.ts";
import { inertJson } from "./inert.ts";
import type { Paint } from "./paint.ts";
import { NOTHING_YET, type WatchState, watchLines, watchStep, watchSummary } from "./watch-view.ts";

export interface WatchOptions {
  readonly client: Client;
  readonly experiment: number;
  readonly clock: Clock;
  readonly sink: Sink;
  readonly paint: Paint;
  /** live: by the sink; lines: plain lines even on a terminal; json: one object an event; none: nothing. */
  readonly mode: "live" | "json" | "none";
  readonly signal?: AbortSignal | undefined;
}

const DRAW_MS = 250;
/** The time and the estimate move even when nothing else does. */
const CLOCK_MS = 1_000;
const LINE_MS = 5_000;
/** How long after a cut the time left is not guessed: what happened meanwhile arrives in one leap. */
const PACE_UNKNOWN_MS = 30_000;

/** @returns the experiment when it is over; null when the signal came first */
export async function watchExperiment(options: WatchOptions): Promise<Experiment | null> {
  const { client, experiment, signal } = options;
  const view = viewFor(options);
  let state = NOTHING_YET;
  try {
    const events = client.experimentStream(experiment, {
      signal,
      onCut: (waitMs) =>
        view.trouble(`the server is away; next try in ${(waitMs / 1000).toFixed(1)} s`),
    });
    for await (const event of events) {
      state = watchStep(state, event);
      view.event(event, state);
      if (state.over) break;
    }
  } finally {
    view.close(state);
  }
  return state.over ? state.experiment : null;
}

interface View {
  event(event: StreamEvent, state: WatchState): void;
  trouble(text: string): void;
  close(state: WatchState): void;
}

function viewFor(options: WatchOptions): View {
  if (options.mode === "none") return { event() {}, trouble() {}, close() {} };
  if (options.mode === "json")
    return {
      event: (event) => options.sink.write(`${inertJson(event)}\n`),
      trouble() {},
      close() {},
    };
  return options.sink.isTTY && options.sink.dumb !== true
    ? terminalView(options)
    : lineView(options);
}

function lineView({ sink, clock }: WatchOptions): View {
  let saidMs = Number.NEGATIVE_INFINITY;
  let said = "";
  let cutMs = Number.NEGATIVE_INFINITY;
  const summary = (state: WatchState): string =>
    watchSummary(state, clock.nowMs(), clock.monotonicMs() - cutMs > PACE_UNKNOWN_MS);
  const say = (text: string, always: boolean): void => {
    const nowMs = clock.monotonicMs();
    if (text === said || (!always && nowMs - saidMs < LINE_MS)) return;
    said = text;
    saidMs = nowMs;
    sink.write(`${text}\n`);
  };
  return {
    event(event, state) {
      // The first words wait until the trials are known, or they would say nothing.
      if (state.experiment !== null && event.event !== "experiment" && event.event !== "end")
        say(summary(state), false);
    },
    trouble(text) {
      cutMs = clock.monotonicMs();
      say(text, false);
    },
    close(state) {
      if (state.over) say(summary(state), true);
    },
  };
}

function terminalView({ sink, clock, paint, client }: WatchOptions): View {
  let state: WatchState = NOTHING_YET;
  let slots: number | null = null;
  let trouble: string | undefined;
  let cutMs = Number.NEGATIVE_INFINITY;
  let drawnLines = 0;
  let drawnMs = Number.NEGATIVE_INFINITY;
  let cancel: () => void = () => {};
  let closed = false;
  void client.server().then(
    (info) => {
      slots = info.slots;
    },
    () => {},
  );
  const draw = (): void => {
    const { columns, rows } = sink;
    const lines = watchLines(state, {
      width: columns - 1,
      height: Math.max(6, rows - 1),
      nowMs: clock.nowMs(),
      paint,
      slots,
      trouble,
      paceKnown: clock.monotonicMs() - cutMs > PACE_UNKNOWN_MS,
    });
    const up = drawnLines === 0 ? "" : `\x1b[${Math.min(drawnLines, rows - 1)}A\r`;
    sink.write(`${up}${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    drawnLines = lines.length;
    drawnMs = clock.monotonicMs();
    schedule(CLOCK_MS);
  };
  const schedule = (delayMs: number): void => {
    cancel();
    if (!closed) cancel = clock.after(delayMs, draw);
  };
  return {
    event(_, next) {
      state = next;
      trouble = undefined;
      schedule(Math.max(0, drawnMs + DRAW_MS - clock.monotonicMs()));
    },
    trouble(text) {
      trouble = text;
      cutMs = clock.monotonicMs();
      schedule(0);
    },
    close(last) {
      closed = true;
      cancel();
      state = last;
      if (state.experiment !== null) draw();
      cancel();
    },
  };
}
