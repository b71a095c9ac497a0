/**
 * L3: a hundred programs print twenty thousand lines a second in all. Every line carries its number and its time: so
 * a follower on the live stream knows how late it is and whether one is missing or out of order, and the database
 * is counted afterwards. Then beyond what can be stored: all as fast as they can, and one alone until the spool's
 * bound holds it back. There the programs wait; lines are never dropped.
 */
import { sleep } from "../../src/base/clock.ts";
import type { LogEntry } from "../../src/protocol/api.ts";
import { parseEvents } from "../../src/sdk/sse.ts";
import { type Bench, figure, type Measure, until } from "../bench.ts";
import { withDatabase } from "../database.ts";
import { type Figure, quartiles, tail } from "../figure.ts";
import { cpuMsOf } from "../processes.ts";
import { createExperiment, program, realServer, type Subject } from "../subjects.ts";
import { number } from "../table.ts";
import { Wire } from "../wire.ts";
import { spoolBytes } from "./training.ts";

const STREAMS = 100;
const LINES_A_SECOND = 20_000;
const MB = 1024 * 1024;
/** What a runner lets an allocation leave on its disk. */
const SPOOL_MAX_BYTES = 64 * MB;
/** Segments are dropped whole, and what has been read from the pipes already is taken. */
const SPOOL_SLACK_BYTES = 16 * MB;
const STORED_LIMIT_MS = 900_000;

export const logStreams: Measure = {
  name: "L3",
  title: "a hundred streams of lines",
  async run(bench) {
    const subject = await realServer(bench, { slots: STREAMS, dataDir: bench.folder("l3") });
    try {
      const paced = await atPace(bench, subject, bench.quick ? 15 : 60);
      const all = await beyond(bench, subject, {
        ...{ streams: STREAMS, each: bench.quick ? 3_000 : 20_000 },
      });
      const one = await beyond(bench, subject, {
        ...{ streams: 1, each: bench.quick ? 900_000 : 2_000_000 },
      });
      return [...paced, all, one];
    } finally {
      await subject.stop();
    }
  },
};

const talker = (rate: number, count: number): string[] => [
  ...["python3", program("talker.py"), String(rate), String(count)],
];

async function atPace(bench: Bench, subject: Subject, seconds: number): Promise<Figure[]> {
  const each = (LINES_A_SECOND / STREAMS) * seconds;
  const cpuBefore = cpuMsOf(subject.pid);
  const id = await createExperiment(subject.client, {
    ...{ name: "l3", trials: STREAMS, entrypoint: talker(LINES_A_SECOND / STREAMS, each) },
  });
  const follower = new Follower(bench);
  const following = follower.follow(subject, id, STREAMS * each);
  const watching = tellProgress(bench, () => `${number(follower.lines)} lines are on screen`);
  const stored = await untilStored(bench, subject, id, STREAMS, each);
  await following;
  watching();
  const cpuAfter = cpuMsOf(subject.pid);
  const late = tail(follower.delaysMs, 0.95);
  const wrong = Math.abs(STREAMS * each - stored.lines) + stored.outOfOrder;
  const wrongOnScreen = Math.abs(STREAMS * each - follower.lines) + follower.outOfOrder;
  return [
    figure({
      measure: "L3",
      what: `lines lost or out of order, of ${number(STREAMS * each)} in ${STREAMS} streams`,
      unit: "",
      value: quartiles([wrong + wrongOnScreen]),
      aim: "0",
      met: wrong + wrongOnScreen === 0,
      cpu:
        cpuBefore === undefined || cpuAfter === undefined
          ? ""
          : `${number(((cpuAfter - cpuBefore) / (STREAMS * each)) * 1000)} µs a line (server and database)`,
      note: `${number(stored.rate)} lines/s; ${wrong} in the database, ${wrongOnScreen} on screen`,
    }),
    figure({
      measure: "L3",
      what: `p95 from printed to on screen, ${number(stored.rate)} lines/s`,
      unit: "ms",
      value: late,
      aim: "p95 <= 2 s",
      met: late.median <= 2000,
      note: `in brackets p50 and the maximum; the start of the hundred programs included. Until the runner had read it: p95 ${number(tail(follower.untilReadMs, 0.95).median)} ms. Determined ships every second or 1,000 lines`,
    }),
  ];
}

async function beyond(
  bench: Bench,
  subject: Subject,
  { streams, each }: { readonly streams: number; readonly each: number },
): Promise<Figure> {
  let spooledMax = 0;
  const id = await createExperiment(subject.client, {
    ...{ name: "l3-beyond", trials: streams, entrypoint: talker(0, each) },
  });
  const watching = tellProgress(
    bench,
    () => `${number(spoolBytes(subject.dataDir, "logs") / MB)} MB of lines wait in the spool`,
  );
  let looking = true;
  const look = async (): Promise<void> => {
    while (looking) {
      spooledMax = Math.max(spooledMax, spoolBytes(subject.dataDir, "logs"));
      await sleep(bench.clock, 100);
    }
  };
  const looked = look();
  const stored = await untilStored(bench, subject, id, streams, each);
  looking = false;
  watching();
  await looked;
  const bound = streams * (SPOOL_MAX_BYTES + SPOOL_SLACK_BYTES);
  const wrong = Math.abs(streams * each - stored.lines) + stored.outOfOrder;
  return figure({
    measure: "L3",
    what: `lost beyond what can be stored, ${streams === 1 ? "one stream" : `${streams} streams`} at full speed`,
    unit: "",
    value: quartiles([wrong]),
    aim: `0, and <= ${number((SPOOL_MAX_BYTES + SPOOL_SLACK_BYTES) / MB)} MB a stream wait`,
    met: wrong === 0 && spooledMax <= bound,
    note: `${number(streams * each)} lines, stored at ${number(stored.rate)}/s; the programs took ${number(stored.printedMs / 1000)} s to print, until all was stored ${number(stored.tookMs / 1000)} s; at most ${number(spooledMax / MB)} MB waited on the runner's disk`,
  });
}

/** @returns what is there when every line is */
async function untilStored(
  bench: Bench,
  subject: Subject,
  experiment: number,
  streams: number,
  each: number,
) {
  return withDatabase(subject.dataDir, async (client) => {
    await until(
      bench,
      "all lines are stored",
      async () => {
        const { rows } = await client.query<{ over: number }>(
          `select count(*)::int as over from allocations a where experiment_id = $1 and state = 'ended'
             and (select l.seq from logs l where l.allocation_id = a.id order by l.seq desc limit 1) >= a.log_lines`,
          [experiment],
        );
        return rows[0]?.over === streams;
      },
      200,
      STORED_LIMIT_MS,
    );
    const { rows } = await client.query<{
      lines: number;
      outOfOrder: number;
      tookMs: number;
      printedMs: number;
    }>(
      // A line whose end is waited for, because the pipe is full, is stored in pieces: a line begins after one that is whole.
      `select count(*) filter (where stream = 1 and begins)::int as lines,
         count(*) filter (where stream = 1 and begins and number <> line)::int as "outOfOrder",
         (extract(epoch from max(at) - min(at)) * 1000)::float8 as "tookMs",
         coalesce(max(printed), 0)::float8 as "printedMs"
       from (select stream, at, begins,
           case when stream = 1 and begins then convert_from(substring(bytes from 1 for 10), 'SQL_ASCII')::bigint end as number,
           count(*) filter (where begins) over (partition by allocation_id, stream order by seq) - 1 as line,
           case when stream = 2 then (regexp_match(convert_from(bytes, 'UTF8'), 'took ([0-9]+) ms'))[1]::bigint end as printed
         from (select l.*, lag(l.complete, 1, true) over (partition by l.allocation_id, l.stream order by l.seq) as begins
           from logs l where l.experiment_id = $1) pieces) x`,
      [experiment],
    );
    const found = rows[0] as {
      lines: number;
      outOfOrder: number;
      tookMs: number;
      printedMs: number;
    };
    return { ...found, rate: (found.lines / found.tookMs) * 1000, each };
  });
}

/** @returns what ends it */
function tellProgress(bench: Bench, text: () => string): () => void {
  let cancel = (): void => undefined;
  const next = (): void => {
    cancel = bench.clock.after(5_000, () => {
      bench.say(text());
      next();
    });
  };
  next();
  return () => cancel();
}

/** Reads the live stream of an experiment, as a page on a screen does. */
class Follower {
  readonly delaysMs: number[] = [];
  /** Of those, until the runner had read the line from its pipe. */
  readonly untilReadMs: number[] = [];
  lines = 0;
  outOfOrder = 0;
  readonly #bench: Bench;
  readonly #next = new Map<string, number>();

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  /** Resolves with the last of so many lines, or with the end of the stream. */
  async follow(subject: Subject, experiment: number, lines: number): Promise<void> {
    const wire = new Wire(subject.url, { token: subject.token });
    const path = `/api/v1/experiments/${experiment}/logs/stream?stream=stdout`;
    const response = await wire.stream(path);
    try {
      for await (const { event, data } of parseEvents(response)) {
        if (event === "end") return;
        const nowUs = this.#bench.clock.nowMs() * 1000;
        for (const { trial, text, at } of JSON.parse(data) as LogEntry[]) {
          const number = Number(text.slice(0, 10));
          if (number !== (this.#next.get(trial) ?? 0)) this.outOfOrder += 1;
          this.#next.set(trial, number + 1);
          const printedUs = Number(text.slice(11, 27));
          this.delaysMs.push((nowUs - printedUs) / 1000);
          this.untilReadMs.push(Date.parse(at) - printedUs / 1000);
          this.lines += 1;
        }
        if (this.lines >= lines) return;
      }
    } finally {
      response.destroy();
      wire.close();
    }
  }
}
