/**
 * Export: ten million points out of the server as Parquet, CSV and Arrow, over HTTP and thrown away on arrival. Beside the
 * time: how much memory the server and this client take meanwhile, and how long others wait for an answer. The floor
 * is PostgreSQL alone, giving the same rows as CSV to nobody.
 */
import { createHash } from "node:crypto";
import { sleep } from "../src/base/clock.ts";
import type { PointFormat } from "../src/sdk/client.ts";
import { type Bench, figure, type Measure } from "./bench.ts";
import { withDatabase } from "./database.ts";
import { type Figure, quantileOf, quartiles } from "./figure.ts";
import { anonymousBytesOf, cpuMsOf } from "./processes.ts";
import { createExperiment, type StubSubject, stubServer } from "./subjects.ts";
import { number } from "./table.ts";

const TRIALS = 20;
const NAMES = 10;
/** Reports of each trial. */
const STEPS = { full: 50_000, quick: 5_000 };
const AIM_S = 60;
const MIB = 1024 * 1024;

export const exported: Measure = {
  name: "export",
  title: "all points as a file",
  async run(bench) {
    const subject = await stubServer(bench, { slots: TRIALS, label: "export" });
    try {
      const steps = bench.quick ? STEPS.quick : STEPS.full;
      const id = await createExperiment(subject.client, { name: "export", trials: TRIALS, steps });
      const floorMs = await fill(bench, subject.dataDir, id, steps);
      const figures: Figure[] = [];
      for (const format of ["parquet", "csv", "arrow"] as const)
        figures.push(await once(bench, subject, { format, id, steps, floorMs }));
      return figures;
    } finally {
      await subject.stop();
    }
  },
};

/** @returns how long PostgreSQL alone takes for the same rows */
async function fill(bench: Bench, dataDir: string, id: number, steps: number): Promise<number> {
  const { clock, say } = bench;
  say(`storing ${number(TRIALS * NAMES * steps)} points`);
  return withDatabase(dataDir, async (client) => {
    await client.query(
      `insert into metric_names select n, 'metric_' || n from generate_series(1, ${NAMES}) n on conflict do nothing`,
    );
    for (let trial = 1; trial <= TRIALS; trial++) {
      await client.query(
        `insert into reports select t.id, 1, s, s, now() + s * interval '13 ms'
         from trials t, generate_series(1, $3::int) s where t.experiment_id = $1 and t.number = $2`,
        [id, trial, steps],
      );
      await client.query(
        `insert into metrics select t.id, n, s, 1, s, random() from trials t, generate_series(1, ${NAMES}) n,
         generate_series(1, $3::int) s where t.experiment_id = $1 and t.number = $2`,
        [id, trial, steps],
      );
    }
    await client.query("vacuum analyze metrics, reports");
    const startMs = clock.monotonicMs();
    await client.query(
      "copy (select m.*, r.at from metrics m join reports r using (trial_id, run, seq)) to '/dev/null' (format csv)",
    );
    return clock.monotonicMs() - startMs;
  });
}

interface Case {
  readonly format: PointFormat;
  readonly id: number;
  readonly steps: number;
  readonly floorMs: number;
}

async function once(
  bench: Bench,
  { client, pid }: StubSubject,
  { format, id, steps, floorMs }: Case,
): Promise<Figure> {
  const { clock } = bench;
  const before = { server: anonymousBytesOf(pid) ?? 0, client: process.memoryUsage().rss };
  const most = { ...before };
  const waitsMs: number[] = [];
  let isOver = false;
  const watch = (async () => {
    while (!isOver) {
      const startMs = clock.monotonicMs();
      await client.experiment(id);
      waitsMs.push(clock.monotonicMs() - startMs);
      most.server = Math.max(most.server, anonymousBytesOf(pid) ?? 0);
      most.client = Math.max(most.client, process.memoryUsage().rss);
      await sleep(clock, 100);
    }
  })();
  const startMs = clock.monotonicMs();
  const startCpuMs = cpuMsOf(pid);
  const digest = createHash("sha256");
  let bytes = 0;
  for await (const chunk of await client.exportMetrics(format, { ids: String(id) })) {
    bytes += chunk.length;
    digest.update(chunk);
  }
  const ms = clock.monotonicMs() - startMs;
  const cpuMs = (cpuMsOf(pid) ?? 0) - (startCpuMs ?? 0);
  isOver = true;
  await watch;
  const points = TRIALS * NAMES * steps;
  // Ten million are what the aim is of.
  const wholeS = (ms / 1000) * (1e7 / points);
  return figure({
    measure: "export",
    what: `${number(points)} points as ${format}`,
    unit: "s",
    value: quartiles([ms / 1000]),
    floor: quartiles([floorMs / 1000]),
    floorWhat: "PostgreSQL alone: the same rows as CSV to /dev/null",
    ratio: quartiles([ms / floorMs]),
    aim: `< ${AIM_S} s for 1e7`,
    met: wholeS < AIM_S,
    cpu: `${number((cpuMs * 1000) / points)} µs a point, database included`,
    note:
      `${number(bytes / MIB)} MiB; memory at most ${number((most.server - before.server) / MIB)} MiB more in the server, ` +
      `${number((most.client - before.client) / MIB)} MiB in the client; others waited ${number(quantileOf(waitsMs, 0.95))} ms (p95) for one experiment`,
  });
}
