/**
 * The network: a bag of n-gram vectors, one activation, one softmax over the languages.
 *
 *     hidden = activation(sum of the rows of the name's n-grams / sqrt(their number))
 *     scores = output · [hidden, 1]
 *
 * It learns from one name at a time. On data this small that needs far fewer passes than minibatches
 * do, and an epoch in plain typed arrays takes a fraction of a second. Everything is arithmetic in a
 * fixed order on one thread, with random numbers from a saved generator, so the same seed gives the
 * same parameters to the last bit, however often training was paused.
 */
import type { Features } from "./features.ts";
import { type OptimizerOptions, Table } from "./optimizer.ts";
import type { Generator } from "./random.ts";

export const ACTIVATIONS = ["identity", "tanh", "relu"] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export interface NetworkOptions {
  readonly classes: number;
  readonly buckets: number;
  readonly hidden: number;
  readonly activation: Activation;
  readonly optimizer: OptimizerOptions;
}

/** Strings with their classes. */
export interface Labelled {
  readonly features: Features;
  readonly labels: Uint16Array;
}

export interface Score {
  /** Share of right answers, 0 … 1. */
  readonly accuracy: number;
  /** Mean cross-entropy in nats. */
  readonly loss: number;
}

/** A class whose error is smaller is left as it is: most of them in most names, and a third of the time. */
const ERROR_MIN = 1e-4;
const INITIAL_VECTOR = 0.1;

export class Network {
  readonly options: NetworkOptions;
  readonly embedding: Table;
  /** A row a class: `hidden` weights, then the bias. */
  readonly output: Table;
  /** Probability a class, after `forward`. */
  readonly probabilities: Float64Array;
  readonly #hidden: Float64Array;
  readonly #hiddenGradient: Float64Array;
  /** Rows that the last `forward` summed: all of the name's, or what dropout left. */
  #used = new Uint32Array(256);
  #usedCount = 0;

  constructor(options: NetworkOptions) {
    const { classes, buckets, hidden, optimizer } = options;
    this.options = options;
    this.embedding = new Table(buckets, hidden, optimizer);
    this.output = new Table(classes, hidden + 1, optimizer);
    this.probabilities = new Float64Array(classes);
    this.#hidden = new Float64Array(hidden + 1);
    this.#hidden[hidden] = 1;
    this.#hiddenGradient = new Float64Array(hidden);
  }

  /** Random parameters. A network that is restored has no use for them. */
  initialise(random: Generator): void {
    const { values } = this.embedding;
    for (let i = 0; i < values.length; i++) values[i] = (random.unit() * 2 - 1) * INITIAL_VECTOR;
    const { rows, width, values: weights } = this.output;
    const spread = Math.sqrt(3 / (width - 1));
    for (let c = 0; c < rows; c++)
      for (let j = 0; j < width - 1; j++) weights[c * width + j] = (random.unit() * 2 - 1) * spread;
  }

  /** One pass over `data` in an order drawn from `random`; returns the mean loss on the way. */
  trainEpoch(
    data: Labelled,
    random: Generator,
    { rate, dropout }: { readonly rate: number; readonly dropout: number },
  ): number {
    const order = shuffled(data.labels.length, random);
    let loss = 0;
    for (const i of order) {
      this.#gather(data.features, i, dropout, random);
      loss += this.#learn(data.labels[i]!, rate);
    }
    return loss / order.length;
  }

  score(data: Labelled): Score {
    let right = 0;
    let loss = 0;
    for (let i = 0; i < data.labels.length; i++) {
      const label = data.labels[i]!;
      if (this.classify(data.features, i) === label) right++;
      loss -= logOf(this.probabilities[label]!);
    }
    return { accuracy: right / data.labels.length, loss: loss / data.labels.length };
  }

  /** The likeliest class of example i; of several equal ones, the first. */
  classify(features: Features, i: number): number {
    this.#gather(features, i, 0, undefined);
    this.#forward();
    let best = 0;
    for (let c = 1; c < this.probabilities.length; c++)
      if (this.probabilities[c]! > this.probabilities[best]!) best = c;
    return best;
  }

  #gather(features: Features, i: number, dropout: number, random: Generator | undefined): void {
    const from = features.starts[i]!;
    const to = features.starts[i + 1]!;
    if (to - from > this.#used.length) this.#used = new Uint32Array(2 * (to - from));
    let count = 0;
    for (let k = from; k < to; k++) {
      if (dropout > 0 && random !== undefined && random.unit() < dropout) continue;
      this.#used[count++] = features.rows[k]!;
    }
    this.#usedCount = count;
  }

  #forward(): void {
    const size = this.options.hidden;
    const { values } = this.embedding;
    const hidden = this.#hidden;
    for (let j = 0; j < size; j++) hidden[j] = 0;
    for (let k = 0; k < this.#usedCount; k++) {
      const from = this.#used[k]! * size;
      for (let j = 0; j < size; j++) hidden[j]! += values[from + j]!;
    }
    const scale = this.#scale();
    const { activation } = this.options;
    for (let j = 0; j < size; j++) {
      const sum = hidden[j]! * scale;
      hidden[j] =
        activation === "tanh" ? Math.tanh(sum) : activation === "relu" && sum < 0 ? 0 : sum;
    }
    this.#softmax();
  }

  #softmax(): void {
    const { rows, width, values } = this.output;
    const hidden = this.#hidden;
    const probabilities = this.probabilities;
    let highest = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < rows; c++) {
      const from = c * width;
      let score = 0;
      for (let j = 0; j < width; j++) score += values[from + j]! * hidden[j]!;
      probabilities[c] = score;
      if (score > highest) highest = score;
    }
    let sum = 0;
    for (let c = 0; c < rows; c++) {
      const weight = Math.exp(probabilities[c]! - highest);
      probabilities[c] = weight;
      sum += weight;
    }
    for (let c = 0; c < rows; c++) probabilities[c]! /= sum;
  }

  /** Forward, backward and one move for the gathered name; returns its loss before the move. */
  #learn(label: number, rate: number): number {
    this.#forward();
    const loss = -logOf(this.probabilities[label]!);
    const size = this.options.hidden;
    const gradient = this.#hiddenGradient;
    const { width, values } = this.output;
    gradient.fill(0);
    for (let c = 0; c < this.probabilities.length; c++) {
      const error = this.probabilities[c]! - (c === label ? 1 : 0);
      if (error < ERROR_MIN && error > -ERROR_MIN) continue;
      const from = c * width;
      for (let j = 0; j < size; j++) gradient[j]! += error * values[from + j]!;
      this.output.update(c, this.#hidden, error, rate);
    }
    const { activation } = this.options;
    const hidden = this.#hidden;
    for (let j = 0; j < size; j++) {
      const value = hidden[j]!;
      if (activation === "tanh") gradient[j]! *= 1 - value * value;
      else if (activation === "relu" && value === 0) gradient[j] = 0;
    }
    const scale = this.#scale();
    for (let k = 0; k < this.#usedCount; k++)
      this.embedding.update(this.#used[k]!, gradient, scale, rate);
    return loss;
  }

  #scale(): number {
    return this.#usedCount === 0 ? 0 : 1 / Math.sqrt(this.#usedCount);
  }
}

/** A wrong answer given with certainty costs much, not infinitely much. NaN stays NaN. */
function logOf(probability: number): number {
  return Math.log(probability < 1e-30 ? 1e-30 : probability);
}

/** 0 … size-1 in a drawn order that depends on the generator alone, not on earlier epochs. */
function shuffled(size: number, random: Generator): Uint32Array {
  const order = Uint32Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const moved = order[i]!;
    order[i] = order[j]!;
    order[j] = moved;
  }
  return order;
}
