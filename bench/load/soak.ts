/**
 * L7: half an hour of L2 and L3 at a tenth, with real programs, runner and server: a hundred reports and two
 * thousand lines a second. Does anything grow? Memory is looked at from outside and, after a full collection of
 * garbage, from inside; descriptors from outside, timers and other handles from inside.
 *
 * The collection is forced for the measure's sake. It hides nothing that a leak would be: what is leaked survives it.
 */
import { sleep } from "../../src/base/clock.ts";
import { readRunnerRecord, runnerFiles } from "../../src/engines/runner-record.ts";
import { figure, type Measure, until } from "../bench.ts";
import { type Figure, quantileOf, quartiles } from "../figure.ts";
import { createExperiment, realServer } from "../subjects.ts";
import { number } from "../table.ts";
import type { Inside } from "./probe.ts";
import { probeInto } from "./probe-reader.ts";
import { VALUES } from "./report-stream.ts";
import { endTraining, lagMs, madeBy, notesIn, pythonTrainer, storedBy } from "./training.ts";
import { slopeOf, type Vitals, watchVitals } from "./vitals.ts";

const TRIALS = 20;
const REPORTS_PER_TRIAL = 5;
const LINES_PER_TRIAL = 100;
const MINUTE_MS = 60_000;
const MB = 1024 * 1024;
const AIM_MB_AN_HOUR = 1;
const BLOCKS = 10;
/** What comes and goes by itself: a connection of the database's pool, a segment of a spool being replaced. */
const HANDLES_SLACK = 5;

export const soak: Measure = {
  name: "L7",
  title: "half an hour at a tenth of the load",
  async run(bench) {
    if (!bench.soak) {
      bench.say("left out: it takes half an hour, and is run with --soak");
      return [];
    }
    const minutes = bench.quick ? 4 : 30;
    const warmUpMs = (bench.quick ? 1 : 6) * MINUTE_MS;
    const probe = probeInto(bench, bench.quick ? 5_000 : 20_000);
    const notes = notesIn(bench, "soak-notes");
    const dataDir = bench.folder("soak");
    const subject = await realServer(bench, { slots: TRIALS, dataDir, probe });
    try {
      const experiment = await createExperiment(subject.client, {
        ...{ name: "soak", trials: TRIALS, steps: 1e9 },
        entrypoint: pythonTrainer(notes, {
          ...{ ratePerTrial: REPORTS_PER_TRIAL, linesPerTrial: LINES_PER_TRIAL },
        }),
      });
      await until(
        bench,
        "all trials report",
        async () => ((await lagMs(bench, subject, [experiment], TRIALS)) ?? 1e9) < 2_000,
        200,
      );
      const runnerPid = readRunnerRecord(runnerFiles(dataDir).record)?.pid ?? 0;
      const processes = [
        { name: "server", pid: subject.pid },
        { name: "runner", pid: runnerPid },
      ].map((process) => ({
        ...process,
        end: watchVitals(bench.clock, () => process.pid, 5_000),
      }));
      for (let minute = 1; minute <= minutes; minute++) {
        await sleep(bench.clock, MINUTE_MS);
        const heaps = processes.map(
          ({ name, pid }) => `${name} ${number((probe.of(pid).at(-1)?.heapBytes ?? 0) / MB)} MB`,
        );
        bench.say(`${minute} of ${minutes} minutes; heap ${heaps.join(", ")}`);
      }
      const watched = await Promise.all(
        processes.map(async ({ name, pid, end }) => ({
          name,
          vitals: await end(),
          inside: probe.of(pid),
        })),
      );
      await endTraining(bench, subject, notes, [experiment]);
      const lost = await lossOf(madeBy(notes), await storedBy(subject, [experiment]));
      return [lost, ...watched.flatMap((process) => ofProcess(process, { minutes, warmUpMs }))];
    } finally {
      await subject.stop();
    }
  },
};

async function lossOf(
  made: ReturnType<typeof madeBy>,
  stored: Awaited<ReturnType<typeof storedBy>>,
): Promise<Figure> {
  let reports = 0;
  let lines = 0;
  let wrong = TRIALS - made.size;
  for (const [trial, own] of made) {
    const there = stored.get(trial);
    reports += own.reports;
    lines += own.lines;
    wrong +=
      Math.abs(own.reports - (there?.steps ?? 0)) + Math.abs(own.lines - (there?.lines ?? 0));
    wrong += Math.abs(own.reports - (there?.reports ?? 0)) + (there?.outOfOrder ?? 0);
    wrong += Math.abs(own.reports * VALUES - (there?.values ?? 0));
  }
  return figure({
    measure: "L7",
    what: `lost, doubled or out of order, of ${number(reports)} reports and ${number(lines)} lines`,
    unit: "",
    value: quartiles([wrong]),
    aim: "0",
    met: wrong === 0,
  });
}

interface Watched {
  readonly name: string;
  readonly vitals: readonly Vitals[];
  readonly inside: readonly Inside[];
}

function ofProcess(
  { name, vitals, inside }: Watched,
  { minutes, warmUpMs }: { readonly minutes: number; readonly warmUpMs: number },
): Figure[] {
  const settled = vitals.filter(({ atMs }) => atMs >= warmUpMs);
  const firstMs = inside[0]?.nowMs ?? 0;
  const insideSettled = inside.filter(({ nowMs }) => nowMs - firstMs >= warmUpMs);
  const course = (of: "heapBytes" | "externalBytes") =>
    insideSettled.map((inside) => ({ atMs: inside.nowMs, value: inside[of] / MB }));
  const resident = settled.map(({ atMs, bytes }) => ({ atMs, value: bytes / MB }));
  return [
    ...slope(`heap of the ${name} after collection`, course("heapBytes"), {
      minutes,
      judged: true,
    }),
    ...slope(`buffers of the ${name} after collection`, course("externalBytes"), {
      ...{ minutes, judged: true },
    }),
    ...slope(`resident memory of the ${name}`, resident, { minutes, judged: false }),
    ...flat(
      `descriptors of the ${name}`,
      settled.map(({ descriptors }) => descriptors),
      "",
    ),
    ...flat(
      `handles of the ${name}: timers, sockets, all`,
      insideSettled.map(({ handles }) => Object.values(handles).reduce((a, b) => a + b, 0)),
      kinds(insideSettled.at(-1)),
    ),
  ];
}

/** What the interval allows to say: under the aim, over it, or neither. */
function slope(
  what: string,
  points: readonly { readonly atMs: number; readonly value: number }[],
  { minutes, judged }: { readonly minutes: number; readonly judged: boolean },
): Figure[] {
  const found = slopeOf(points, BLOCKS, judged ? "least" : "mean");
  if (found === undefined) return [];
  const { anHour, plusMinus } = found;
  const [low, high] = [anHour - plusMinus, anHour + plusMinus];
  const verdict = high < AIM_MB_AN_HOUR ? true : low > AIM_MB_AN_HOUR ? false : null;
  const values = points.map(({ value }) => value);
  return [
    figure({
      measure: "L7",
      what: `slope of ${what}`,
      unit: "MB/h",
      value: { low, median: anHour, high, count: points.length },
      aim: judged ? `< ${AIM_MB_AN_HOUR} MB/h` : "",
      met: judged ? verdict : null,
      note: `in brackets the 95 % interval of a line through ${judged ? "the least" : "the mean"} of each of ${BLOCKS} blocks of ${minutes} minutes less the warm-up; between ${number(quantileOf(values, 0))} and ${number(quantileOf(values, 1))} MB`,
    }),
  ];
}

/** The last quarter against the first. */
function flat(what: string, counts: readonly number[], note: string): Figure[] {
  if (counts.length < 4) return [];
  const quarter = Math.floor(counts.length / 4);
  const more = quantileOf(counts.slice(-quarter), 0.5) - quantileOf(counts.slice(0, quarter), 0.5);
  return [
    figure({
      measure: "L7",
      what: `${what}, last against first quarter`,
      unit: "more",
      value: quartiles([more]),
      aim: `<= ${HANDLES_SLACK} more`,
      met: more <= HANDLES_SLACK,
      note: `${number(quantileOf(counts, 0.5))} in the middle, at most ${number(quantileOf(counts, 1))}${note && `; at the end ${note}`}`,
    }),
  ];
}

const kinds = (inside: Inside | undefined): string =>
  Object.entries(inside?.handles ?? {})
    .map(([kind, count]) => `${count} ${kind}`)
    .join(", ");
