/**
 * The platform of a script that runs alone: `node train.ts` on a laptop, in a debugger, in a test.
 * Same loop, same calls; reports are printed, checkpoints lie in `./checkpoints/step-N`, and the search
 * is a fixed number of steps. Refused: guessing a server to talk to. A script run by hand should do
 * what it says on the terminal and leave nothing elsewhere.
 */
import { readdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { JsonObject } from "../base/json.ts";
import type { Orders } from "../protocol/trial-socket.ts";
import type { Platform, Session, Warn } from "./platform.ts";
import { shown } from "./trial-errors.ts";

export interface StandaloneOptions {
  readonly params: JsonObject;
  readonly seed: number;
  readonly data: JsonObject;
  /** Train to this step. */
  readonly steps: number;
  /** Go on from the latest folder in `checkpoints`. */
  readonly resume: boolean;
  readonly checkpoints: string;
}

export class StandalonePlatform implements Platform {
  readonly session: Session;
  readonly #print: (line: string) => void;
  #orders: Orders;

  constructor(options: StandaloneOptions, print: (line: string) => void, warn: Warn) {
    const checkpoints = resolve(options.checkpoints);
    const restore = options.resume ? latestCheckpoint(checkpoints) : null;
    if (options.resume && restore === null)
      warn(`nothing to resume in ${checkpoints}; training starts at step 1`);
    this.#print = print;
    this.session = {
      trial: null,
      experiment: null,
      params: options.params,
      seed: options.seed,
      rank: 0,
      size: 1,
      data: options.data,
      unit: "steps",
      checkpointDir: checkpoints,
      restore,
    };
    this.#orders = { target: options.steps, yield: null, reason: "running alone" };
    const from = restore === null ? "" : `, going on after step ${restore.step}`;
    warn(
      `running alone to step ${options.steps} with seed ${options.seed}${from} (CONTRAIL_STEPS or init's steps change the end)`,
    );
  }

  get orders(): Orders {
    return this.#orders;
  }

  report(step: number, metrics: { readonly [name: string]: unknown }): void {
    const parts = Object.entries(metrics).map(([name, value]) => `${name}=${readable(value)}`);
    this.#print([`step ${step}`, ...parts].join("  "));
  }

  async checkpoint(step: number, path: string, _metadata: JsonObject): Promise<string | null> {
    const final = join(this.session.checkpointDir, `step-${step}`);
    rmSync(final, { recursive: true, force: true });
    renameSync(path, final);
    return null;
  }

  async agree(): Promise<Orders> {
    return this.#orders;
  }

  async wait(step: number): Promise<boolean> {
    this.#orders = { target: step, yield: "stop", reason: "all steps are done" };
    return true;
  }

  invalidHyperparameters(_reason: string): void {}

  bye(): void {}

  turn(): Promise<void> {
    return new Promise((done) => {
      setImmediate(done);
    });
  }

  async flush(): Promise<void> {}
}

function latestCheckpoint(folder: string): { step: number; path: string } | null {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return null;
  }
  const steps = names
    .map((name) => /^step-([0-9]+)$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number);
  if (steps.length === 0) return null;
  const step = Math.max(...steps);
  return { step, path: join(folder, `step-${step}`) };
}

const readable = (value: unknown): string =>
  typeof value === "number" ? String(Number(value.toPrecision(6))) : shown(value);
