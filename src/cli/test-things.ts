/** Things of the API as a server would send them, for tests of this room. Not a test itself. */
import type {
  Checkpoint,
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
} from "../protocol/api.ts";

const AT = "2026-11-23T09:00:00.000Z";
export const HASH = "a".repeat(64);

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
  trials: { total: 5, queued: 1, running: 2, paused: 1, completed: 1, canceled: 0, error: 0 },
  best: { trial: "3.2", step: 3, objective: 0.8125 },
  plan: aPlan,
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
  archived_at: null,
  deleted: null,
  notes: "",
  priority: 42,
  ...over,
});

export const aDetail = (over: Partial<ExperimentDetail> = {}): ExperimentDetail => ({
  ...anExperiment(),
  config: {},
  config_text: "name: digits\n",
  data: {},
  seed: 7,
  provenance: {},
  ...over,
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
  items: [{ at: AT, trial: "3.2", step: 3, objective: 0.8125, steps: 9, slot_seconds: 12 }],
  ...over,
});
