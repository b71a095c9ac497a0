/**
 * `npm run bench [-- NAME…] [--quick] [--soak] [--json FILE] [--dir DIR] [--profile DIR]`: how fast it is,
 * beside how fast this machine could be, and (`load`) how it bears load. Names and protocol: docs/benchmarks.md.
 *
 * The table goes to stdout, what is being done to stderr; all figures go to bench/results/all.json (or FILE)
 * and each measure's to NAME.json beside it. A figure that misses its aim
 * is a finding and no failure: the exit code says only whether everything could be measured.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { readArguments, refuseArguments } from "../scripts/arguments.ts";
import { realClock } from "../src/base/real-clock.ts";
import type { Measure } from "./bench.ts";
import { curves } from "./curves.ts";
import { decisions } from "./decisions.ts";
import { engines } from "./engines.ts";
import { exported } from "./export.ts";
import type { Figure } from "./figure.ts";
import { ingestion } from "./ingestion.ts";
import { LOAD } from "./load/load.ts";
import { logs } from "./logs.ts";
import { orchestration } from "./orchestration.ts";
import { ownBench } from "./own-bench.ts";
import { ready } from "./ready.ts";
import { RECORD } from "./record/record.ts";
import { recovery } from "./recovery.ts";
import { report } from "./report.ts";
import { search } from "./search.ts";
import { startLatency } from "./start-latency.ts";
import { figureTable } from "./table.ts";
import { web } from "./web/web.ts";

const SPEED: readonly Measure[] = [
  orchestration,
  ingestion,
  curves,
  startLatency,
  logs,
  recovery,
  decisions,
  report,
  ready,
  search,
  web,
];
/** How it bears load takes half an hour, and storing ten million points minutes: these run where they are asked for. */
const MEASURES: readonly Measure[] = [...SPEED, exported, engines, ...LOAD, ...RECORD];
const GROUPS: Readonly<Record<string, readonly Measure[]>> = { load: LOAD, record: RECORD };
const ALL_RESULTS = join(import.meta.dirname, "results", "all.json");

function readMeasures() {
  const names = [...MEASURES.map((measure) => measure.name), ...Object.keys(GROUPS)].join(", ");
  const usage = `npm run bench -- [NAME …] [--quick] [--soak] [--json FILE] [--dir DIR] [--profile DIR]\nnames: ${names}`;
  const { values, positionals } = readArguments(usage, {
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      soak: { type: "boolean", default: false },
      json: { type: "string" },
      dir: { type: "string", default: tmpdir() },
      profile: { type: "string" },
    },
  });
  const wanted = positionals.map((name) => name.toLowerCase());
  const named = (name: string): readonly Measure[] =>
    GROUPS[name] ?? MEASURES.filter((measure) => measure.name.toLowerCase() === name);
  const unknown = wanted.filter((name) => named(name).length === 0);
  if (unknown.length > 0) refuseArguments(`There is no measure ${unknown.join(", ")}.`, usage);
  const asked = new Set(wanted.flatMap(named));
  const chosen = wanted.length === 0 ? SPEED : MEASURES.filter((measure) => asked.has(measure));
  return { ...values, chosen };
}

const args = readMeasures();
const results = args.json === undefined ? ALL_RESULTS : resolve(args.json);
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const profileDir = args.profile === undefined ? undefined : resolve(args.profile);
if (profileDir !== undefined) mkdirSync(profileDir, { recursive: true });
const bench = ownBench({
  ...{ dir: args.dir, quick: args.quick, soak: args.soak, profileDir },
  say: (text) => say(`  ${text}`),
});
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void bench.cleanUp().finally(() => process.exit(130)));

const machine = {
  at: new Date().toISOString(),
  node: process.version,
  cores: availableParallelism(),
  quick: args.quick,
  /** Before anything was measured, so what others do here. */
  loadAverage: loadavg()[0],
};

function store(path: string, figures: readonly Figure[]): void {
  mkdirSync(dirname(path), { recursive: true });
  const loadAverageAfter = loadavg()[0];
  writeFileSync(
    path,
    `${JSON.stringify({ ...machine, loadAverageAfter, figures }, undefined, 2)}\n`,
  );
}

const figures: Figure[] = [];
const failures: string[] = [];
try {
  for (const measure of args.chosen) {
    const startMs = realClock.monotonicMs();
    say(`${measure.name}: ${measure.title} …`);
    try {
      const found = await measure.run(bench);
      figures.push(...found);
      store(join(dirname(results), `${measure.name}.json`), found);
      say(`  ${((realClock.monotonicMs() - startMs) / 1000).toFixed(0)} s`);
    } catch (error) {
      failures.push(`${measure.name}: ${(error as Error).stack ?? error}`);
      say(`  could not be measured: ${(error as Error).message}`);
    }
  }
} finally {
  await bench.cleanUp();
}
store(results, figures);
process.stdout.write(`${figureTable(figures)}\n`);
process.stdout.write(
  `load average of the machine: ${machine.loadAverage?.toFixed(1)} before, ${loadavg()[0]?.toFixed(1)} after\n`,
);
for (const failure of failures) process.stdout.write(`not measured: ${failure}\n`);
process.exit(failures.length > 0 ? 1 : 0);
