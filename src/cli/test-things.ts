/** Things of the API as a server would send them, for tests of this room. Not a test itself. */
import { createHash } from "node:crypto";
import type {
  Checkpoint,
  CreateForkReply,
  Dataset,
  DiffReply,
  Experiment,
  ExperimentAllocation,
  ExperimentDecision,
  ExperimentDetail,
  LogEntry,
  Plan,
  ProgressReply,
  Rung,
  Runner,
  Trial,
  TrialDetail,
  Verdict,
} from "../protocol/api.ts";

const AT = "2026-11-23T09:00:00.000Z";
export const HASH = "a".repeat(64);

const WEIGHTS = "weights";
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
export const DATASET_LIST = JSON.stringify([
  { executable: false, hash: sha256(WEIGHTS), path: "a.txt", size: WEIGHTS.length },
]);

export const aDataset = (over: Partial<Dataset> = {}): Dataset => ({
  ...{ name: "names", version: 2, kind: "stored", place: null },
  ...{ snapshot: sha256(DATASET_LIST), content: HASH, files: 1, bytes: WEIGHTS.length },
  ...{ created_at: AT, created_by: "ada", removed: null },
  ...over,
});

export const aPlan: Plan = {
  searcher: "asha",
  trials_max: 9,
  rungs: [
    { bracket: 0, rung: 0, step: 1, trials: 9 },
    { bracket: 0, rung: 1, step: 3, trials: 3 },
    { bracket: 0, rung: 2, step: 9, trials: 1 },
  ],
  steps_min: 21,
  steps_max: 45,
  steps_without_early_stopping: 81,
  slots_per_trial: 1,
  slots: 2,
};

export const anExperiment = (over: Partial<Experiment> = {}): Experiment => ({
  id: 3,
  task: null,
  name: "digits",
  description: null,
  labels: [],
  workspace: "default",
  project: "default",
  owner: "ada",
  state: "active",
  reason: "Trials are at work.",
  created_at: AT,
  started_at: AT,
  ended_at: null,
  progress: 0.42,
  unit: "epochs",
  searcher: { name: "asha", metric: "accuracy", smaller_is_better: false, reason: "named" },
  trials: {
    total: 5,
    queued: 1,
    running: 2,
    paused: 1,
    completed: 1,
    canceled: 0,
    error: 0,
    replacements: 0,
  },
  best: { trial: "3.2", step: 3, objective: 0.8125 },
  plan: aPlan,
  datasets: [],
  spent: {
    trials: 5,
    steps: 14,
    seconds: 20,
    slot_seconds: 38,
    money: null,
    energy_kwh_estimated: null,
    held: null,
  },
  code: HASH,
  verdict: null,
  archived_at: null,
  deleted: null,
  notes: "",
  priority: 42,
  ...over,
});

export const aDetail = (over: Partial<ExperimentDetail> = {}): ExperimentDetail => ({
  ...anExperiment(),
  config: { name: "digits", labels: [], max_restarts: 5, resources: { priority: 3 } },
  config_text: "name: digits\n",
  data: {},
  seed: 7,
  provenance: {},
  layers: [{ kind: "template", name: "base", version: 2, fields: [".resources.priority"] }],
  ancestry: null,
  descendants: { items: [], total: 0 },
  ...over,
});

export const aFork = (): CreateForkReply => ({
  experiment: anExperiment(),
  ...{ plan: aPlan, unit: "epochs", searcher_reason: "named", warnings: [], layers: [] },
  config: "name: digits\n",
  overrides: [
    { path: "hyperparameters.lr", from: 0.1, to: 0.2 },
    { path: "labels[0]", to: "new" },
  ],
});

export const aVerdict = (over: Partial<Verdict> = {}): Verdict => ({
  ...{ trial: "3.2", replay: 3, state: "identical", asked_by: "ada", at: AT },
  text: "2 checkpoints (steps 1 to 3), bit for bit",
  detail: {
    by: "checkpoints",
    compared: { checkpoints: 2, tensors: 4, points: 0 },
    ...{ first: null, metric: { name: "accuracy", step: 2 } },
    left_out: [{ step: 9, why: "the replay saved no checkpoint there" }],
    ...{ reasons: [], notes: ["a note"] },
  },
  ...over,
});

export const aDiff = (): DiffReply => ({
  a: { id: "3.2", experiment: 3, trial: "3.2", name: "digits", created_at: AT },
  b: { id: "4", experiment: 4, trial: "4.1", name: "other", created_at: AT },
  code: {
    ...{ a: HASH, b: HASH, same: 2, not_listed: 1 },
    files: [
      {
        ...{ path: "train.py", state: "changed", a: HASH, b: HASH, note: null },
        ...{ lines_added: 1, lines_removed: 1, diff: "@@ -1,1 +1,1 @@\n-a\n+b\n" },
      },
    ],
  },
  config: [{ path: "searcher.max_trials", a: 2, b: 3 }],
  data: [{ path: "names.dataset", b: "names@1" }],
  environment: [],
  not_listed: { config: 0, data: 0, environment: 0, hyperparameters: 0 },
  trials: {
    ...{ hyperparameters: [{ path: "lr", a: 0.1, b: 0.2 }], seeds: [] },
    metrics: [
      {
        ...{ name: "accuracy", both: 3, only_a: 1, only_b: 0 },
        first: { step: 2, a: 0.5, b: "NaN" },
        last: { a: { step: 4, value: 0.5 }, b: { step: 3, value: 0.25 } },
        best: { a: 0.5, b: null },
      },
    ],
    decisions: { same: 1, a: [{ what: "stop", target: null, code: "x", text: "no" }], b: [] },
  },
});

export const aTrial = (over: Partial<Trial> = {}): Trial => ({
  id: "3.2",
  experiment: 3,
  number: 2,
  state: "running",
  reason: "It has its slots.",
  end_reason: null,
  hyperparameters: { lr: 0.012345, optimizer: { name: "sgd", momentum: 0.9 } },
  seed: 11,
  bracket: 0,
  target: 9,
  step: 4,
  objective: 0.8,
  best: { step: 3, objective: 0.8125 },
  checkpoint: { id: HASH, step: 3 },
  restarts: 0,
  verdict: null,
  slot_seconds: 12.5,
  created_at: AT,
  started_at: AT,
  ended_at: null,
  ...over,
});

export const aTrialDetail = (over: Partial<TrialDetail> = {}): TrialDetail => ({
  ...aTrial(),
  allocations: [
    {
      id: "3.2.1",
      run: 1,
      slots: ["cpu:0"],
      runner: "local",
      state: "ended",
      start_step: 0,
      created_at: AT,
      started_at: AT,
      ended_at: "2026-11-23T09:00:10.000Z",
      end: "finished",
      exit_code: 0,
      signal: null,
      exit_heard_at: "2026-11-23T09:00:10.000Z",
      reason: "cpu:0 was free",
    },
  ],
  decisions: [
    {
      at: AT,
      what: "train",
      target: 9,
      code: "promoted",
      text: "Rank 1 of 6 at rung 1.",
      standing: {
        bracket: 0,
        rung: 1,
        step: 3,
        objective: 0.8125,
        rank: 1,
        of: 6,
        passing: 2,
        threshold: 0.79,
        competitors: [],
      },
    },
  ],
  refused_metrics: { note: "a string" },
  metric_names: ["accuracy", "loss"],
  last_lines: ["bye"],
  ...over,
});

export const someRungs: Rung[] = [
  {
    bracket: 0,
    rung: 0,
    step: 1,
    expected: 9,
    entries: [
      { trial: "3.1", objective: "NaN", outcome: "stopped" },
      { trial: "3.2", objective: 0.5, outcome: "promoted" },
      { trial: "3.3", objective: 0.25, outcome: "waiting" },
    ],
  },
  {
    bracket: 0,
    rung: 1,
    step: 3,
    expected: 3,
    entries: [{ trial: "3.2", objective: 0.8125, outcome: "waiting" }],
  },
];

export const aLog = (over: Partial<LogEntry> = {}): LogEntry => ({
  line: 1,
  cursor: "1-1",
  trial: "3.2",
  run: 1,
  at: "2026-11-23T09:00:01.250Z",
  rank: 0,
  stream: "stdout",
  text: "epoch 1",
  complete: true,
  ...over,
});

export const aCheckpoint = (over: Partial<Checkpoint> = {}): Checkpoint => ({
  id: HASH,
  trial: "3.2",
  run: 1,
  step: 3,
  created_at: AT,
  files: 2,
  bytes: 1234,
  metadata: {},
  objective: 0.8125,
  pinned: false,
  deleted: null,
  ...over,
});

export const aRunner = (over: Partial<Runner> = {}): Runner => ({
  id: "local",
  node: "here",
  state: "heard",
  reason: "it speaks as 1f2e",
  since: AT,
  lease: 1,
  heard_at: AT,
  lease_until: "2026-11-23T09:01:00.000Z",
  alive_at: null,
  slots: ["cpu:0", "cpu:1"],
  allocations: ["3.2.1"],
  ...over,
});

export const anAllocation = (over: Partial<ExperimentAllocation> = {}): ExperimentAllocation => ({
  ...(aTrialDetail().allocations[0] as Omit<ExperimentAllocation, "trial">),
  trial: "3.2",
  ...over,
});

export const aDecision = (over: Partial<ExperimentDecision> = {}): ExperimentDecision => ({
  ...(aTrialDetail().decisions[0] as Omit<ExperimentDecision, "trial">),
  trial: "3.2",
  ...over,
});

export const aProgress = (over: Partial<ProgressReply> = {}): ProgressReply => ({
  experiment: 3,
  metric: "accuracy",
  unit: "epochs",
  smaller_is_better: false,
  total: 1,
  items: [{ at: AT, trial: "3.2", step: 3, objective: 0.8125, steps: 9, slot_seconds: 12 }],
  ...over,
});
