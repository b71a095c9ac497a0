/** Searches that the tests of the page and its pictures look at: real trials, small. */
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
