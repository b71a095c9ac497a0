/**
 * M5: learning curves. One series of a million points thinned to a thousand, and a hundred trials overlaid,
 * as a browser asks for them: six requests at a time. The floor holds the same series in memory, thins
 * it by the same rule in one loop, and answers by bare HTTP.
 */
import type pg from "pg";
import { type Bench, figure, type Measure, until } from "./bench.ts";
import { withDatabase } from "./database.ts";
import { type Figure, quantileOf } from "./figure.ts";
import { inPairs, type Paired, type Sample } from "./pairs.ts";
import { StubRunner } from "./stub-runner.ts";
import { createExperiment, floorServer, stubServer } from "./subjects.ts";
import { number } from "./table.ts";
import { Wire } from "./wire.ts";

const LONG_POINTS = 1_000_000;
const OVERLAID = 100;
const OVERLAID_POINTS = 10_000;
const POINTS = 1000;
/** What browsers open to one host. */
const AT_A_TIME = 6;
const WINDOW_MS = 500;

export const curves: Measure = {
  name: "M5",
  title: "reading curves",
  async run(bench) {
    const subject = await stubServer(bench, { slots: OVERLAID + 1, label: "m5" });
    const long = await floorServer(bench, { points: LONG_POINTS });
    const short = await floorServer(bench, { points: OVERLAID_POINTS });
    const wire = new Wire(subject.url, { token: subject.token });
    const floors = [long, short].map(({ ready }) => new Wire(ready.url));
    try {
      const id = await createExperiment(subject.client, {
        name: "m5",
        trials: OVERLAID + 1,
        steps: LONG_POINTS * 10,
      });
      await reportOnce(bench, subject.wire());
      await withDatabase(subject.dataDir, (client) => fill(client, id, bench));
      const pathOf = (trial: number): string =>
        `/api/v1/trials/${id}.${trial}/metrics?names=loss&points=${POINTS}`;
      const [longFloor, shortFloor] = floors as [Wire, Wire];
      return [
        ...(await longCurve(bench, () => wire.get(pathOf(1)), longFloor)),
        await overlay(bench, (trial) => wire.get(pathOf(trial + 2)), shortFloor),
      ];
    } finally {
      for (const open of [wire, ...floors]) open.close();
      await subject.stop();
      await Promise.all([long.stop(), short.stop()]);
    }
  },
};

/** Each trial reports its first step, so that everything but the mass of points has come the usual way. */
async function reportOnce(bench: Bench, wire: Wire): Promise<void> {
  let reported = 0;
  const runner = new StubRunner(wire, (allocation) => {
    allocation.started();
    allocation.report(1, { loss: 1 });
    reported += 1;
  });
  await until(bench, "all trials have reported", () =>
    runner.isOver(reported > OVERLAID && runner.isDelivered),
  );
  runner.stop();
}

async function fill(client: pg.Client, experiment: number, bench: Bench): Promise<void> {
  bench.say(`storing ${number(LONG_POINTS + OVERLAID * OVERLAID_POINTS)} points`);
  const insert = `insert into metrics (trial_id, name_id, step, run, seq, value)
    select t.id, n.id, s, 1, s, 1 / (1 + s / 1000.0) + sin(s * 12.9898) / 100
    from trials t, metric_names n, generate_series(2, $2::int) s
    where t.experiment_id = $1 and n.name = 'loss' and t.number = any($3::int[])`;
  await client.query(insert, [experiment, LONG_POINTS, [1]]);
  const others = Array.from({ length: OVERLAID }, (_, index) => index + 2);
  await client.query(insert, [experiment, OVERLAID_POINTS, others]);
  // What autovacuum does by itself within a minute or two.
  await client.query("vacuum analyze metrics");
}

type Read = () => Promise<{ firstByteMs: number; totalMs: number; body: Buffer }>;

async function longCurve(bench: Bench, read: Read, floor: Wire): Promise<Figure[]> {
  const checked = JSON.parse((await read()).body.toString("utf8")) as {
    series: { total: number; points: unknown[] }[];
  };
  const [series] = checked.series;
  if (series?.total !== LONG_POINTS || series.points.length > POINTS)
    throw new Error(`asked for ${LONG_POINTS} points in ${POINTS}: ${JSON.stringify(series)}`);
  const totals: number[] = [];
  const firsts: number[] = [];
  const paired = await inPairs({
    ...{ pairs: bench.quick ? 3 : 9, clock: bench.clock, say: bench.say, better: "lower" },
    subject: () => repeated(bench, read, totals, firsts),
    floor: () => repeated(bench, () => floor.get("/curve"), [], []),
  });
  const p95 = quantileOf(totals, 0.95);
  return [
    figure({
      ...common(paired),
      what: `1e6 points to ${POINTS}, full answer`,
      aim: "<= 2 x and p95 < 200 ms",
      met: paired.tooNoisy ? null : paired.ratio.median <= 2 && p95 < 200,
      note: `p95 ${number(p95)} ms; first byte after ${number(quantileOf(firsts, 0.5))} ms`,
    }),
  ];
}

/** As often as fits into a window. @returns the median */
async function repeated(
  { clock }: Bench,
  read: Read,
  totals: number[],
  firsts: number[],
): Promise<Sample> {
  const startMs = clock.monotonicMs();
  const mine: number[] = [];
  do {
    const { totalMs, firstByteMs } = await read();
    mine.push(totalMs);
    firsts.push(firstByteMs);
  } while (clock.monotonicMs() - startMs < WINDOW_MS);
  totals.push(...mine);
  return { value: quantileOf(mine, 0.5) };
}

async function overlay(
  bench: Bench,
  read: (trial: number) => Promise<{ totalMs: number }>,
  floor: Wire,
): Promise<Figure> {
  const single: number[] = [];
  const all = async (one: (trial: number) => Promise<{ totalMs: number }>): Promise<Sample> => {
    const startMs = bench.clock.monotonicMs();
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < OVERLAID) {
        const { totalMs } = await one(next++);
        single.push(totalMs);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, work));
    return { value: bench.clock.monotonicMs() - startMs };
  };
  await all(read);
  single.length = 0;
  const times: number[] = [];
  const paired = await inPairs({
    ...{ pairs: bench.quick ? 3 : 9, clock: bench.clock, say: bench.say, better: "lower" },
    async subject() {
      single.length = 0;
      const sample = await all(read);
      times.push(...single);
      return sample;
    },
    floor: () => all(() => floor.get("/curve")),
  });
  const p95 = quantileOf(times, 0.95);
  return figure({
    ...common(paired),
    what: `${OVERLAID} trials of 1e4 points overlaid, all answers`,
    aim: "<= 2 x and p95 of one < 200 ms",
    met: paired.tooNoisy ? null : paired.ratio.median <= 2 && p95 < 200,
    note: `one of them p95 ${number(p95)} ms, ${AT_A_TIME} at a time`,
  });
}

const common = ({ subject, floor, ratio }: Paired) => ({
  measure: "M5",
  unit: "ms",
  value: subject,
  floor,
  floorWhat: "the same thinning over an array in memory, bare HTTP",
  ratio,
});
