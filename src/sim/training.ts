/**
 * A training program of the simulated node, as the SDKs make them: says hello, trains step by step, reports, saves when it
 * is due, waits at its target, heeds orders between two steps; or behaves in one of the ways that programs do.
 *
 * It follows `src/sdk/trial.ts` in what it says and when, and is told apart from it only by having nothing to
 * train. Objectives are a function of seed, trial and step, so that a trial that begins again measures the same.
 */

import { keyed } from "../base/random.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import type { Orders, ToTrial } from "../protocol/trial-socket.ts";
import type { TrialMessage } from "../runner/trial-message.ts";
import { behaviourOf, type Scenario } from "./scenario.ts";
import type { Life, Timeline } from "./timeline.ts";

/** What the program is given by its node. */
export interface TrainingNode {
  readonly timeline: Timeline;
  readonly scenario: Scenario;
  /** Sends a line to the socket. */
  send(message: Exclude<TrialMessage, { type: "hello" | "checkpoint" | "agree" }>): void;
  hello(): Promise<Extract<ToTrial, { type: "welcome" }> | undefined>;
  /** Hands a folder over, and is told whether it was kept. */
  checkpoint(step: number): Promise<boolean>;
  print(text: string): void;
  /** Ends this rank; the others are ended by the runner. */
  exit(code: number | null, signal?: NodeJS.Signals, outOfMemory?: boolean): void;
}

const BOOT_MS = 200;
const PRINT_EVERY_STEPS = 3;
/** Programs without a helper train this many steps and end. */
const DEAF_STEPS = 5;

export class Training {
  readonly #node: TrainingNode;
  readonly #life: Pick<Life, "alive">;
  readonly #launch: LaunchSpec;
  readonly #run: number;
  readonly #plan: ReturnType<typeof behaviourOf>;
  #orders: Orders = { target: null, yield: null, reason: "" };
  #step = 0;
  #savedStep = 0;
  #said = 0;
  /** Something that came while it waits at its target. */
  #wake: (() => void) | null = null;

  constructor(node: TrainingNode, life: Pick<Life, "alive">, launch: LaunchSpec) {
    this.#node = node;
    this.#life = life;
    this.#launch = launch;
    this.#run = Number(launch.allocation.split(".")[2]);
    this.#plan = behaviourOf(node.scenario, launch.trial);
  }

  get behaviour(): string {
    return this.#plan.behaviour;
  }

  start(): void {
    void this.#main();
  }

  heard(orders: Orders): void {
    this.#orders = orders;
    this.#wake?.();
  }

  async #main(): Promise<void> {
    const { timeline } = this.#node;
    const { behaviour, code } = this.#plan;
    await timeline.delay(BOOT_MS);
    if (!this.#life.alive) return;
    if (behaviour === "crashes at the start") return this.#node.exit(code);
    if (behaviour === "deaf") return this.#deaf();
    const welcome = await this.#node.hello();
    if (!this.#life.alive) return;
    if (welcome === undefined) return this.#node.exit(1);
    this.#orders = welcome.orders;
    this.#step = welcome.restore?.step ?? 0;
    this.#savedStep = this.#step;
    if (behaviour === "invalid hyperparameters") {
      this.#node.send({ type: "invalid_hyperparameters", reason: "these cannot work" });
      return this.#node.exit(1);
    }
    while (await this.#goesPast()) {
      this.#step += 1;
      await this.#train();
      if (!this.#life.alive) return;
    }
    if (!this.#life.alive) return;
    this.#node.send({ type: "bye" });
    this.#node.exit(0);
  }

  /** As `Trial.#goesPast`; the ranks, of which only the first is played, agree on its moment. @returns false also when it died */
  async #goesPast(): Promise<boolean> {
    for (;;) {
      const { target, yield: yielding } = this.#orders;
      const atTarget = target !== null && this.#step >= target;
      const leaving = yielding !== null;
      if (this.#due(atTarget, leaving)) await this.#save();
      if (!this.#life.alive || leaving) return false;
      if (!atTarget) return true;
      this.#node.send({ type: "wait", step: this.#step });
      await this.#answer();
      if (!this.#life.alive) return false;
    }
  }

  #due(atTarget: boolean, leaving: boolean): boolean {
    if (this.#step <= this.#savedStep || this.#plan.behaviour === "saves nothing") return false;
    const every = this.#node.scenario.checkpointEverySteps;
    return atTarget || leaving || (every > 0 && this.#step - this.#savedStep >= every);
  }

  async #save(): Promise<void> {
    const { behaviour, code, inSave } = this.#plan;
    const crashes =
      behaviour === "crashes always" || (behaviour === "crashes once" && this.#run === 1);
    if (crashes && inSave) return this.#node.exit(code);
    if (await this.#node.checkpoint(this.#step)) this.#savedStep = this.#step;
  }

  /** Until orders come that say what to do here. */
  async #answer(): Promise<void> {
    const step = this.#step;
    const says = ({ target, yield: yielding }: Orders): boolean =>
      yielding !== null || target === null || target > step;
    while (!says(this.#orders))
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    this.#wake = null;
  }

  async #train(): Promise<void> {
    const { scenario, timeline } = this.#node;
    const { behaviour, step, code, inSave } = this.#plan;
    const random = keyed(scenario.seed, "step", this.#launch.allocation, this.#step);
    const slow = behaviour === "slow" ? 6 : 1;
    await timeline.delay(scenario.stepMs * slow * (0.5 + random.unit()));
    if (!this.#life.alive) return;
    const now = this.#step >= step;
    switch (behaviour) {
      case "crashes once":
        if (now && this.#run === 1 && !inSave) return this.#node.exit(code);
        break;
      case "crashes always":
        if (now && !inSave) return this.#node.exit(code);
        break;
      case "killed by a signal":
        if (now && this.#run <= 2) return this.#node.exit(null, "SIGSEGV");
        break;
      case "out of memory":
        if (now && this.#run <= 2) return this.#node.exit(null, "SIGKILL", true);
        break;
      case "exits early":
        if (now) return this.#node.exit(0);
        break;
      case "hangs":
        if (now) await new Promise(() => undefined);
    }
    this.#report();
  }

  #report(): void {
    const { scenario } = this.#node;
    const { behaviour, step } = this.#plan;
    this.#said += 1;
    const random = keyed(scenario.seed, "objective", this.#launch.trial, this.#step);
    const loss = `${1 / this.#step + random.unit()}`;
    const nan = behaviour === "says NaN" && this.#step >= step;
    const objective = behaviour === "never reports" ? "" : `"loss":${nan ? '"NaN"' : loss},`;
    // `said` counts the reports of this allocation: by it a lost or doubled one is known.
    const metrics = `{${objective}"time":${this.#step + 0.5},"said":${this.#said}}`;
    this.#node.send({ type: "report", step: this.#step, metrics, refused: null });
    if (this.#step % PRINT_EVERY_STEPS === 1) this.#node.print(`step ${this.#step}\n`);
  }

  /** A program that knows nothing of us. */
  async #deaf(): Promise<void> {
    for (let i = 0; i < DEAF_STEPS; i++) {
      await this.#node.timeline.delay(this.#node.scenario.stepMs);
      if (!this.#life.alive) return;
      this.#node.print(`${i}\n`);
    }
    this.#node.exit(0);
  }
}
