/**
 * What can be chosen about the model, and the choice of someone who has not searched.
 *
 * The shape is that of `hyperparameters` in config.yaml: `features` is nested, and `momentum` is there only
 * for `optimizer: sgd`.
 */
import { ACTIVATIONS, type Activation } from "./network.ts";
import { OPTIMIZERS, type OptimizerName } from "./optimizer.ts";

export interface Parameters {
  readonly features: {
    /** Longest character n-gram. */
    readonly ngram_max: number;
    /** Rows that n-grams are hashed into; a power of two. */
    readonly buckets: number;
  };
  readonly hidden: number;
  readonly activation: Activation;
  readonly optimizer: OptimizerName;
  readonly learning_rate: number;
  /** The rate of epoch e is learning_rate * rate_decay ^ (e - 1). */
  readonly rate_decay: number;
  /** Share of a name's n-grams that are left out each time it is seen. */
  readonly dropout: number;
  /** Only with sgd. */
  readonly momentum?: number;
}

/** Round numbers that a first attempt might take: bigrams, a small layer, plain gradient descent at 0.01. */
export const DEFAULTS: Parameters = {
  features: { ngram_max: 2, buckets: 4096 },
  hidden: 16,
  activation: "tanh",
  optimizer: "sgd",
  learning_rate: 0.01,
  rate_decay: 1,
  dropout: 0,
};

/** Passes over the training strings of a trial that goes all the way; `max_length` in config.yaml. */
export const EPOCHS = 9;

/** Everything that is wrong with a choice, a sentence each; empty when it can be trained. */
export function faultsOf(parameters: Parameters): string[] {
  const faults: string[] = [];
  const check = (holds: boolean, name: string, value: unknown, limit: string): void => {
    if (!holds) faults.push(`${name} is ${JSON.stringify(value)} and must be ${limit}`);
  };
  const { features, hidden, activation, optimizer } = parameters;
  const { learning_rate, rate_decay, dropout, momentum = 0 } = parameters;
  const { ngram_max, buckets } = features ?? {};
  check(isWhole(ngram_max, 1, 8), "features.ngram_max", ngram_max, "a whole number from 1 to 8");
  check(
    isWhole(buckets, 2, 1 << 20) && Number.isInteger(Math.log2(buckets)),
    "features.buckets",
    buckets,
    "a power of two up to 2^20",
  );
  check(isWhole(hidden, 1, 1024), "hidden", hidden, "a whole number from 1 to 1024");
  check(
    ACTIVATIONS.includes(activation),
    "activation",
    activation,
    `one of ${ACTIVATIONS.join(", ")}`,
  );
  check(OPTIMIZERS.includes(optimizer), "optimizer", optimizer, `one of ${OPTIMIZERS.join(", ")}`);
  check(learning_rate > 0, "learning_rate", learning_rate, "above 0");
  check(rate_decay > 0 && rate_decay <= 1, "rate_decay", rate_decay, "above 0 and at most 1");
  check(dropout >= 0 && dropout < 1, "dropout", dropout, "at least 0 and below 1");
  check(momentum >= 0 && momentum < 1, "momentum", momentum, "at least 0 and below 1");
  return faults;
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}
