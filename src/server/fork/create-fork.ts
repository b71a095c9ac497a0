/**
 * A runnable copy of an experiment or of one trial: code, configuration, data versions, environment and seeds from what
 * the server holds, so that the folder, home and git remote of whoever made the first need not exist any more.
 */

import { parseId } from "../../base/ids.ts";
import type { Json, JsonObject } from "../../base/json.ts";
import type {
  CreateExperimentReply,
  CreateForkReply,
  CreateForkRequest,
} from "../../protocol/api.ts";
import { readConfig } from "../../protocol/config/config.ts";
import { type Edit, editText, editValue, issueAt } from "../../protocol/config/edit.ts";
import { type Path, renderPath } from "../../protocol/config/issue.ts";
import { nearest } from "../../protocol/config/nearest.ts";
import { parsePath } from "../../protocol/config/path.ts";
import { valueAt } from "../../protocol/config/schema-walk.ts";
import { ContrailError, type ProblemIssue } from "../../protocol/errors.ts";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import {
  type ExperimentSummaryRow,
  readExperiment,
  readTrial,
} from "../../store/experiment-reads.ts";
import { readTree } from "../../store/read-tree.ts";
import type { TrialRow } from "../../store/schema.ts";
import { storableJson } from "../../store/storable.ts";
import { savedPlaces } from "../../store/verdict-store.ts";
import { createExperiment } from "../create-experiment.ts";
import { noExperiment, noTrial, notPurged, type RouteContext } from "../http/context.ts";
import { type ForkDocument, forkDocument } from "./document.ts";
import { overridesOf } from "./origin.ts";

export interface Source {
  readonly experiment: ExperimentSummaryRow;
  readonly trial: TrialRow | null;
}

/** @param of `3` or `3.12` @throws ContrailError not_found, deleted */
export async function readSource(
  { readPool }: Pick<RouteContext, "readPool">,
  of: string,
): Promise<Source> {
  const { experiment: id, trial: number } = parseId(of) ?? {};
  if (id === undefined) throw new ContrailError("not_found", `there is no ${of}`);
  const experiment = await readExperiment(readPool, id);
  if (!experiment) throw number === undefined ? noExperiment(id) : noTrial(of);
  notPurged(experiment, id);
  if (number === undefined) return { experiment, trial: null };
  const trial = await readTrial(readPool, id, number);
  if (!trial) throw noTrial(of);
  return { experiment, trial };
}

interface Caller {
  readonly owner: { readonly userId: number; readonly name: string };
  readonly idempotencyKey: string | undefined;
}

/** @throws ContrailError */
export async function createFork(
  context: RouteContext,
  request: CreateForkRequest,
  caller: Caller,
): Promise<CreateForkReply> {
  const source = await readSource(context, request.of);
  const document = forkDocument(source);
  const start = await startFrom(context, source, request.from_checkpoint);
  const set = start === undefined ? request.set : [...request.set, start];
  const text = changedText(document, { ...request, set });
  const reply = await createCopy(context, {
    ...{ source, document, text, kind: "fork" },
    ...{ request, caller },
  });
  const reading = readConfig(text);
  const config = reading.ok ? (storableJson(reading.config) as unknown as JsonObject) : {};
  return { ...reply, config: text, overrides: overridesOf(document.config, config) };
}

/** @throws ContrailError not_found, deleted */
async function startFrom(
  { readPool }: Pick<RouteContext, "readPool">,
  { experiment, trial }: Source,
  from: CreateForkRequest["from_checkpoint"],
): Promise<CreateForkRequest["set"][number] | undefined> {
  if (from === undefined) return undefined;
  if (trial === null)
    throw new ContrailError("invalid_request", "an experiment has no checkpoint of its own", {
      hint: `Name a trial: contrail fork ${experiment.id}.1 --from-checkpoint.`,
    });
  const id = `${experiment.id}.${trial.number}`;
  const places = await savedPlaces(readPool, trial.id);
  const step = from === "best" ? trial.best_step : from === "latest" ? places.at(-1)?.step : from;
  const found = places.filter((place) => Number(place.step) === Number(step ?? -1));
  const there = found.find(({ gone }) => gone === null);
  if (there) return { path: "searcher.source_checkpoint_uuid", value: there.tree };
  const steps = places.filter(({ gone }) => gone === null).map((place) => place.step);
  const kept = steps.length > 0 ? ` There are those of steps ${steps.slice(-20).join(", ")}.` : "";
  if (found[0]?.gone != null)
    throw new ContrailError(
      "deleted",
      `the checkpoint of trial ${id} at step ${step} was deleted: ${found[0].gone}.${kept}`,
    );
  throw new ContrailError(
    "not_found",
    step == null || places.length === 0
      ? `trial ${id} has no checkpoint`
      : `trial ${id} has no checkpoint at step ${step}.${kept}`,
    { hint: `List them: contrail checkpoint list ${id}.` },
  );
}

/** Makes the experiment of a copy, whatever kind of copy it is. */
export async function createCopy(
  context: RouteContext,
  copy: {
    readonly source: Source;
    readonly document: ForkDocument;
    readonly text: string;
    readonly kind: "fork" | "replay";
    readonly request: Pick<CreateForkRequest, "provenance" | "activate" | "dry_run">;
    readonly caller: Caller;
  },
): Promise<CreateExperimentReply> {
  const { source, document, text, kind, request, caller } = copy;
  const { experiment, trial } = source;
  const code = request.dry_run ? null : await codeOf(context, experiment);
  return createExperiment(context, {
    request: {
      ...{ config: text, code },
      provenance: {
        ...request.provenance,
        ...(provenanceOf(experiment) as CreateForkRequest["provenance"]),
      },
      ...{ activate: request.activate, dry_run: request.dry_run },
    },
    ...caller,
    inheritedData: experiment.data,
    origin: {
      ...{ kind, experiment: experiment.id, trial: trial?.number ?? null, label: null },
      base: document.config,
    },
  });
}

/** @throws ContrailError where its bytes are gone */
async function codeOf(
  { blobs }: Pick<RouteContext, "blobs">,
  { id, code }: ExperimentSummaryRow,
): Promise<TreeEntry[] | null> {
  if (code === null) return null;
  const found = await readTree(blobs, code);
  if (found) return found.entries;
  throw new ContrailError(
    "missing_blobs",
    `the code of experiment ${id} (${code.slice(0, 12)}) is not stored any more`,
    {
      hint: "Without it nothing can be run again; contrail gc and the log of changes say what was deleted.",
    },
  );
}

/** Of the code: facts that stay true of a copy, whoever makes it and where. */
function provenanceOf({ id, provenance }: ExperimentSummaryRow): JsonObject {
  const { code_from: earlier, git, folder, host, user } = provenance;
  const from = earlier ?? { experiment: id, ...defined({ folder, host, user }) };
  return { code_from: from, ...defined({ git }) } as JsonObject;
}

const defined = (facts: Record<string, Json | undefined>): JsonObject =>
  Object.fromEntries(
    Object.entries(facts).filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );

/** @throws ContrailError invalid_config for a path that is none, or that names nothing of a free-form map but nearly does */
function changedText(document: ForkDocument, { set, config }: CreateForkRequest): string {
  const before = config ?? document.text;
  if (set.length === 0) return before;
  const edits: Edit[] = [];
  const issues: ProblemIssue[] = [];
  for (const { path: text, value } of set) {
    const path = parsePath(text);
    if (path) edits.push({ path, value: value as Json });
    else
      issues.push({
        code: "bad_format",
        path: text,
        message: `"${text}" is no path; write names with dots between them, such as hyperparameters.lr or labels[0]`,
      });
  }
  const after = editText(before, edits, edited(config, document, edits));
  for (const { path } of edits) {
    const issue = strangerIn(document.config, path);
    if (issue) issues.push({ ...issue, ...issueAt(after, path) });
  }
  if (issues.length === 0) return after;
  throw new ContrailError("invalid_config", issues.map(({ message }) => message).join("; "), {
    issues,
    hint: "contrail fork --edit shows the whole text, where anything can be added.",
  });
}

/** What the text is to say: whence a value in a short form gets the rest of what it stands for. */
function edited(config: string | undefined, document: ForkDocument, edits: readonly Edit[]): Json {
  const reading = config === undefined ? undefined : readConfig(config);
  if (reading?.ok === false)
    throw new ContrailError("invalid_config", reading.issues[0]?.message ?? "it has faults", {
      issues: reading.issues.map(({ code, path, message }) => ({ code, path, message })),
    });
  const whole = reading ? (storableJson(reading.config) as unknown as JsonObject) : document.config;
  return edits.reduce<Json>((value, edit) => editValue(value, edit) ?? {}, whole);
}

/** Maps whose names are the user's own: the configuration's rules cannot tell a slip from a new name. */
const FREE: readonly Path[] = [
  ["hyperparameters"],
  ["data"],
  ["environment", "environment_variables"],
];

/** A name that is not there while a similar one is: hardly ever meant. */
function strangerIn(config: JsonObject, path: Path): ProblemIssue | undefined {
  if (!FREE.some((root) => root.every((part, at) => path[at] === part))) return undefined;
  for (let length = 1; length <= path.length; length++) {
    const way = path.slice(0, length);
    if (valueAt(config, way) !== undefined) continue;
    const there = valueAt(config, way.slice(0, -1));
    if (typeof there !== "object" || there === null || Array.isArray(there)) return undefined;
    const near = nearest(String(way.at(-1)), Object.keys(there));
    if (near === undefined) return undefined;
    const suggestion = renderPath([...way.slice(0, -1), near]).slice(1);
    return {
      code: "unknown_key",
      path: renderPath(way),
      message: `${renderPath(way)} is not there; did you mean ${suggestion}?`,
      suggestion,
    };
  }
  return undefined;
}
