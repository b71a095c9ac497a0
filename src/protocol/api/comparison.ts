/**
 * How two snapshots differ, model files tensor by tensor: what a verdict on a replay says, and what `doctor
 * determinism` shows.
 */
import { z } from "zod";
import { wireNumber } from "../runner-wire.ts";
import { count } from "./common.ts";

export const tensorShape = z.array(count);

/** One thing by its name in a model file: a tensor, or a plain value beside the tensors (a learning rate, a counter). */
export const itemDifference = z.object({
  /** Its path in the file, such as `states.optimizer.state[0].exp_avg`. */
  name: z.string(),
  /**
   * `values`: the same shape and type, other elements. `shape`, `dtype`: not even that. `value`: a plain value, or two
   * different kinds of thing. `only_in_a`, `only_in_b`: the other file lacks it.
   */
  kind: z.enum(["values", "shape", "dtype", "value", "only_in_a", "only_in_b"]),
  /** As people read it: `float32 [64, 10]`, `0.001`; null where it is absent. */
  a: z.string().nullable(),
  b: z.string().nullable(),
  /** Of `values`: how many elements differ in a bit, of how many. */
  differing: count.nullable(),
  elements: count.nullable(),
  /**
   * Of `values`: the largest absolute difference of two elements. NaN where one of the two is NaN and the other is not
   * the very same; 0 where only zeros of other signs differ; null where the type has no such number.
   */
  max_abs: wireNumber.nullable(),
  /** Of `values`: where the first differing element lies, an index for each dimension. */
  index: tensorShape.nullable(),
});
export type ItemDifference = z.infer<typeof itemDifference>;

export const modelFormat = z.enum(["safetensors", "torch", "npy", "npz"]);
export type ModelFormat = z.infer<typeof modelFormat>;

export const fileComparison = z.object({
  path: z.string(),
  /** `equal`: other bytes, but every tensor and every value in them has the same bits. */
  state: z.enum(["identical", "equal", "differs", "only_in_a", "only_in_b"]),
  /** As what it was read; null: by its bytes alone. */
  format: modelFormat.nullable(),
  /** Why a file that looks like a model was compared by its bytes. */
  note: z.string().nullable(),
  /** In a file that was read as a model: how many tensors and values both have, and how many names differ. */
  items: z.object({ compared: count, differing: count }).nullable(),
  /** In the order of the file, the first of them at most. */
  differences: z.array(itemDifference),
  /** Of all its tensors; see `itemDifference`. Null where no tensor differs in its elements. */
  max_abs: wireNumber.nullable(),
  /** Where the first differing byte lies, when it was compared by its bytes. */
  first_byte: count.nullable(),
});
export type FileComparison = z.infer<typeof fileComparison>;

export const treeComparison = z.object({
  /** `identical`: the same bytes everywhere. `equal`: the same bits in every tensor and value. */
  state: z.enum(["identical", "equal", "differs"]),
  files: z.object({
    a: count,
    b: count,
    identical: count,
    equal: count,
    differing: count,
  }),
  /** The first difference, in order of path and then of the file. */
  first: z
    .object({ path: z.string(), item: z.string().nullable(), max_abs: wireNumber.nullable() })
    .nullable(),
  /** Every file that is not identical, the first of them at most. */
  differences: z.array(fileComparison),
});
export type TreeComparison = z.infer<typeof treeComparison>;
