/**
 * A table of parameters and the rule that moves its rows.
 *
 * One name touches a few dozen of some ten thousand rows, so every rule here is lazy: a row's memory
 * (velocity, mean of gradients) moves only when the row does. The second moments of Adagrad and Adam are
 * one number a row instead of one a parameter, which makes a checkpoint a third smaller and costs no
 * accuracy worth measuring here.
 */
export const OPTIMIZERS = ["sgd", "adagrad", "adam"] as const;
export type OptimizerName = (typeof OPTIMIZERS)[number];

export interface OptimizerOptions {
  readonly name: OptimizerName;
  /** Share of the last velocity that is kept, 0 … <1; used by sgd alone. */
  readonly momentum: number;
}

/** Adam's usual constants. */
const BETA_1 = 0.9;
const BETA_2 = 0.999;
const EPSILON = 1e-8;
/** Keeps Adagrad's very first step of a row at a finite size. */
const ADAGRAD_START = 1e-6;

export class Table {
  readonly rows: number;
  readonly width: number;
  /** Row r is values[r * width] … values[(r + 1) * width - 1]. */
  readonly values: Float32Array<ArrayBuffer>;
  /** sgd with momentum: velocity; adam: running mean of gradients. One a parameter, else empty. */
  readonly first: Float32Array<ArrayBuffer>;
  /** adagrad: sum, adam: running mean, of the row's mean squared gradient. One a row, else empty. */
  readonly second: Float32Array<ArrayBuffer>;
  /** adam: how often the row has moved. One a row, else empty. */
  readonly moves: Float32Array<ArrayBuffer>;
  readonly #optimizer: OptimizerOptions;

  constructor(rows: number, width: number, optimizer: OptimizerOptions) {
    const { name, momentum } = optimizer;
    this.rows = rows;
    this.width = width;
    this.values = new Float32Array(rows * width);
    const hasFirst = name === "adam" || (name === "sgd" && momentum > 0);
    this.first = new Float32Array(hasFirst ? rows * width : 0);
    this.second = new Float32Array(name === "sgd" ? 0 : rows);
    if (name === "adagrad") this.second.fill(ADAGRAD_START);
    this.moves = new Float32Array(name === "adam" ? rows : 0);
    this.#optimizer = optimizer;
  }

  /** What a checkpoint has to hold, by name. */
  get arrays(): { readonly [name: string]: Float32Array<ArrayBuffer> } {
    return { values: this.values, first: this.first, second: this.second, moves: this.moves };
  }

  /** Moves row `row` against `scale * gradient` (`width` numbers). */
  update(row: number, gradient: Float64Array, scale: number, rate: number): void {
    const { name, momentum } = this.#optimizer;
    if (name === "adagrad") this.#adagrad(row, gradient, scale, rate);
    else if (name === "adam") this.#adam(row, gradient, scale, rate);
    else if (momentum > 0) this.#velocity(row, gradient, scale, rate, momentum);
    else this.#plain(row, gradient, scale * rate);
  }

  #plain(row: number, gradient: Float64Array, rate: number): void {
    const { values, width } = this;
    const from = row * width;
    for (let j = 0; j < width; j++) values[from + j]! -= rate * gradient[j]!;
  }

  #velocity(
    row: number,
    gradient: Float64Array,
    scale: number,
    rate: number,
    momentum: number,
  ): void {
    const { values, first, width } = this;
    const from = row * width;
    for (let j = 0; j < width; j++) {
      const velocity = momentum * first[from + j]! + scale * gradient[j]!;
      first[from + j] = velocity;
      values[from + j]! -= rate * velocity;
    }
  }

  #adagrad(row: number, gradient: Float64Array, scale: number, rate: number): void {
    const sum = this.second[row]! + meanSquare(gradient, this.width) * scale * scale;
    this.second[row] = sum;
    this.#plain(row, gradient, (rate * scale) / Math.sqrt(sum));
  }

  #adam(row: number, gradient: Float64Array, scale: number, rate: number): void {
    const { values, first, width } = this;
    const from = row * width;
    const moves = this.moves[row]! + 1;
    this.moves[row] = moves;
    const square = meanSquare(gradient, width) * scale * scale;
    const mean = BETA_2 * this.second[row]! + (1 - BETA_2) * square;
    this.second[row] = mean;
    const deviation = Math.sqrt(mean / (1 - BETA_2 ** moves)) + EPSILON;
    const step = rate / (1 - BETA_1 ** moves) / deviation;
    for (let j = 0; j < width; j++) {
      const average = BETA_1 * first[from + j]! + (1 - BETA_1) * scale * gradient[j]!;
      first[from + j] = average;
      values[from + j]! -= step * average;
    }
  }
}

function meanSquare(gradient: Float64Array, width: number): number {
  let sum = 0;
  for (let j = 0; j < width; j++) sum += gradient[j]! * gradient[j]!;
  return sum / width;
}
