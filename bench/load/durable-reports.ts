/** L2: a thousand reports of ten values a second from a hundred trials, each acknowledged when it is durable. */
import { sleep } from "../../src/base/clock.ts";
import { figure, type Measure } from "../bench.ts";
import { type Figure, quantileOf, quartiles, tail } from "../figure.ts";
import { cpuMsOf } from "../processes.ts";
import { stubServer } from "../subjects.ts";
import { number } from "../table.ts";
import { startFleet } from "./fleet.ts";
import { storedReports, streamReports, VALUES } from "./report-stream.ts";
import { changePercent, type Vitals, watchVitals } from "./vitals.ts";

const TRIALS = 100;
const NODES = 10;
const REPORTS_A_SECOND = 1000;
const MB = 1024 * 1024;
/** Of the run: the heap finds its size, the database fills its buffers. */
const WARM_UP_SHARE = 0.2;

export const durableReports: Measure = {
  name: "L2",
  title: "a thousand durable reports a second",
  async run(bench) {
    const seconds = bench.quick ? 60 : 600;
    const subject = await stubServer(bench, { slots: TRIALS, label: "l2" });
    try {
      const latenciesMs: number[] = [];
      const fleet = await startFleet(bench, subject, {
        ...{ name: "l2", trials: TRIALS, nodes: NODES },
        acked: ({ type }, tookMs) => {
          if (type === "report") latenciesMs.push(tookMs);
        },
      });
      const endVitals = watchVitals(bench.clock, () => subject.pid, bench.quick ? 1_000 : 3_000);
      const cpuBefore = cpuMsOf(subject.pid);
      const startMs = bench.clock.monotonicMs();
      const stream = streamReports(bench, fleet, { ratePerTrial: REPORTS_A_SECOND / TRIALS });
      for (let second = 0; second < seconds; second += 10) {
        await sleep(bench.clock, 10_000);
        fleet.delivered();
        const lately = latenciesMs.slice(-10 * REPORTS_A_SECOND);
        bench.say(
          `${second + 10} of ${seconds} s: ${number(latenciesMs.length)} acknowledged, p99 of the last 10 s ${number(quantileOf(lately, 0.99))} ms`,
        );
      }
      const rate = (stream.sent() / (bench.clock.monotonicMs() - startMs)) * 1000;
      await stream.stop();
      const cpuAfter = cpuMsOf(subject.pid);
      const vitals = await endVitals();
      const stored = await storedReports(subject, fleet.experiment);
      fleet.stop();
      return [
        acknowledged(latenciesMs, rate, cpuAfter, cpuBefore, stream.sent()),
        lost(stream.sent(), stored),
        ...memory(vitals, bench.quick),
      ];
    } finally {
      await subject.stop();
    }
  },
};

function acknowledged(
  latenciesMs: readonly number[],
  rate: number,
  cpuAfter: number | undefined,
  cpuBefore: number | undefined,
  sent: number,
): Figure {
  const value = tail(latenciesMs);
  const cpu =
    cpuBefore === undefined || cpuAfter === undefined
      ? ""
      : `${number((cpuAfter - cpuBefore) / sent)} ms a report (server and database)`;
  return figure({
    measure: "L2",
    what: `p99 of acknowledging a report, ${number(rate)} of ${VALUES} values a second, ${TRIALS} trials`,
    unit: "ms",
    value,
    aim: "< 250 ms",
    met: value.median < 250,
    cpu,
    note: `over ${NODES} connections, each sending what has gathered; in brackets p50 and the maximum. Ray Tune: 50 to 100 a second with logging, MLflow: 341 batches of 10`,
  });
}

function lost(
  sent: number,
  stored: { readonly reports: number; readonly steps: number; readonly values: number },
): Figure {
  const missing = sent - stored.steps;
  const twice = stored.reports - stored.steps;
  const valuesMissing = sent * VALUES - stored.values;
  return figure({
    measure: "L2",
    what: `lost or stored twice, of ${number(sent)} reports`,
    unit: "",
    value: quartiles([Math.abs(missing) + twice + Math.abs(valuesMissing)]),
    aim: "0",
    met: missing === 0 && twice === 0 && valuesMissing === 0,
    note: `counted in the database: ${number(stored.reports)} reports, ${number(stored.values)} values`,
  });
}

function memory(vitals: readonly Vitals[], quick: boolean): Figure[] {
  if (vitals.length < 8) return [];
  const own = vitals.map(({ bytes }) => bytes / MB);
  const change = changePercent(own, WARM_UP_SHARE);
  const below = vitals.map(({ bytesBelow }) => bytesBelow / MB);
  const settled = own.slice(Math.floor(own.length * WARM_UP_SHARE));
  return [
    figure({
      measure: "L2",
      what: "memory of the server, last against first quarter",
      unit: "%",
      value: quartiles([change]),
      // In a minute the heap only finds its size.
      aim: quick ? "" : "within 10 %",
      met: quick ? null : Math.abs(change) <= 10,
      note: `${number(quantileOf(settled, 0.5))} MB, at most ${number(Math.max(...own))} MB; the first ${WARM_UP_SHARE * 100} % of the run left out; database ${number(changePercent(below, WARM_UP_SHARE))} %, ${number(below.at(-1) ?? 0)} MB at the end`,
    }),
  ];
}
