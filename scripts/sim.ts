/**
 * The simulator from the command line.
 *
 *   npm run sim -- --seeds 1000 [--first 1] [--threads 2]   many runs; the last line counts them
 *   npm run sim -- --seed 123                               one run, with its trace and the hash of it
 *   npm run sim -- --until-broken --seeds 10000             stops at the first that breaks a rule (--broken-max N: at the Nth)
 *   --size tiny|small|middle|large|fleet                    of all runs, instead of what each seed draws
 *   --json                                                  of many runs only the figures
 *
 * Exit code 1 when a rule was broken, 2 when the command line was not understood.
 */
import { runSeeds } from "../src/sim/seed-runs.ts";
import { simulate } from "../src/sim/simulation.ts";
import { SIZES } from "../src/sim/sizes.ts";
import { Trace } from "../src/sim/trace.ts";
import { readArguments, refuseArguments } from "./arguments.ts";

const USAGE = `npm run sim -- [--seeds N] [--first N] [--threads N] [--until-broken | --broken-max N] [--size SIZE] [--json]
       npm run sim -- --seed N [--size SIZE]
sizes: ${Object.keys(SIZES).join(", ")}`;
const SHOWN_MAX = 20;
type SizeName = keyof typeof SIZES;

function count(name: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  return refuseArguments(`--${name} must be a whole number from 0, not ${text}`, USAGE);
}

async function one(seed: number, size: SizeName | undefined): Promise<boolean> {
  const trace = new Trace((line) => console.log(line));
  const outcome = await simulate(seed, trace, size && SIZES[size]);
  const { broken, events, commits, virtualMs, hash } = outcome;
  if (broken) console.log(`broken: ${broken.message}`);
  const seconds = (virtualMs / 1000).toFixed(1);
  console.log(`seed ${seed}: ${events} events, ${commits} commits, ${seconds} virtual seconds`);
  console.log(`trace ${hash}`);
  return broken === null;
}

function rate(count: number, ms: number): string {
  const aSecond = count / (ms / 1000);
  return aSecond.toFixed(aSecond < 10 ? 2 : 0);
}

async function many(options: {
  first: number;
  seeds: number;
  threads: number | undefined;
  size: SizeName | undefined;
  brokenMax: number;
  json: boolean;
}): Promise<boolean> {
  const { first, seeds, threads, size, brokenMax, json } = options;
  let broken = 0;
  const { done, wallMs, cpuMs } = await runSeeds({
    ...{ first, count: seeds },
    ...(threads === undefined ? {} : { threads }),
    ...(size === undefined ? {} : { size }),
    onOutcome: (outcome) => {
      if (outcome.broken === null) return false;
      broken += 1;
      if (broken <= SHOWN_MAX && !json) {
        console.log(`seed ${outcome.seed}: ${outcome.broken.message}`);
        const sized = size === undefined ? "" : ` --size ${size}`;
        console.log(`  again: npm run sim -- --seed ${outcome.seed}${sized}`);
      }
      return broken >= brokenMax;
    },
  });
  if (json) {
    console.log(JSON.stringify({ seeds: done, broken, cpuMs, wallMs }));
    return broken === 0;
  }
  const perCore = rate(done, cpuMs);
  const here = rate(done, wallMs);
  console.log(
    `${done} seeds, ${perCore} runs a second per core (${here} here), ${broken} broken invariants`,
  );
  return broken === 0;
}

const { values } = readArguments(USAGE, {
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    first: { type: "string" },
    threads: { type: "string" },
    size: { type: "string" },
    "until-broken": { type: "boolean", default: false },
    "broken-max": { type: "string" },
    json: { type: "boolean", default: false },
  },
});

function sizeOf(name: string | undefined): SizeName | undefined {
  if (name === undefined || Object.hasOwn(SIZES, name)) return name as SizeName | undefined;
  return refuseArguments(`There is no size ${name}.`, USAGE);
}

const size = sizeOf(values.size);
const untilBroken = values["until-broken"] ? 1 : Number.MAX_SAFE_INTEGER;
const well =
  values.seed !== undefined
    ? await one(count("seed", values.seed, 0), size)
    : await many({
        first: count("first", values.first, 1),
        seeds: count("seeds", values.seeds, 200),
        threads: values.threads === undefined ? undefined : count("threads", values.threads, 0),
        ...{ size, json: values.json },
        brokenMax: count("broken-max", values["broken-max"], untilBroken),
      });
process.exitCode = well ? 0 : 1;
