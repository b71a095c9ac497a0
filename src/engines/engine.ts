/**
 * Where allocations run. An engine knows machines and processes and nothing about trials: it says
 * which slots there are, keeps one runner alive on each node, and tells whether that runner lives.
 * What runs, and when it ends, the runner and the server settle between them over HTTP; an engine
 * that launched trials itself would need a second way for every fact to come back.
 *
 * Only two answers of `observe` are allowed to change anything: `alive` and `gone`, and `gone` comes
 * with its proof. An engine that cannot tell says `unknown`, and then nothing follows but that the runner's lease runs
 * on (core/lease).
 */
export interface Slot {
  /** The runner that starts processes on it; absent = the engine has one, the server's own. */
  readonly runner?: string;
  /** Unique over all runners, e.g. "gpu:0" or "cpu:3"; stays the same from one start to the next. */
  readonly id: string;
  readonly kind: "gpu" | "cpu";
  /** For people: the model of the device. */
  readonly name: string;
  /** Of the device itself; null for a share of a CPU. */
  readonly memoryBytes: number | null;
  /** The maker's own id of the device; null for a share of a CPU. */
  readonly device: string | null;
}

export interface Capacity {
  readonly node: string;
  readonly slots: readonly Slot[];
  /** Where the number comes from, in one sentence. */
  readonly reason: string;
}

export interface RunnerSpec {
  /** Absolute, this runner's alone. It keeps everything it knows below `<dataDir>/runner`. */
  readonly dataDir: string;
  readonly runnerId: string;
  /** What the runner shows to the server; written to a file that only this user can read. */
  readonly token: string;
  /** JSON with the server's `url`; read again whenever the server does not answer. */
  readonly serverFile: string;
  readonly nodeBinary: string;
  readonly repoRoot: string;
}

export type RunnerObservation =
  /** `boot`: which start of the runner it is, in the runner's own words. */
  | { readonly state: "alive"; readonly pid: number; readonly boot: string }
  | { readonly state: "gone"; readonly proof: string }
  | { readonly state: "unknown"; readonly why: string };

export interface EnsuredRunner {
  readonly pid: number;
  /** True when it was running already. */
  readonly adopted: boolean;
}

export interface Engine {
  readonly name: string;
  /** @throws CapacityUnknown */
  capacity(): Promise<Capacity>;
  /** Adopts the runner that lives, or starts one. @throws RunnerStartError */
  ensureRunner(spec: RunnerSpec): Promise<EnsuredRunner>;
  /** @param dataDir the runner's */
  observe(dataDir: string): RunnerObservation;
  /** Ends the runner and with it everything that it runs; waits until it is gone. */
  stopRunner(dataDir: string): Promise<void>;
}

/** What there is to give cannot be found out. */
export class CapacityUnknown extends Error {
  override name = "CapacityUnknown";
}

export class RunnerStartError extends Error {
  override name = "RunnerStartError";
}
