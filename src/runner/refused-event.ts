/**
 * What is told in place of an event that the server will never take, so that what stands behind it is heard: as much of it
 * as can decide something, and why the rest is missing.
 */
import type { RunnerEvent } from "../protocol/runner-wire.ts";
import type { Refusal } from "./uplink-stream.ts";

export interface RefusedEvent {
  /** Null where nothing could stand for it, and it is tried until it is taken. */
  readonly payload: Buffer | null;
  /** For the output of the trial; null where nobody there would miss it. */
  readonly note: string | null;
}

const WHY_CHARS_MAX = 2_000;
const SHORT_CHARS_MAX = 200;
const PROCESSES_MAX = 100;
const SIGNALS_MAX = 10;

/** A proxy that is being set up says no to anything for a while, and a checkpoint may be hours of work. */
const LASTING_MS = 20_000;
const DECIDES_NOTHING: ReadonlySet<RunnerEvent["type"]> = new Set(["record", "usage"]);

/**
 * @param payload the event as it lies in the spool
 * @param stillWaits whether the program is still there and waits at that step
 * @returns undefined where what it decides is worth to be tried for longer
 */
export function inPlaceOf(
  payload: Buffer,
  { message, forMs }: Refusal,
  stillWaits: (step: number) => boolean,
): RefusedEvent | undefined {
  const event = JSON.parse(payload.toString("utf8")) as RunnerEvent;
  if (!DECIDES_NOTHING.has(event.type) && forMs < LASTING_MS) return undefined;
  const why = `the server refused it: ${message}`.slice(0, WHY_CHARS_MAX);
  const { type, seq, atMs } = event;
  const instead = (fields: object, note: string | null): RefusedEvent => ({
    payload: Buffer.from(JSON.stringify({ type, seq, atMs, ...fields })),
    note,
  });
  // Decides nothing, and is shown with the record of the run.
  const gap = (what: string, note: string | null, source = "runner"): RefusedEvent =>
    instead({ type: "record", source, own: { missing: [{ what, why }] } }, note);
  switch (type) {
    case "record":
      return gap(`record.${event.source}`, null, event.source);
    case "report": {
      const { step } = event;
      const refused = { "*": `all metrics of this report: ${message.slice(0, SHORT_CHARS_MAX)}` };
      const note = `the report at step ${step} was refused by the server: ${message}`;
      return instead({ step, metrics: {}, refused }, note);
    }
    case "checkpoint": {
      const note = `the checkpoint at step ${event.step} is lost, the server refused it: ${message}`;
      return gap(`checkpoint.${event.step}`, note);
    }
    case "waiting": {
      // Whatever stood there instead, it would wait for ever.
      if (stillWaits(event.step)) {
        const note = `that the program waits at step ${event.step} is refused by the server, and told again until it is heard: ${message}`;
        return { payload: null, note };
      }
      const note = `that the program waits at step ${event.step} was refused by the server, so nothing may come of it: ${message}`;
      return gap(`waiting.${event.step}`, note);
    }
    case "started":
      return instead({ pid: 0 }, null);
    case "invalid_hyperparameters":
      return instead({ reason: why }, `${type}: ${why}`);
    case "usage":
      return gap(type, null);
    case "exited": {
      // How it ended decides whether the trial is done, goes on or has failed; the first is the one that failed.
      const { kind, processes, outOfMemory, yielded, broken, silentMs, logLines } = event;
      const short = outOfMemory?.slice(0, SHORT_CHARS_MAX) ?? null;
      const signalsSent = [...new Set(event.signalsSent)].slice(0, SIGNALS_MAX);
      return instead(
        {
          ...{ kind, processes: processes.slice(0, PROCESSES_MAX), outOfMemory: short },
          ...{ signalsSent, yielded, broken, silentMs, logLines, detail: why },
        },
        null,
      );
    }
  }
}
