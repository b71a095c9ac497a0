/**
 * The simulator from the command line.
 *
 *   npm run sim -- --seeds 1000 [--first 1] [--threads 2]   many runs; the last line counts them
 *   npm run sim -- --seed 123                               one run, with its trace and the hash of it
 *   npm run sim -- --until-broken --seeds 10000             stops at the first that breaks a rule
 *
 * Exit code 1 when a rule was broken, 2 when the command line was not understood.
 */
import { parseArgs } from "node:util";
import { runSeeds } from "../src/sim/seed-runs.ts";
import { simulate } from "../src/sim/simulation.ts";
import { Trace } from "../src/sim/trace.ts";

const SHOWN_MAX = 20;

function count(name: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} must be a whole number from 0, not ${text}`);
  process.exit(2);
}

async function one(seed: number): Promise<boolean> {
  const trace = new Trace((line) => console.log(line));
  const { broken, events, commits, virtualMs, hash } = await simulate(seed, trace);
  if (broken) console.log(`broken: ${broken.message}`);
  const seconds = (virtualMs / 1000).toFixed(1);
  console.log(`seed ${seed}: ${events} events, ${commits} commits, ${seconds} virtual seconds`);
  console.log(`trace ${hash}`);
  return broken === null;
}

async function many(options: {
  first: number;
  seeds: number;
  threads: number | undefined;
  untilBroken: boolean;
}): Promise<boolean> {
  const { first, seeds, threads, untilBroken } = options;
  const startMs = performance.now();
  let broken = 0;
  const done = await runSeeds({
    ...{ first, count: seeds },
    ...(threads === undefined ? {} : { threads }),
    onOutcome: (outcome) => {
      if (outcome.broken === null) return false;
      broken += 1;
      if (broken <= SHOWN_MAX) {
        console.log(`seed ${outcome.seed}: ${outcome.broken.message}`);
        console.log(`  again: npm run sim -- --seed ${outcome.seed}`);
      }
      return untilBroken;
    },
  });
  const perSecond = (done / ((performance.now() - startMs) / 1000)).toFixed(0);
  console.log(`${done} seeds, ${perSecond} runs a second, ${broken} broken invariants`);
  return broken === 0;
}

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    first: { type: "string" },
    threads: { type: "string" },
    "until-broken": { type: "boolean", default: false },
  },
});
const well =
  values.seed !== undefined
    ? await one(count("seed", values.seed, 0))
    : await many({
        first: count("first", values.first, 1),
        seeds: count("seeds", values.seeds, 200),
        threads: values.threads === undefined ? undefined : count("threads", values.threads, 0),
        untilBroken: values["until-broken"],
      });
process.exitCode = well ? 0 : 1;
