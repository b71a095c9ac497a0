/**
 * The tables as Kysely sees them: what comes out of a `select`. Rows are written by hand-made SQL (see
 * `write-batch.ts`), so nothing here says what may be left out of an insert, except for the few tables
 * that routes write directly.
 */
import type { ColumnType, Generated } from "kysely";
import type { Json, JsonObject } from "../base/json.ts";
import type { ExperimentCore } from "../core/lifecycle/experiment.ts";
import type { TrialState } from "../core/lifecycle/trial.ts";
import type { SearchState } from "../core/search/methods.ts";
import type { SearchAction, SearchEvent, SearchSpec, Standing } from "../core/search/search.ts";
import type { VerdictDetail, VerdictState } from "../protocol/api/verdict.ts";
import type { RecordPart } from "../protocol/record-part.ts";

/** jsonb: read as a value, written as text through `json()`. */
type Jsonb<T> = ColumnType<T, string, string>;

export interface ExperimentRow {
  id: number;
  name: string;
  description: string | null;
  labels: string[];
  workspace: string;
  project: string;
  owner_id: number;
  state: string;
  reason: string;
  config: JsonObject;
  config_text: string;
  data: JsonObject;
  seed: number;
  code: string | null;
  provenance: JsonObject;
  plan: JsonObject;
  searcher_reason: string;
  search_spec: SearchSpec;
  search_state: SearchState;
  search_events: number;
  core: ExperimentCore;
  progress: number;
  best_trial: number | null;
  best_step: number | null;
  best_objective: number | null;
  steps: number;
  slot_ms: number;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  /** What people wrote about it afterwards. */
  notes: string;
  /** Its place in the queue; begins as the configuration's. */
  priority: number;
}

export interface TrialRow {
  id: number;
  experiment_id: number;
  number: number;
  state: string;
  end_reason: string | null;
  reason: string;
  hyperparameters: JsonObject;
  seed: number;
  bracket: number;
  target: number | null;
  step: number;
  objective: number | null;
  best_step: number | null;
  best_objective: number | null;
  restarts: number;
  core: TrialState;
  slot_ms: number;
  refused_metrics: Record<string, string>;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
}

export interface AllocationRow {
  id: number;
  experiment_id: number;
  trial_number: number;
  run: number;
  runner: string;
  slots: string[];
  state: "assigned" | "running" | "ended";
  start_step: number;
  restore_tree: string | null;
  target: number | null;
  yield: "pause" | "stop" | null;
  kill: boolean;
  orders_reason: string;
  orders_version: number;
  acked: number;
  pid: number | null;
  end_kind: string | null;
  exit_code: number | null;
  signal: string | null;
  exit_detail: JsonObject | null;
  log_lines: number | null;
  reason: string;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  exit_heard_at: Date | null;
}

/** The lease of a runner: what has to be known of it after a restart. */
export interface RunnerRow {
  id: string;
  standing: "held" | "silent" | "lost";
  lease: number;
  boot: string | null;
  cause: string;
  since: Date;
  heard_at: Date | null;
}

export interface CheckpointRow {
  trial_id: number;
  run: number;
  step: number;
  tree: string;
  files: number;
  bytes: number;
  metadata: JsonObject;
  created_at: Date;
  /** When its bytes went; the row stays. */
  deleted_at: Date | null;
  deleted_why: string | null;
}

export interface AncestryRow {
  experiment_id: number;
  kind: "fork" | "replay" | "copy" | "import";
  parent_experiment: number | null;
  parent_trial: number | null;
  parent_label: string | null;
  overrides: readonly Override[];
  at: Date;
}

/** A place of the resolved configuration; a value that is not there is absent. */
export interface Override {
  readonly path: string;
  readonly from?: Json;
  readonly to?: Json;
}

export interface VerdictRow {
  experiment_id: number;
  trial_number: number;
  at: Date;
  replay_id: number | null;
  state: VerdictState;
  text: string;
  detail: VerdictDetail;
  asked_by: string;
}

export interface PinRow {
  experiment_id: number;
  tree: string;
  pinned: boolean;
  by: string;
  at: Date;
}

export interface MarksRow {
  experiment_id: number;
  archived_at: Date | null;
  deleted_at: Date | null;
  deleted_by: string | null;
  purged_at: Date | null;
  emptied_at: Date | null;
}

type Columns<Row, JsonColumns extends keyof Row> = {
  [K in keyof Row]: K extends JsonColumns ? Jsonb<Row[K]> : Row[K];
};

export interface Database {
  settings: { key: string; value: Jsonb<Json> };
  users: {
    id: Generated<number>;
    name: string;
    password_hash: string | null;
    created_at: Date;
  };
  tokens: {
    id: string;
    user_id: number;
    name: string;
    scope: "user" | "read" | "one_time";
    hash: Buffer;
    created_at: Date;
    expires_at: Date | null;
    last_used_at: Date | null;
  };
  datasets: {
    id: Generated<number>;
    name: string;
    version: number;
    kind: "stored" | "directory" | "s3";
    place: string | null;
    snapshot: string;
    content: string;
    files: number;
    bytes: number;
    statistics: Jsonb<JsonObject> | null;
    created_by: number;
    created_at: Date;
    removed_at: Date | null;
    removed_by: string | null;
  };
  experiments: Columns<
    ExperimentRow,
    "config" | "data" | "provenance" | "plan" | "search_spec" | "search_state" | "core"
  >;
  ancestry: Columns<AncestryRow, "overrides">;
  verdicts: Columns<VerdictRow, "detail">;
  trials: Columns<TrialRow, "hyperparameters" | "core" | "refused_metrics">;
  allocations: Columns<AllocationRow, "exit_detail">;
  search_events: {
    experiment_id: number;
    seq: number;
    at_ms: number;
    event: Jsonb<SearchEvent>;
    actions: Jsonb<readonly SearchAction[]>;
  };
  decisions: {
    experiment_id: number;
    trial_number: number;
    seq: number;
    at: Date;
    what: "create" | "train" | "pause" | "stop";
    target: number | null;
    code: string;
    text: string;
    standing: Jsonb<Standing> | null;
  };
  metric_names: { id: number; name: string };
  reports: { trial_id: number; run: number; seq: number; step: number; at: Date };
  metrics: {
    trial_id: number;
    name_id: number;
    step: number;
    run: number;
    seq: number;
    value: number;
  };
  logs: {
    allocation_id: number;
    seq: number;
    experiment_id: number;
    position: number;
    at: Date;
    rank: number;
    stream: number;
    complete: boolean;
    bytes: Buffer;
  };
  checkpoints: Columns<CheckpointRow, "metadata">;
  pins: PinRow;
  experiment_marks: MarksRow;
  retained: { experiment_id: number; at: Date | null };
  trees: { hash: string; at: Date };
  tree_blobs: { tree: string; blob: string; size: number };
  past_tree_blobs: { tree: string; blob: string; size: number };
  blob_leases: {
    holder: string;
    blob: string;
    experiment_id: number | null;
    trial_number: number | null;
    run: number | null;
    uses: number;
    at: Date;
  };
  imports: {
    experiment_id: number;
    content: string;
    origin: Jsonb<JsonObject>;
    record: string;
    by: string;
    at: Date;
    done_at: Date | null;
  };
  idempotency: {
    user_id: number;
    key: string;
    request_hash: Buffer;
    reply: Jsonb<Json>;
    created_at: Date;
  };
  runners: RunnerRow;
  environments: { hash: string; document: Jsonb<RecordPart>; at: Date };
  records: {
    experiment_id: number;
    trial_number: number;
    run: number;
    source: "runner" | "program";
    environment: string | null;
    document: Jsonb<RecordPart>;
    at: Date;
  };
  changes: {
    seq: number;
    at: Date;
    actor: string;
    experiment_id: number | null;
    subject: string;
    what: string;
    cause: string;
    hash: Buffer;
  };
}
