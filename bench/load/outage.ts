/**
 * The server away for ten minutes, while a hundred trials report a thousand times a second. Real programs with the
 * real SDKs, the real runner and its spool on disk; the server is killed, not stopped. Afterwards everything is
 * counted in the database: each report once. And training must not feel it: the time of a step, its report included,
 * with the server there against the server away, in pairs of neighbouring windows.
 */
import { sleep } from "../../src/base/clock.ts";
import { startServer } from "../../src/cli/server-process.ts";
import { figure, type Measure, until } from "../bench.ts";
import { type Figure, quantileOf, quartiles } from "../figure.ts";
import { clientOf, createExperiment, realServer, type Subject } from "../subjects.ts";
import { number } from "../table.ts";
import { VALUES } from "./report-stream.ts";
import {
  endTraining,
  lagMs,
  madeBy,
  notesIn,
  pythonTrainer,
  type StepTime,
  spoolBytes,
  stepTimes,
  storedBy,
  typescriptTrainer,
} from "./training.ts";

const TRIALS = 100;
const RATE = 10;
const GAUGES = 3;
/** A step of about five milliseconds. */
const PYTHON_ROUNDS = 60_000;
const TYPESCRIPT_ROUNDS = 400_000;
const MB = 1024 * 1024;
/** A busy machine is a second or two late also without any outage. */
const CAUGHT_UP_LAG_MS = 5_000;
const CAUGHT_UP_LIMIT_MS = 1_800_000;
/** After the kill or the start: what it costs itself is no part of the window. */
const SETTLE_MS = 2_000;

interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

interface WindowPair {
  readonly there: Window;
  readonly away: Window;
}

export const outage: Measure = {
  name: "outage",
  title: "ten minutes without a server",
  async run(bench) {
    const awayMs = bench.quick ? 60_000 : 600_000;
    const pairsWanted = bench.quick ? 3 : 9;
    const windowMs = bench.quick ? 6_000 : 10_000;
    const notes = notesIn(bench, "outage-notes");
    const dataDir = bench.folder("outage");
    let subject: Subject = await realServer(bench, { slots: TRIALS, dataDir });
    try {
      const experiments = [
        await createExperiment(subject.client, {
          ...{ name: "outage", trials: TRIALS - 1, steps: 1e9 },
          entrypoint: pythonTrainer(notes, {
            ...{ ratePerTrial: RATE, rounds: PYTHON_ROUNDS, gauges: GAUGES },
          }),
        }),
        await createExperiment(subject.client, {
          ...{ name: "outage-ts", trials: 1, steps: 1e9 },
          entrypoint: typescriptTrainer(notes, RATE, TYPESCRIPT_ROUNDS),
        }),
      ];
      const caughtUp = async (): Promise<boolean> =>
        ((await lagMs(bench, subject, experiments, TRIALS)) ?? Number.POSITIVE_INFINITY) <
        CAUGHT_UP_LAG_MS;
      await until(bench, "all trials report", caughtUp, 200);
      bench.say(`${TRIALS} programs report ${TRIALS * RATE} times a second`);

      const kill = async (): Promise<void> => {
        process.kill(subject.pid, "SIGKILL");
        await sleep(bench.clock, SETTLE_MS);
      };
      /** @returns how long it took until nothing was late any more */
      const comeBack = async (): Promise<number> => {
        const startMs = bench.clock.monotonicMs();
        const server = await startServer({ dataDir, slots: TRIALS, port: 0 }, bench.world);
        const client = clientOf(bench, server.url, subject.token);
        subject = { ...subject, url: server.url, pid: server.pid, client };
        await until(bench, "the server has caught up", caughtUp, 200, CAUGHT_UP_LIMIT_MS);
        return bench.clock.monotonicMs() - startMs;
      };
      const window = async (): Promise<Window> => {
        const fromMs = bench.clock.nowMs();
        await sleep(bench.clock, windowMs);
        return { fromMs, toMs: bench.clock.nowMs() };
      };

      const pairs: WindowPair[] = [];
      for (let pair = 0; pair < pairsWanted; pair++) {
        // Each absence lies between two presences; the one before and the one after take turns as its partner.
        const before = pair % 2 === 0 ? await window() : undefined;
        await kill();
        const away = await window();
        await comeBack();
        await sleep(bench.clock, SETTLE_MS);
        pairs.push({ there: before ?? (await window()), away });
        bench.say(`away and back ${pair + 1} of ${pairsWanted}`);
      }

      await kill();
      const long: Window = { fromMs: bench.clock.nowMs(), toMs: bench.clock.nowMs() + awayMs };
      for (let left = awayMs; left > 0; left -= 15_000) {
        bench.say(
          `no server for another ${number(left / 1000)} s; ${number(spoolBytes(dataDir, "events") / MB)} MB of events in the spool`,
        );
        await sleep(bench.clock, Math.min(left, 15_000));
      }
      const spooled = spoolBytes(dataDir, "events");
      const backMs = await comeBack();
      await endTraining(bench, subject, notes, experiments);
      const made = madeBy(notes);
      const stored = await storedBy(subject, experiments);
      const [python = 0, typescript = 0] = experiments;
      return [
        arrived({ made, stored, spooled, awayMs, backMs }),
        felt("Python", gaugesOf(python, GAUGES), pairs, long),
        felt("TypeScript", gaugesOf(typescript, 1), pairs, long),
      ];

      function gaugesOf(experiment: number, count: number): StepTime[][] {
        return Array.from({ length: count }, (_, index) =>
          stepTimes(notes, `${experiment}.${index + 1}`),
        );
      }
    } finally {
      await subject.stop();
    }
  },
};

function arrived(seen: {
  readonly made: ReturnType<typeof madeBy>;
  readonly stored: Awaited<ReturnType<typeof storedBy>>;
  readonly spooled: number;
  readonly awayMs: number;
  readonly backMs: number;
}): Figure {
  const { made, stored, spooled, awayMs, backMs } = seen;
  let sent = 0;
  let wrong = 0;
  for (const [trial, { reports }] of made) {
    const there = stored.get(trial);
    sent += reports;
    wrong += Math.abs(reports - (there?.steps ?? 0));
    wrong += (there?.reports ?? 0) - (there?.steps ?? 0);
    wrong += Math.abs(reports * VALUES - (there?.values ?? 0)) / VALUES;
  }
  const silent = TRIALS - made.size;
  return figure({
    measure: "outage",
    what: `lost or stored twice, of ${number(sent)} reports, server away for ${number(awayMs / 1000)} s`,
    unit: "",
    value: quartiles([wrong + silent]),
    aim: "0",
    met: wrong === 0 && silent === 0,
    note: `${TRIALS} programs, ${number(spooled / MB)} MB in the spool when the server came back; nothing was later than ${CAUGHT_UP_LAG_MS / 1000} s any more after ${number(backMs / 1000)} s, its start included${silent > 0 ? `; ${silent} programs did not say what they made` : ""}`,
  });
}

function felt(
  language: string,
  gauges: readonly StepTime[][],
  pairs: readonly WindowPair[],
  long: Window,
): Figure {
  const median = (steps: readonly StepTime[], { fromMs, toMs }: Window, of: "wallMs" | "cpuMs") =>
    quantileOf(
      steps.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).map((step) => step[of]),
      0.5,
    );
  const each = (of: "wallMs" | "cpuMs") =>
    gauges.flatMap((steps) =>
      pairs.map(({ there, away }) => ({
        there: median(steps, there, of),
        away: median(steps, away, of),
      })),
    );
  const wall = each("wallMs");
  const ratio = quartiles(wall.map(({ there, away }) => away / there));
  const cpu = quartiles(each("cpuMs").map(({ there, away }) => away / there));
  const there = quartiles(wall.map((pair) => pair.there));
  const longMs = quantileOf(
    gauges.map((steps) => median(steps, long, "wallMs")),
    0.5,
  );
  return figure({
    measure: "outage",
    what: `time of a training step with the server away, ${language}`,
    unit: "ms",
    value: quartiles(wall.map(({ away }) => away)),
    floor: there,
    floorWhat: "the same with the server there",
    ratio,
    aim: "<= 1.01 x",
    met: ratio.median <= 1.01,
    cpu: `of the training thread or process: ${number(cpu.median)} x [${number(cpu.low)}, ${number(cpu.high)}]`,
    note: `report() included; median of each of ${pairs.length} pairs of windows in ${gauges.length} of the programs; over the whole of the long outage ${number(longMs)} ms`,
  });
}
