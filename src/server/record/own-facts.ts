/** The part of a record that the server knows by itself, from the rows of experiment and trial. */
import { createHash } from "node:crypto";
import { canonicalExact, type Json, type JsonObject } from "../../base/json.ts";
import { maskedText } from "../../base/secrets.ts";
import { maskedConfig } from "../../protocol/config/masked.ts";
import {
  RECORD_VALUE_CHARS_MAX,
  type RecordFields,
  type RecordGap,
  type RecordPart,
  type RecordSection,
  type RecordValue,
} from "../../protocol/record-part.ts";
import type { ExperimentRow, TrialRow } from "../../store/schema.ts";
import { layersIn } from "../layers/given.ts";

type Experiment = Pick<
  ExperimentRow,
  "code" | "config" | "config_text" | "data" | "seed" | "provenance" | "created_at"
> & { readonly owner: string };

/** Of one object: beyond this its flat form says less than its hash. */
const FLAT_MAX = 2_000;
const PATH_CHARS_MAX = 512;

export function ownFacts(
  experiment: Experiment,
  trial: Pick<TrialRow, "hyperparameters" | "seed">,
  code: { readonly files: number; readonly bytes: number } | undefined,
): RecordPart {
  const gaps: { not_applicable: RecordGap[]; missing: RecordGap[] } = {
    not_applicable: [],
    missing: [],
  };
  const listed = (section: RecordSection, value: Json): RecordFields =>
    flat(value, (count) =>
      gaps.missing.push({
        what: `${section}.rest`,
        why: `${count} values are left out here, of more than ${FLAT_MAX} or with long paths; the experiment's configuration has all`,
      }),
    );
  const hyperparameters = listed("hyperparameters", trial.hyperparameters);
  if (Object.keys(hyperparameters).length === 0)
    gaps.not_applicable.push({
      what: "hyperparameters",
      why: "the configuration has none",
    });
  const { config } = experiment;
  return {
    captured: {
      code: codeFacts(experiment, code, gaps),
      configuration: {
        ...listed("configuration", maskedConfig(config)),
        ...layerFacts(experiment.provenance),
        sha256: sha256(canonicalExact(config)),
        text_sha256: sha256(experiment.config_text),
      },
      hyperparameters,
      seeds: { experiment: experiment.seed, trial: trial.seed },
      data: dataFacts(experiment.data, gaps),
      who: whoFacts(experiment),
    },
    ...gaps,
  };
}

/** Whence values come that its author did not write; what they are stands in the configuration. */
function layerFacts(provenance: JsonObject): RecordFields {
  const facts = layersIn(provenance).map(({ kind, name, version }) => [
    kind === "template" ? kind : `${kind}_defaults`,
    version === null ? name : `${name}@${version}`,
  ]);
  return Object.fromEntries(facts);
}

function codeFacts(
  { code, provenance }: Experiment,
  size: { readonly files: number; readonly bytes: number } | undefined,
  gaps: { not_applicable: RecordGap[]; missing: RecordGap[] },
): RecordFields {
  const { git } = provenance as { git?: JsonObject };
  if (code === null)
    gaps.not_applicable.push({
      what: "code.snapshot",
      why: "it was submitted without a folder of code",
    });
  if (git === undefined)
    gaps.not_applicable.push({
      what: "code.git_commit",
      why:
        Object.keys(provenance).length === 0
          ? "whoever submitted it told of no git repository"
          : "the folder was in no git repository; the snapshot holds its content",
    });
  else if (git.commit === null)
    gaps.not_applicable.push({
      what: "code.git_commit",
      why: "the git repository had no commit yet; the snapshot holds its content",
    });
  const folder = provenance.folder;
  return {
    ...(code === null ? {} : { snapshot: code }),
    ...(code === null || size === undefined ? {} : size),
    ...(typeof folder === "string" ? { folder } : {}),
    ...Object.fromEntries(
      Object.entries(flat(git ?? {})).map(([name, value]) => [`git_${name}`, value]),
    ),
  };
}

function dataFacts(
  data: JsonObject,
  gaps: { not_applicable: RecordGap[]; missing: RecordGap[] },
): RecordFields {
  if (Object.keys(data).length === 0)
    gaps.not_applicable.push({ what: "data", why: "the configuration names no data" });
  const fields: Record<string, RecordValue> = {};
  for (const [name, resolved] of Object.entries(data)) {
    const { dataset, ...more } = resolved as JsonObject;
    if (typeof dataset === "string") fields[name] = maskedText(dataset);
    for (const [field, value] of Object.entries(flat(more))) fields[`${name}.${field}`] = value;
    if (!("snapshot" in more) && typeof dataset !== "string")
      gaps.missing.push({
        what: `data.${name}`,
        why: "it is a value of one's own and no dataset version, so what lay there is not recorded. Register it: contrail data add NAME PATH",
      });
  }
  return fields;
}

function whoFacts({ owner, provenance, created_at: at }: Experiment): RecordFields {
  const told = (field: string): RecordFields => {
    const value = provenance[field];
    return typeof value === "string" ? { [field]: value } : {};
  };
  const argv = provenance.argv;
  return {
    owner,
    submitted_at: at.toISOString(),
    ...told("user"),
    ...told("host"),
    ...told("client"),
    ...told("platform"),
    ...(typeof provenance.cwd === "string" ? { folder: provenance.cwd } : {}),
    ...(Array.isArray(argv)
      ? { command: maskedText(argv.join(" ")).slice(0, RECORD_VALUE_CHARS_MAX) }
      : {}),
  };
}

/**
 * Every leaf by its dotted path, without what looks like a secret; what is null or empty is left out.
 * @param told how many more there are than are taken
 */
export function flat(
  value: Json,
  told: (count: number) => void = () => undefined,
): Record<string, RecordValue> {
  const fields: Record<string, RecordValue> = {};
  let [taken, more] = [0, 0];
  const walk = (item: Json, path: string): void => {
    if (item === null) return;
    if (typeof item === "object")
      for (const [name, inner] of Object.entries(item))
        walk(inner as Json, path === "" ? name : `${path}.${name}`);
    else if (path === "" || path.length > PATH_CHARS_MAX || taken >= FLAT_MAX) more += 1;
    else {
      taken += 1;
      fields[path] =
        typeof item === "string" ? maskedText(item).slice(0, RECORD_VALUE_CHARS_MAX) : item;
    }
  };
  walk(value, "");
  if (more > 0) told(more);
  return fields;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
