/**
 * What a model file holds, whatever its format: tensors and plain values, each by its name, in the order of the file.
 */
import type { ModelFormat } from "../../protocol/api/comparison.ts";
import type { ByteSource } from "./byte-source.ts";
import type { ElementType } from "./dtype.ts";

export interface Tensor {
  readonly kind: "tensor";
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Elements from one index to the next, for each dimension. */
  readonly strides: readonly number[];
  /** Product of the shape. */
  readonly elements: number;
  /** Where its storage begins in the file, and the byte of its first element therein. */
  readonly source: ByteSource;
  readonly startByte: number;
  /** Behind the last byte that it touches; `startByte` when it has no element. */
  readonly endByte: number;
}

/** A number, a word, true, nothing: as text that tells different ones apart and people can read. */
export interface PlainValue {
  readonly kind: "value";
  readonly name: string;
  readonly text: string;
}

export type ModelItem = Tensor | PlainValue;

export interface ModelFile {
  readonly format: ModelFormat;
  readonly items: readonly ModelItem[];
}

/** Strides of rows that lie one after the other, the last index running fastest. */
export function rowStrides(shape: readonly number[]): number[] {
  const strides: number[] = new Array(shape.length);
  let step = 1;
  for (let dimension = shape.length - 1; dimension >= 0; dimension--) {
    strides[dimension] = step;
    step *= Math.max(1, shape[dimension]!);
  }
  return strides;
}

/** @returns undefined when it is more than a double counts exactly */
export function elementsOf(shape: readonly number[]): number | undefined {
  let product = 1;
  for (const side of shape) product *= side;
  return Number.isSafeInteger(product) ? product : undefined;
}
