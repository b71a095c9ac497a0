/**
 * Names of things in a lineage: `experiment:3`, `trial:3.12`, `checkpoint:HASH`, `code:HASH`, `dataset:digits@2`; data that
 * is no version here, because it was read elsewhere, is `dataset:HASH`.
 */
import type { LineageKind } from "../../protocol/api.ts";

export const kindOf = (id: string): LineageKind => id.slice(0, id.indexOf(":")) as LineageKind;
export const nameOf = (id: string): string => id.slice(id.indexOf(":") + 1);

export const trialKey = (name: string): [experiment: number, number: number] => {
  const [experiment, number] = name.split(".").map(Number);
  return [experiment as number, number as number];
};

/** Is it data that is no version here, by its snapshot? */
export const isForeign = (name: string): boolean => !name.includes("@");

export const datasetKey = (name: string): [name: string, version: number] => {
  const at = name.lastIndexOf("@");
  return [name.slice(0, at), Number(name.slice(at + 1))];
};
