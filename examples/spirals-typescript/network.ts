/**
 * Two spirals that wind around each other, and a small network that tells them apart: two inputs, one hidden layer,
 * one score. All its numbers lie in one array, and so do its gradient's, so that adding up over processes is one call.
 */
import type { Generator } from "contrail";

export interface Points {
  /** x, y of point i at 2 i. */
  readonly inputs: Float64Array;
  /** 0 or 1: on which spiral. */
  readonly labels: Uint8Array;
}

const TURNS = 1.5;
const NOISE = 0.02;

export function spirals(count: number, random: Generator): Points {
  const inputs = new Float64Array(2 * count);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    labels[i] = i % 2;
    const radius = 0.05 + 0.95 * random.unit();
    const angle = 2 * Math.PI * TURNS * radius + Math.PI * labels[i]!;
    inputs[2 * i] = radius * Math.cos(angle) + NOISE * random.normal();
    inputs[2 * i + 1] = radius * Math.sin(angle) + NOISE * random.normal();
  }
  return { inputs, labels };
}

/** Weights to a hidden unit, its bias, and its weight to the score. */
const UNIT = 4;

export class Network {
  readonly hidden: number;
  /** `UNIT` numbers a hidden unit, then the bias of the score. */
  readonly weights: Float64Array;
  readonly #activation: Float64Array;

  constructor(hidden: number, random: Generator) {
    this.hidden = hidden;
    this.weights = new Float64Array(UNIT * hidden + 1);
    this.#activation = new Float64Array(hidden);
    for (let h = 0; h < hidden; h++) {
      for (let j = 0; j < 3; j++) this.weights[UNIT * h + j] = 4 * random.normal();
      this.weights[UNIT * h + 3] = random.normal() / Math.sqrt(hidden);
    }
  }

  /** The score of point i: above 0 it is on spiral 1. */
  #score({ inputs }: Points, i: number): number {
    const { weights } = this;
    let score = weights[UNIT * this.hidden]!;
    for (let h = 0; h < this.hidden; h++) {
      const at = UNIT * h;
      const sum =
        weights[at]! * inputs[2 * i]! + weights[at + 1]! * inputs[2 * i + 1]! + weights[at + 2]!;
      this.#activation[h] = Math.tanh(sum);
      score += weights[at + 3]! * this.#activation[h]!;
    }
    return score;
  }

  /** Of these points: the summed loss, and the summed gradient, which is added to `gradient`. */
  learn(points: Points, batch: Uint32Array, gradient: Float64Array): number {
    let loss = 0;
    for (const i of batch) {
      const label = points.labels[i]!;
      const right = 1 / (1 + Math.exp(-this.#score(points, i)));
      loss -= Math.log(Math.max(1e-12, label === 1 ? right : 1 - right));
      const error = right - label;
      gradient[UNIT * this.hidden]! += error;
      for (let h = 0; h < this.hidden; h++) {
        const at = UNIT * h;
        const value = this.#activation[h]!;
        const inner = error * this.weights[at + 3]! * (1 - value * value);
        gradient[at]! += inner * points.inputs[2 * i]!;
        gradient[at + 1]! += inner * points.inputs[2 * i + 1]!;
        gradient[at + 2]! += inner;
        gradient[at + 3]! += error * value;
      }
    }
    return loss;
  }

  accuracy(points: Points): number {
    let right = 0;
    for (let i = 0; i < points.labels.length; i++)
      if (this.#score(points, i) > 0 === (points.labels[i] === 1)) right++;
    return right / points.labels.length;
  }
}

/** Adam (Kingma and Ba, 2014) over one array. */
export class Adam {
  readonly first: Float64Array;
  readonly second: Float64Array;
  steps = 0;

  constructor(size: number) {
    this.first = new Float64Array(size);
    this.second = new Float64Array(size);
  }

  /** @param gradient summed over `count` points */
  move(weights: Float64Array, gradient: Float64Array, rate: number, count: number): void {
    this.steps++;
    const [correct1, correct2] = [1 - 0.9 ** this.steps, 1 - 0.999 ** this.steps];
    for (let i = 0; i < weights.length; i++) {
      const mean = gradient[i]! / count;
      this.first[i] = 0.9 * this.first[i]! + 0.1 * mean;
      this.second[i] = 0.999 * this.second[i]! + 0.001 * mean * mean;
      weights[i]! -=
        (rate * (this.first[i]! / correct1)) / (Math.sqrt(this.second[i]! / correct2) + 1e-8);
    }
  }
}
