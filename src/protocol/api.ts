/**
 * The nouns of the public HTTP API (`/api/v1`), as zod: types, validation and OpenAPI come from here.
 * Field names are those of the configuration and of SQL (snake_case); times are RFC 3339 in UTC,
 * durations carry their unit; measured numbers may be the words NaN, Infinity, -Infinity.
 *
 * This is the door; each group of nouns has a file in `api/`.
 */
export * from "./api/access.ts";
export * from "./api/ancestry.ts";
export * from "./api/audit.ts";
export * from "./api/common.ts";
export * from "./api/comparison.ts";
export * from "./api/curve.ts";
export * from "./api/dataset.ts";
export * from "./api/dataset-statistics.ts";
export * from "./api/diff.ts";
export * from "./api/experiment.ts";
export * from "./api/export.ts";
export * from "./api/fork.ts";
export * from "./api/history.ts";
export * from "./api/ideas.ts";
export * from "./api/layer.ts";
export * from "./api/lineage.ts";
export * from "./api/plan.ts";
export * from "./api/record.ts";
export * from "./api/replay.ts";
export * from "./api/resource.ts";
export * from "./api/result.ts";
export * from "./api/retention.ts";
export * from "./api/search.ts";
export * from "./api/state.ts";
export * from "./api/stream.ts";
export * from "./api/task-page.ts";
export * from "./api/trial.ts";
export * from "./api/verdict.ts";
export * from "./api/whence.ts";
export * from "./api/why.ts";
