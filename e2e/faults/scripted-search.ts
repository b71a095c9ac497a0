/**
 * The life of a search from beginning to end, as a script: a person signs in, submits it, a scripted runner trains it, a
 * second and smaller experiment follows and is deleted, and at last a whole run of retention takes what nothing needs.
 * Each act may be cut off by the death of the server and is then begun again, as people and runners do.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Experiment, ExperimentsActReply, GcRun, Runner } from "../../src/protocol/api.ts";
import { ScriptedRunner } from "./scripted-runner.ts";
import { type Door, ScriptedWire } from "./scripted-wire.ts";

/** @returns whether it is done; otherwise it is called again */
type Act = () => Promise<boolean>;

const POLL_MS = 50;
const DELETED = 2;

export class ScriptedSearch {
  readonly #wire = new ScriptedWire();
  readonly #runner: ScriptedRunner;
  readonly #acts: Act[];
  #token = "";
  #gcAsked = false;
  /** The runner had nothing to do when it was last asked, though the server heard it. */
  #idle = false;
  /** Broken promises, in words. */
  readonly broken: string[] = [];

  /** @param small configuration of the experiment that is deleted */
  constructor(config: string, small: string) {
    this.#runner = new ScriptedRunner({
      wire: this.#wire,
      broken: (what) => this.broken.push(what),
      careless: DELETED,
    });
    this.#acts = [
      () => this.#signIn(),
      this.#create(config),
      () => this.#train(1),
      this.#create(small),
      () => this.#train(DELETED),
      () => this.#delete(),
      () => this.#collect(),
      () => this.#verify(),
    ];
  }

  /** The server has been started (again): what it had promised is asked for. @throws NoAnswer */
  async meet(door: Door): Promise<void> {
    const first = this.#wire.door === undefined;
    this.#wire.door = door;
    if (!first) await this.#runner.checkPromises();
  }

  /** One thing more. @returns false when all is over @throws NoAnswer: call `meet`, then go on */
  async advance(): Promise<boolean> {
    const [act] = this.#acts;
    if (act === undefined) return false;
    if (await act()) this.#acts.shift();
    return true;
  }

  close(): void {
    this.#wire.close();
  }

  async #signIn(): Promise<boolean> {
    const body = { one_time_token: this.#wire.door?.oneTimeToken };
    this.#token = (await this.#wire.json<{ token: string }>("POST", "/login", { body })).token;
    return true;
  }

  #create(config: string): Act {
    const key = randomUUID();
    return async () => {
      const body = { config, code: null, activate: true };
      await this.#wire.json("POST", "/experiments", { body, token: this.#token, key });
      return true;
    };
  }

  async #train(id: number): Promise<boolean> {
    const wasIdle = this.#idle;
    this.#idle = false;
    if (await this.#runner.advance()) return false;
    const { ended_at: at, state } = await this.#json<Experiment>("GET", `/experiments/${id}`);
    if (at !== null) return true;
    // A slow machine made it silent: it is granted nothing until it counts as heard, and is asked once more from then on.
    if (wasIdle) {
      this.broken.push(`nothing is left to do and experiment ${id} is ${state}`);
      return true;
    }
    const { items } = await this.#json<{ items: Runner[] }>("GET", "/runners");
    this.#idle = items.every((runner) => runner.state === "heard");
    await sleep(POLL_MS);
    return false;
  }

  async #delete(): Promise<boolean> {
    this.#runner.forget(DELETED);
    const path = "/experiments/delete";
    const { items } = await this.#json<ExperimentsActReply>("POST", path, { ids: [DELETED] });
    for (const { problem } of items) if (problem) this.broken.push(`delete: ${problem.detail}`);
    return true;
  }

  /** Once it was answered that a run is asked for, it is done without anybody asking again. */
  async #collect(): Promise<boolean> {
    if (!this.#gcAsked) {
      await this.#json<GcRun>("POST", "/gc/run", {});
      this.#gcAsked = true;
    }
    const { state, problem } = await this.#json<GcRun>("GET", "/gc/run");
    if (problem !== null) this.broken.push(`gc: ${problem}`);
    if (state === "idle") return true;
    await sleep(POLL_MS);
    return false;
  }

  async #verify(): Promise<boolean> {
    const { ok } = await this.#json<{ ok: boolean }>("GET", "/audit/verify?limit=100000");
    if (!ok) this.broken.push("the log of changes does not verify");
    return true;
  }

  #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    return this.#wire.json<T>(method, path, { body, token: this.#token });
  }
}
