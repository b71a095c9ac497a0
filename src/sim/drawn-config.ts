/**
 * Configurations of a scenario, read as a person's file is. Reading one takes a tenth of a small run, and scenarios differ in
 * little but numbers: so each block is really read once in each of its forms, and after that is put together with its own
 * numbers in it. That this comes to the same is what `drawn-config.test.ts` shows.
 */
import type { Space } from "../core/space/space.ts";
import { checkConfigValue, type ExperimentConfig, toSpace } from "../protocol/config/config.ts";

type Members = Readonly<Record<string, unknown>>;

/** Blocks of which some members are there or not. */
const BLOCKS = ["searcher", "budget", "resources", "reproducibility"] as const;
const read = new Map<string, unknown>();
const spaces = new WeakMap<object, Space>();

/** @param document with the `hyperparameters` and the other members of every other @throws Error where it would be refused */
export function readDrawn(document: Members): ExperimentConfig {
  const names = BLOCKS.map((block) => `${block} ${formOf(document[block])}`);
  if (!names.every((name) => read.has(name))) {
    const config = readConfig(document);
    read.set("all", config);
    for (const [i, block] of BLOCKS.entries()) read.set(names[i] as string, config[block]);
  }
  const blocks = BLOCKS.map((block, i) => [block, read.get(names[i] as string)]);
  const whole = { ...(read.get("all") as Members), ...Object.fromEntries(blocks) };
  const { hyperparameters: _same, ...own } = document;
  return withOwn(whole, own) as unknown as ExperimentConfig;
}

/** All have one space: it is read as rarely as its block. */
export function spaceOf({ hyperparameters }: ExperimentConfig): Space {
  const space = spaces.get(hyperparameters) ?? toSpace(hyperparameters);
  spaces.set(hyperparameters, space);
  return space;
}

export function readConfig(document: Members): ExperimentConfig {
  const reading = checkConfigValue(document);
  if (reading.ok) return reading.config;
  const issues = reading.issues.map((issue) => `${issue.path}: ${issue.message}`).join("; ");
  throw new Error(`a scenario with a configuration that is refused: ${issues}`);
}

/** Without the numbers and the answers to yes or no. */
const formOf = (block: unknown): string | undefined =>
  JSON.stringify(block, (_key, value: unknown) =>
    typeof value === "number" || typeof value === "boolean" ? 0 : value,
  );

function withOwn(whole: Members, own: Members): Members {
  const copy: Record<string, unknown> = { ...whole };
  for (const key of Object.keys(own)) {
    const value = own[key];
    if (typeof value !== "object") copy[key] = value;
    else if (value !== null) copy[key] = withOwn(whole[key] as Members, value as Members);
  }
  return copy;
}
