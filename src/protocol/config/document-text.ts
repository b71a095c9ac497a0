/** The parts of docs/configuration.md that no schema knows. */

export const HEAD = `# Configuration

<!-- Generated from src/protocol/config by \`npm run generate\`; edit there. -->

An experiment is described by one YAML file. Its field names are those that users of Determined know, so that their files run; what Contrail adds (\`data\`, \`budget\`, conditions) sits beside them in the same style. \`contrail config lint FILE\` reports every fault at once, each with its line, its column, the value, the limit and the nearest valid word; \`docs/experiment.schema.json\` gives editors the same knowledge while you type. The fully resolved file, with every default in it, is stored with the experiment. What many have in common can be written once, as a template or as the defaults of a workspace or a pool: [templates.md](templates.md).
`;

export const EXAMPLE = `entrypoint: python3 train.py
data:
  train: digits@3            # a registered dataset; any other value is passed on as it is
searcher:
  name: adaptive_asha
  metric: accuracy
  smaller_is_better: false
  max_length: {epochs: 27}
  max_trials: 27
hyperparameters:
  batch_size: 64             # a constant
  learning_rate: {type: log, base: 10, minval: -4, maxval: -1}
  optimizer: {type: categorical, vals: [sgd, adam]}
  momentum: {type: double, minval: 0, maxval: 0.99, when: {optimizer: sgd}}
budget:
  time: 2h
  slot_hours: 16
`;

export const READING = `## How the file is read

- YAML 1.2, core schema, one document. \`true\` and \`false\` are the only booleans: \`yes\`, \`no\`, \`on\` and \`off\` are text, and a field that wants a boolean says so. \`1e-3\` and \`.5\` are numbers; \`1_000\` is text; \`0777\` is 777.
- \`null\`, an empty value and a missing field are the same thing everywhere but in \`hyperparameters\` and \`data\`.
- Unknown fields, the same field twice, tags (\`!!python/…\`, \`!env\`) and directives are errors. Anchors, aliases and merge keys (\`<<\`) are read.
- \`__proto__\`, \`constructor\` and \`prototype\` cannot be names; \`toString\` and the like can.
- Numbers are finite, and whole numbers beyond 2^53 must be quoted; text holds no NUL.
- At most 1 MiB, 20,000 lines, 20,000 tokens, 10,000 values (an alias counts as what it stands for) and 64 levels.
- A JSON body over HTTP follows the same rules.
`;

export const QUIRKS = `## Decided differently from Determined

| there | here |
| --- | --- |
| An explicit \`version: 0\` is refused as an unknown field. | 0 and 1 are both accepted; the resolved file says 1. |
| A grid's rule "count is needed" also applies where no searcher is named. | It applies to \`searcher.name: grid\` alone. |
| An empty \`vals\` list passes, and the search has nothing to draw. | Refused. |
| An empty grid creates no trial and ends. | A grid without hyperparameters is refused; one of constants alone is one trial, with a warning. |
| \`max_time\` may be 0 or negative, \`bracket_rungs\` anything. | Both are bounded below by 1. |
| More brackets than trials push the sum above \`max_trials\`. | A \`bracket_rungs\` longer than \`max_trials\` is refused. |
| \`max_time\` without \`time_metric\` is found out later. | The two go together; beside them \`max_length\` has no effect, and a warning says so. |
| A variable without \`=\` in \`environment_variables\` brought an agent down. | Refused. |
| \`random\` and \`grid\` may leave the length to the program. | The search says how long a trial trains, so a length is required; only \`single\` may leave it out. |
| \`stop_once\` is deprecated and every search stops. | \`asha\` and \`adaptive_asha\` promote by default; \`stop_once: true\` stops. \`async_halving\` stops. |
| \`entrypoint: module:Class\` starts a trial class. | Refused: an entrypoint is a command. |
| The latest checkpoints without a validation are ranked over all trials together; by default only one of them survives the end. | Each trial keeps its own latest, measured or not. |
| Measured and unmeasured checkpoints of a trial have a "latest" each. | One: the largest step. |
| Checkpoints are deleted when the experiment ends, never while it trains. | Also while it trains, as soon as nothing can need one any more; an hours-long search does not fill the disk. |
| A checkpoint whose metric is NaN or infinite competes for the best. | Never among the best; it can be the latest. |
| Of equal metrics the validation stored first is better. | The one at the smaller step, then of the lower trial. |
| A registered checkpoint takes a place in the rankings, so others go for it. | The same: a pinned one is ranked like any other, and stays wherever it stands. |
| A policy changed over the API is applied with the values from before the change. | The policy is part of the submitted configuration and does not change; one more checkpoint is kept by pinning it. |
| Very wide ranges and powers beyond floating point are found out by the training code. | Refused. |
`;
