/** The hash by which the state of a search is told from another: what the server saved, and what a replay comes to. */
import { createHash } from "node:crypto";
import { canonicalExact } from "../base/json.ts";
import type { SearchState } from "../core/search/methods.ts";

/** SHA-256 over the state as JSON with its names in order. */
export const searchStateHash = (state: SearchState): string =>
  createHash("sha256").update(canonicalExact(state)).digest("hex");
