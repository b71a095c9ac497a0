/** Anything that JSON can carry. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/**
 * JSON has no NaN and no infinities, so on every wire and in every log they travel as these words.
 * Only fields that are declared as measured numbers are read this way; strings elsewhere stay strings.
 */
export type WireNumber = number | "NaN" | "Infinity" | "-Infinity";

export const toWire = (value: number): WireNumber =>
  Number.isFinite(value) ? value : (String(value) as WireNumber);

export const fromWire = (value: WireNumber): number =>
  typeof value === "number" ? value : Number(value);
