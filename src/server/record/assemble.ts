/**
 * The record of one run, put together: what the server knows by itself (code, configuration, seeds, data, who), what the
 * runner found, and what the program told. A later part wins over an earlier one for the same field, because the program
 * sees what the runner can only infer. Completeness is counted here and nowhere else.
 */
import type { TrialRecord } from "../../protocol/api.ts";
import type {
  RecordFields,
  RecordGap,
  RecordPart,
  RecordSection,
} from "../../protocol/record-part.ts";
import { RECORD_SECTIONS } from "../../protocol/record-part.ts";
import { RUNNER_ITEMS, SERVER_ITEMS } from "./items.ts";

const ITEMS = [...SERVER_ITEMS, ...RUNNER_ITEMS];

export interface Assembled
  extends Pick<TrialRecord, "captured" | "not_applicable" | "missing" | "completeness" | "items"> {}

/**
 * @param parts in order: later fields replace earlier ones
 * @param silence why the runner has said nothing; null where it has
 */
export function assemble(parts: readonly RecordPart[], silence: string | null): Assembled {
  const captured: Partial<Record<RecordSection, RecordFields>> = {};
  for (const section of RECORD_SECTIONS) {
    const fields = Object.assign({}, ...parts.map((part) => part.captured[section] ?? {}));
    if (Object.keys(fields).length > 0) captured[section] = fields;
  }
  const has = (what: string): boolean => {
    const { section, field } = split(what);
    const fields = captured[section as RecordSection];
    return fields !== undefined && (field === null || Object.hasOwn(fields, field));
  };
  const gaps = (kind: "not_applicable" | "missing"): RecordGap[] => {
    const byWhat = new Map(parts.flatMap((part) => part[kind].map((gap) => [gap.what, gap.why])));
    return [...byWhat].map(([what, why]) => ({ what, why })).filter(({ what }) => !has(what));
  };
  const notApplicable = gaps("not_applicable");
  const missing = gaps("missing").filter(({ what }) => !covered(notApplicable, what));
  const known = [...notApplicable, ...missing];
  for (const [items, why] of [
    [SERVER_ITEMS, "it was not told at submission"],
    [RUNNER_ITEMS, silence ?? "neither the runner nor the program has told it"],
  ] as const)
    for (const what of items) if (!has(what) && !covered(known, what)) missing.push({ what, why });
  for (const gap of [...flagsGap(captured), ...seedGap(captured), ...outsideGaps(captured)])
    if (!covered(known, gap.what)) missing.push(gap);
  const listed = ITEMS.filter(has).length;
  const applicable = listed + countOf(missing, notApplicable);
  return {
    captured,
    not_applicable: notApplicable,
    missing,
    completeness: applicable === 0 ? 1 : listed / applicable,
    items: { captured: listed, applicable },
  };
}

/** A framework's own switches decide about bits as much as variables do, and only the program sees them. */
function flagsGap(captured: Assembled["captured"]): RecordGap[] {
  const { frameworks = {}, determinism = {} } = captured;
  const what = "determinism.torch_deterministic_algorithms";
  if (frameworks.torch === undefined || "torch_deterministic_algorithms" in determinism) return [];
  const why =
    determinism.hash_randomization === undefined
      ? "torch is installed, and how it is set only the program can tell: contrail.init() and a report do it"
      : "torch is installed, and the program had not imported it by its first report";
  return [{ what, why }];
}

/** A generator that the system seeded has no seed that a record could hold. */
function seedGap({ determinism = {} }: Assembled["captured"]): RecordGap[] {
  if (determinism.numpy_seeded !== false) return [];
  const why =
    "the program drew from numpy's global generator before its first report, and had not seeded it: contrail.torch.seed_everything or numpy.random.seed";
  return [{ what: "determinism.numpy_seed", why }];
}

const OUTSIDE: Readonly<Record<string, string>> = {
  network: "it spoke to other machines, and what it got from there is not recorded",
  files: "it read files that are neither its code nor its data, and which are not recorded",
  programs: "it started programs that its command line does not show, and which are not recorded",
};

/** What came from there is not in the record, although the record says so. */
const outsideGaps = ({ outside = {} }: Assembled["captured"]): RecordGap[] =>
  Object.entries(OUTSIDE).flatMap(([kind, why]) =>
    outside[kind] === undefined
      ? []
      : [{ what: `outside.${kind}.content`, why: `${why}: ${outside[kind]}` }],
  );

/** How many items are missing: a gap counts as each of the list that it covers, one that covers none as itself. */
function countOf(missing: readonly RecordGap[], notApplicable: readonly RecordGap[]): number {
  const onList = ITEMS.filter((item) => covered(missing, item) && !covered(notApplicable, item));
  const covering = new Set(onList.flatMap((item) => [item, split(item).section]));
  return onList.length + missing.filter(({ what }) => !covering.has(what)).length;
}

/** A gap of a whole section covers each of its fields. */
const covered = (gaps: readonly RecordGap[], what: string): boolean =>
  gaps.some((gap) => gap.what === what || gap.what === split(what).section);

function split(what: string): { section: string; field: string | null } {
  const dot = what.indexOf(".");
  if (dot === -1) return { section: what, field: null };
  return { section: what.slice(0, dot), field: what.slice(dot + 1) };
}
