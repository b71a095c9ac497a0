/**
 * Where training code begins: finds out for whom it trains and returns its trial.
 *
 * CONTRAIL_SOCKET decides. With it the runner's word holds for parameters and seed, and defaults fill
 * only what was not declared. Without it the script runs alone. A socket that is named but does not
 * answer is an error, not a reason to run alone: hours of training that nobody records are worse than a
 * script that stops in its first second.
 *
 * This is the entry of a user's process, so the real clock is made here.
 */
import type { Json, JsonObject } from "../base/json.ts";
import { TRIAL_ENV } from "../protocol/trial-socket.ts";
import type { Platform } from "./platform.ts";
import { connectRunner } from "./runner-platform.ts";
import { StandalonePlatform } from "./standalone-platform.ts";
import { Trial } from "./trial.ts";
import { shown, TrialError } from "./trial-errors.ts";

const CHECKPOINT_INTERVAL_MS = 60_000;

export interface InitOptions<Params> {
  /** Used when running alone, and under the platform for names that the experiment does not declare. */
  readonly params?: Params;
  /** Running alone: the seed, else 0. The platform always gives its own. */
  readonly seed?: number;
  /** Running alone: what `trial.data` holds. */
  readonly data?: JsonObject;
  /** Train to this step, else 1, when running alone or in an experiment that sets no length. CONTRAIL_STEPS
   *  overrides it. */
  readonly steps?: number;
  /** Running alone: go on from the latest folder in `checkpoints`. */
  readonly resume?: boolean;
  /** Running alone: where checkpoints go, else ./checkpoints. */
  readonly checkpoints?: string;
  /** A checkpoint on offer is taken when the last one is older; 60,000 unless given. */
  readonly checkpointIntervalMs?: number;
}

/** What a process gives its trial; tests hand in their own. */
export interface Surroundings {
  readonly environment: { readonly [name: string]: string | undefined };
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
  readonly monotonicMs: () => number;
}

const THIS_PROCESS: Surroundings = {
  environment: process.env,
  print: (line) => {
    process.stdout.write(`${line}\n`);
  },
  warn: (line) => {
    process.stderr.write(`contrail: ${line}\n`);
  },
  monotonicMs: () => performance.now(),
};

/** @throws TrialError runner_unreachable, environment_invalid, option_invalid */
export async function init<Params extends object = { readonly [name: string]: Json }>(
  options: InitOptions<Params> = {},
  surroundings: Surroundings = THIS_PROCESS,
): Promise<Trial<Params>> {
  const { warn, monotonicMs } = surroundings;
  const intervalMs = options.checkpointIntervalMs ?? CHECKPOINT_INTERVAL_MS;
  if (!(intervalMs >= 0))
    throw optionInvalid("checkpointIntervalMs", intervalMs, "a number of milliseconds from 0 on");
  const defaults = (options.params ?? {}) as JsonObject;
  const platform = await connect(options, defaults, surroundings);
  const params = filled(platform.session.params, defaults) as Params;
  return new Trial(platform, params, { warn, monotonicMs, checkpointIntervalMs: intervalMs });
}

async function connect<Params>(
  options: InitOptions<Params>,
  defaults: JsonObject,
  { environment, print, warn }: Surroundings,
): Promise<Platform> {
  const socket = environment[TRIAL_ENV.socket];
  const ownEnd = (): number => {
    checkCount("steps", options.steps);
    return countFrom(environment, "CONTRAIL_STEPS") ?? options.steps ?? 1;
  };
  if (socket) {
    const rank = countFrom(environment, TRIAL_ENV.rank) ?? 0;
    return connectRunner(socket, { rank, warn, ownEnd });
  }
  checkCount("seed", options.seed);
  return new StandalonePlatform(
    {
      params: filled(objectFrom(environment, TRIAL_ENV.params) ?? {}, defaults),
      seed: countFrom(environment, TRIAL_ENV.seed) ?? options.seed ?? 0,
      data: filled(objectFrom(environment, TRIAL_ENV.data) ?? {}, options.data ?? {}),
      steps: ownEnd(),
      resume: options.resume ?? false,
      checkpoints: options.checkpoints ?? "checkpoints",
    },
    print,
    warn,
  );
}

function checkCount(name: string, value: unknown): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) >= 0))
    throw optionInvalid(name, value, "a whole number from 0 on");
}

const optionInvalid = (name: string, value: unknown, expected: string): TrialError =>
  new TrialError("option_invalid", { call: "init()", name, value: shown(value), expected });

/** `declared` with the names that it lacks taken from `defaults`, at every depth. */
function filled(declared: JsonObject, defaults: JsonObject): JsonObject {
  const result: { [name: string]: Json } = { ...defaults };
  for (const [name, value] of Object.entries(declared)) {
    const below = Object.hasOwn(defaults, name) ? defaults[name] : undefined;
    result[name] = isObject(value) && isObject(below) ? filled(value, below) : value;
  }
  return result;
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function countFrom(environment: Surroundings["environment"], name: string): number | undefined {
  const text = environment[name];
  if (text === undefined || text === "") return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  const expected = "a whole number from 0 on";
  throw new TrialError("environment_invalid", { name, value: shown(text), expected });
}

function objectFrom(
  environment: Surroundings["environment"],
  name: string,
): JsonObject | undefined {
  const text = environment[name];
  if (text === undefined || text === "") return undefined;
  try {
    const value = JSON.parse(text) as Json;
    if (isObject(value)) return value;
  } catch {
    // Said below, together with JSON of another shape.
  }
  throw new TrialError("environment_invalid", {
    name,
    value: shown(text),
    expected: "a JSON object",
  });
}
