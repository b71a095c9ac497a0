/**
 * What users of Determined may have in their files, or the plan promises, and is not served yet. Each is
 * refused by name with what to do instead: a setting that is quietly ignored is worse than one that
 * is missing. Values that would change nothing are accepted and dropped, so that files full of defaults
 * run as they are.
 */
import type { Json } from "../../base/json.ts";

export interface NotServed {
  /** Dotted path of the field. */
  readonly field: string;
  /** The end of "… is known but not served yet: ". */
  readonly reason: string;
  /** A sentence: what to do instead of removing it; absent where there is nothing. */
  readonly instead?: string;
  /** Values with the same meaning as leaving the field out. */
  readonly harmless?: readonly Json[];
}

export const NOT_SERVED: readonly NotServed[] = [
  {
    field: "checkpoint_policy",
    reason:
      "a trial saves where the search needs it (at its target and before a pause) and at least once a minute",
    instead: "Save at other steps from the training code: trial.checkpoint(step, save, always).",
  },
  ...[
    ...["type", "host_path", "storage_path", "propagation", "container_path", "checkpoint_path"],
    ...["tensorboard_path", "bucket", "prefix", "endpoint_url", "access_key", "secret_key"],
    ...["container", "connection_string", "account_url", "credential"],
  ].map((word) => ({
    field: `checkpoint_storage.${word}`,
    reason: "checkpoints lie in the data folder of the server",
  })),
  {
    field: "constraints",
    reason: "no constraint between parameters is checked before a trial starts",
    instead:
      "Let the training code report the combination as invalid; the search replaces the trial.",
  },
  { field: "data_layer", reason: "Determined ignores it too" },
  { field: "integrations", reason: "there are no webhooks and no Pachyderm", harmless: [{}] },
  { field: "internal", reason: "it belongs to very old Determined files" },
  {
    field: "log_policies",
    reason: "logs are stored and shown, but no rule acts on them",
    harmless: [[]],
  },
  {
    field: "min_checkpoint_period",
    reason: "the training code says when it saves",
    instead: "Call trial.checkpoint where it matters.",
    harmless: [0, { batches: 0 }],
  },
  {
    field: "min_validation_period",
    reason: "the training code says when it reports",
    harmless: [0, { batches: 0 }],
  },
  {
    field: "optimizations",
    reason: "these belong to trial classes that Determined itself has retired",
    harmless: [{}],
  },
  { field: "pbs", reason: "there is no PBS engine", harmless: [{}] },
  {
    field: "perform_initial_validation",
    reason: "the training code says when it reports",
    instead: "Report at step 0 in the training code.",
    harmless: [false],
  },
  {
    field: "profiling",
    reason: "no system metrics are recorded",
    harmless: [{}, { enabled: false }],
  },
  {
    field: "records_per_epoch",
    reason: "lengths are counted in one unit",
    instead: "Give searcher.max_length in the unit that the training code reports.",
    harmless: [0],
  },
  { field: "retention_policy", reason: "logs are kept for ever" },
  { field: "scheduling_unit", reason: "the training code says when it reports", harmless: [100] },
  { field: "security", reason: "it belongs to very old Determined files" },
  { field: "tensorboard_storage", reason: "there is no TensorBoard task" },
  {
    field: "resources.agent_label",
    reason: "there is one machine",
    instead: "Use resources.resource_pool when there are several pools.",
    harmless: [""],
  },
  {
    field: "resources.native_parallel",
    reason: "every slot gets a process of its own",
    harmless: [false],
  },
  {
    field: "resources.slots",
    reason: "Determined has it for commands only",
    instead: "Use resources.slots_per_trial.",
  },
  {
    field: "resources.weight",
    reason: "there is no fair-share scheduler",
    instead: "Use resources.priority.",
    harmless: [1],
  },
  { field: "environment.ports", reason: "no port of a trial is published", harmless: [{}] },
  {
    field: "environment.proxy_ports",
    reason: "no port of a trial is passed through",
    harmless: [[]],
  },
  {
    field: "searcher.source_trial_id",
    reason: "a search starts from a checkpoint, and a trial may have several",
    instead: "Name one by its id in searcher.source_checkpoint_uuid.",
  },
];

/** Searchers that Determined retired, and what does their work now. */
export const REMOVED_SEARCHERS: { readonly [name: string]: string } = {
  custom: "Use random with max_trials, or drive single experiments over the HTTP API.",
  adaptive: "Use adaptive_asha with max_trials.",
  adaptive_simple: "Use adaptive_asha with the same max_trials and max_length.",
  sync_halving: "Use hyperband for synchronous rungs, or asha.",
};

/** Methods people know from elsewhere. */
export const SEARCHERS_NOT_SERVED: { readonly [name: string]: string } = {
  pbt: "Use asha or adaptive_asha.",
  tpe: "Use asha or random.",
  bayes: "Use asha or random.",
  bayesian: "Use asha or random.",
  bohb: "Use hyperband or asha.",
  dehb: "Use hyperband or asha.",
  gp: "Use asha or random.",
  cmaes: "Use random or asha.",
  evolution: "Use random or asha.",
  optuna: "Use asha or random.",
};

/** What other tools call a field of ours, by the block it is written in. */
export const OTHER_WORDS: { readonly [block: string]: { readonly [word: string]: string } } = {
  "": {
    parameters: "hyperparameters",
    params: "hyperparameters",
    hparams: "hyperparameters",
    hyperparams: "hyperparameters",
    search: "searcher",
    method: "searcher.name",
    metric: "searcher.metric",
    command: "entrypoint",
    program: "entrypoint",
    tags: "labels",
    notes: "description",
    env: "environment.environment_variables",
    seed: "reproducibility.experiment_seed",
    dataset: "data",
    datasets: "data",
    retries: "max_restarts",
    kind: "task.kind",
    idle_timeout: "task.idle_timeout",
    priority: "resources.priority",
    slots: "resources.slots_per_trial",
    gpus: "resources.slots_per_trial",
  },
  searcher: {
    method: "name",
    type: "name",
    algorithm: "name",
    objective: "metric",
    goal: "smaller_is_better",
    mode_: "mode",
    eta: "divisor",
    reduction_factor: "divisor",
    num_trials: "max_trials",
    n_trials: "max_trials",
    trials: "max_trials",
    num_samples: "max_trials",
    max_t: "max_length",
    max_iter: "max_length",
    max_steps: "max_length",
    max_epochs: "max_length",
    epochs: "max_length",
    steps: "max_length",
    parallel: "max_concurrent_trials",
  },
  resources: {
    gpus: "slots_per_trial",
    gpu: "slots_per_trial",
    pool: "resource_pool",
    slots_per_task: "slots_per_trial",
  },
  environment: {
    env: "environment_variables",
    variables: "environment_variables",
    vars: "environment_variables",
  },
  reproducibility: { seed: "experiment_seed" },
  hyperparameter: {
    values: "vals",
    choices: "vals",
    options: "vals",
    min: "minval",
    max: "maxval",
    low: "minval",
    high: "maxval",
    lower: "minval",
    upper: "maxval",
    value: "val",
    distribution: "type",
    if: "when",
    condition: "when",
    depends_on: "when",
    parameters: "params",
    children: "params",
    num: "count",
    steps: "count",
  },
};
