/**
 * What training code (rank by rank) and the runner beside it say to each other: one JSON object a
 * line, UTF-8, over the Unix socket named by CONTRAIL_SOCKET. The training side never waits, except
 * for `wait` and `checkpoint`, which it asks for itself.
 *
 * Order of a session: hello → welcome, then anything. The runner may push `orders` at any time; the
 * last one heard holds (they are absolute). A second hello on a new connection is allowed.
 */
import type { JsonObject, WireNumber } from "../base/json.ts";

/** Of a checkpoint's metadata as JSON. */
export const METADATA_BYTES_MAX = 1024 * 1024;

/** Environment that the runner gives to every rank. */
export const TRIAL_ENV = {
  /** By this the processes of an allocation are found, whatever group they are in: the path of its socket. */
  mark: "CONTRAIL_MARK",
  /** Not where a task serves: what a person tries out there is no trial, and saves for itself. */
  socket: "CONTRAIL_SOCKET",
  experiment: "CONTRAIL_EXPERIMENT",
  trial: "CONTRAIL_TRIAL",
  allocation: "CONTRAIL_ALLOCATION",
  rank: "CONTRAIL_RANK",
  size: "CONTRAIL_SIZE",
  seed: "CONTRAIL_SEED",
  /** The hyperparameters as one JSON object, for programs without a helper. */
  params: "CONTRAIL_PARAMS",
  server: "CONTRAIL_SERVER",
  /** Speaks for this allocation alone and dies with it. */
  token: "CONTRAIL_TOKEN",
  /** Of a task that serves: the Unix socket on which its program listens for whoever opens it. */
  taskSocket: "CONTRAIL_TASK_SOCKET",
  /** JSON object: name in `data` of the configuration → absolute path (or the free-form value). */
  data: "CONTRAIL_DATA_PATHS",
} as const;

export type FromTrial =
  | { readonly type: "hello"; readonly rank: number; readonly sdk: string }
  /** Metrics at a step. NaN and infinities as words. Rank 0 speaks for all. */
  | {
      readonly type: "report";
      readonly step: number;
      readonly metrics: { readonly [name: string]: WireNumber };
    }
  /**
   * The files of a checkpoint are complete in `path` (below the welcome's `checkpointDir`); the runner
   * takes the folder over and answers `checkpointed`. Until then the caller must not touch it.
   */
  | {
      readonly type: "checkpoint";
      readonly step: number;
      readonly path: string;
      readonly metadata: JsonObject;
    }
  /** The target is reached and everything up to `step` is reported: what next? Answered by `orders`
   *  whose target is past `step`, or which say stop or pause. May take as long as the search likes. */
  | { readonly type: "wait"; readonly step: number }
  /**
   * Of several ranks, between two steps: what do we all do now? Each rank counts its turns from 1; the first that asks
   * at a turn fixes the answer for all. Answered at once by `agreed`.
   */
  | { readonly type: "agree"; readonly turn: number }
  /** These hyperparameters cannot work; the trial will be replaced. Followed by exit. From any rank; the first counts. */
  | { readonly type: "invalid_hyperparameters"; readonly reason: string }
  /** What only the program can tell of its surroundings, for the record: section → field → value. Sent to a runner whose
   *  welcome says `observes`; all of it once more where something was added, and the last one counts. */
  | {
      readonly type: "observed";
      readonly facts: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;
    }
  /** The loop has ended in good order; the process will exit with 0. */
  | { readonly type: "bye" };

export type ToTrial =
  | {
      readonly type: "welcome";
      readonly experiment: number;
      readonly trial: string;
      readonly allocation: string;
      readonly params: JsonObject;
      readonly seed: number;
      readonly rank: number;
      readonly size: number;
      readonly data: JsonObject;
      /** The unit's name, e.g. "epochs"; for messages only. */
      readonly unit: string;
      /**
       * True: the search sets no length and never will, so a target of null means that the program ends by itself
       * when it has trained as many steps as it asks for itself. Absent: false.
       */
      readonly openEnded?: boolean;
      /** Save a checkpoint at each of these steps, whatever else asks for one. Absent: none. */
      readonly checkpointSteps?: readonly number[];
      /** This runner takes `observed`. Absent: false. */
      readonly observes?: boolean;
      /** Make new checkpoint folders below this one (same file system as the runner's spool). */
      readonly checkpointDir: string;
      /** Start from here when present: the folder is read-only and holds what was saved at `step`. */
      readonly restore: { readonly step: number; readonly path: string } | null;
      readonly orders: Orders;
    }
  | ({ readonly type: "orders" } & Orders)
  | ({ readonly type: "agreed"; readonly turn: number } & Orders)
  | { readonly type: "checkpointed"; readonly step: number; readonly error: string | null };

/** Absolute: what to do now, whatever was said before. */
export interface Orders {
  /** Train to this step; null = no limit, go on until told otherwise. */
  readonly target: number | null;
  /** null: go on. pause: checkpoint, then exit 0 (it will go on later). stop: exit 0, the trial is over. */
  readonly yield: "pause" | "stop" | null;
  /** Why, in one sentence. */
  readonly reason: string;
}
