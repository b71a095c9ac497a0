/** Searches that the tests of the page and its pictures look at: real trials, small. */
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Experiment } from "../../src/protocol/api.ts";
import { curveSearch, type Stand } from "../support.ts";

const ASHA = {
  ...{ name: "asha", max_length: { epochs: 9 }, divisor: 3, num_rungs: 3 },
  ...{ max_trials: 12, max_concurrent_trials: 4 },
};

export interface SearchOptions {
  readonly name?: string;
  readonly activate?: boolean;
  /** Of each step, to have time to look. */
  readonly delayMs?: number;
  readonly more?: Readonly<Record<string, unknown>>;
}

/** Twelve trials over rungs at 1, 3 and 9 epochs. */
export async function exampleSearch(it: Stand, options: SearchOptions = {}): Promise<Experiment> {
  const code = await it.codeFolder({}, ["curve.ts"]);
  const { name = "learning rates", delayMs = 0, more = {} } = options;
  const config = curveSearch(ASHA, { name, delayMs, labels: ["example"], ...more });
  return await it.submit(config, code, options.activate ?? true);
}

/**
 * For trials that must not be over before somebody has looked, however slow he is: an environment in which each run
 * reports its first step, or those up to `at`, and goes no further until it is let go or stopped.
 */
export function held(it: Stand, at = 1) {
  const file = join(it.trace, `let-go-${randomUUID()}`);
  const runs = Array<number>(20).fill(at).join(",");
  return {
    environment: { E2E_HOLD_AT: runs, E2E_HOLD_UNTIL: file },
    letGo: () => writeFile(file, ""),
  };
}

const TALK = `  const done = Math.round(step / 3);
  process.stdout.write(Array.from({ length: 20 }, (_, i) => \`epoch \${step} \${"█".repeat(i)} \${i * 5 + 5} %\`).join("\\r") + "\\n");
  console.log(\`\x1b[32mINFO\x1b[0m  epoch \${step} done, \x1b[1mloss\x1b[0m \${state.loss.toFixed(5)}\`);
  if (step % 7 === 0) console.error(\`\x1b[33mWARN\x1b[0m  gradient norm \${(done + 1.5).toFixed(2)} was clipped to 1.00\`);
  if (step % 11 === 0) console.error(\`\x1b[1;31mERROR\x1b[0m batch \${step * 31} skipped: \${"label out of range, ".repeat(60)}\`);`;

/** One trial of other code than the search's, which writes in colours and draws progress bars. */
export async function exampleRun(it: Stand): Promise<Experiment> {
  const source = await readFile(new URL("../programs/curve.ts", import.meta.url), "utf8");
  const code = await it.codeFolder({
    "curve.ts": source.replace(/^ {2}console\.log\(`step.*$/m, () => TALK),
    "README.md": "# Learning rates\n\nOne run with a fixed rate, to hold the search against.\n",
  });
  const searcher = { name: "single", max_length: { epochs: 40 } };
  return await it.submit(curveSearch(searcher, { name: "fixed rate" }), code);
}

/** What charts of a space need: a log axis, a category, and a parameter that exists for some trials only. */
const SPACE = {
  rate: { type: "log", base: 10, minval: -2, maxval: -0.3 },
  optimizer: { type: "categorical", vals: ["adam", "sgd"] },
  momentum: { type: "double", minval: 0, maxval: 1, when: { optimizer: "sgd" } },
  layers: { type: "int", minval: 1, maxval: 6 },
};

/** The example over a space with every kind of axis, in two brackets. */
export async function spaceSearch(it: Stand, options: SearchOptions = {}): Promise<Experiment> {
  const { delayMs = 0, more = {} } = options;
  const hyperparameters = { ...SPACE, delay_ms: delayMs };
  return await exampleSearch(it, { ...options, more: { hyperparameters, ...more } });
}
