/** A whole run: who asked for it, how far it is, what came of it. */
import type { GcRequest } from "../../store/retention-store.ts";
import type { Freed } from "./sweeper.ts";

export type GcPhase = "waiting" | "checkpoints" | "experiments" | "snapshots" | "leftovers";

export interface GcStatus {
  readonly state: "idle" | "running";
  readonly requested_by: string | null;
  readonly requested_at: string | null;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly phase: GcPhase;
  /** Of the phase, where it can be counted. */
  readonly done: number;
  readonly total: number | null;
  readonly deleted: {
    readonly checkpoints: number;
    readonly experiments: number;
    readonly blobs: number;
    readonly bytes: number;
    readonly half_written: number;
  };
  /** Why it could not go on at the last try; it is tried again. */
  readonly problem: string | null;
}

export class GcTally {
  checkpoints = 0;
  experiments = 0;
  halfWritten = 0;
  problem: string | null = null;
  readonly freed: Freed = { blobs: 0, bytes: 0 };
  readonly #request: GcRequest | null;
  readonly #startedAtMs: number;
  #endedAtMs: number | null = null;
  #phase: GcPhase = "waiting";
  #done = 0;
  #total: number | null = null;

  constructor(request: GcRequest | null, startedAtMs: number) {
    this.#request = request;
    this.#startedAtMs = startedAtMs;
  }

  begin(phase: GcPhase, total: number | null): void {
    this.#phase = phase;
    this.#done = 0;
    this.#total = total;
  }

  step(): void {
    this.#done += 1;
  }

  end(atMs: number): void {
    this.#endedAtMs = atMs;
  }

  get sentence(): string {
    return (
      `deleted were ${this.checkpoints} checkpoints and ${this.experiments} experiments, ` +
      `${this.freed.blobs} blobs of ${this.freed.bytes} bytes, and ${this.halfWritten} half-written files`
    );
  }

  status(running: boolean): GcStatus {
    const request = this.#request;
    const time = (ms: number): string => new Date(ms).toISOString();
    return {
      state: running ? "running" : "idle",
      requested_by: request?.by ?? null,
      requested_at: request?.at ?? null,
      started_at: request ? time(this.#startedAtMs) : null,
      ended_at: this.#endedAtMs === null ? null : time(this.#endedAtMs),
      ...{ phase: this.#phase, done: this.#done, total: this.#total },
      deleted: {
        ...{ checkpoints: this.checkpoints, experiments: this.experiments, ...this.freed },
        half_written: this.halfWritten,
      },
      problem: this.problem,
    };
  }
}
