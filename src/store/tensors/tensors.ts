/** Model files as named tensors, and two of them compared: the one door for server, runner and cli. */
export {
  type ByteSource,
  blobSource,
  MissingBlob,
  type OpenRange,
  ShortBlob,
} from "./byte-source.ts";
export { type CompareOptions, compareTrees } from "./compare-trees.ts";
export { type Reading, readModelFile } from "./model-file.ts";
export type { ModelFile, ModelItem, PlainValue, Tensor } from "./model-items.ts";
