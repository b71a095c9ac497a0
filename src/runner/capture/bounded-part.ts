/**
 * What was taken down, in the bounds of the server and without secrets. The packages of an environment are the same from
 * run to run, and to look for secrets in 400 of them takes 4 ms: fields that come again as the same object are not
 * looked at again, so nobody may change them once they are here.
 */
import { maskedText } from "../../base/secrets.ts";
import {
  RECORD_VALUE_CHARS_MAX,
  type RecordFields,
  type RecordGap,
  type RecordPart,
  type RecordSection,
  type RecordValue,
} from "../../protocol/record-part.ts";

const FIELD_CHARS_MAX = 512;
const FIELDS_MAX = 20_000;
const GAPS_MAX = 100;
/** Of the JSON of all sections, and of each list of gaps: together less than the server takes of a part. */
const SECTIONS_CHARS_MAX = 2.5 * 1024 * 1024;
const GAPS_CHARS_MAX = 512 * 1024;

/** Of several parts one. A section that only one of them has stays the very object that it is there. */
export function joined(parts: readonly RecordPart[]): RecordPart {
  const captured: Partial<Record<RecordSection, RecordFields>> = {};
  for (const part of parts)
    for (const [section, fields] of Object.entries(part.captured))
      captured[section as RecordSection] =
        section in captured ? { ...captured[section as RecordSection], ...fields } : fields;
  return {
    captured,
    not_applicable: parts.flatMap((part) => part.not_applicable),
    missing: parts.flatMap((part) => part.missing),
  };
}

/** Fields → the same as the server takes them. */
const known = new WeakMap<RecordFields, RecordFields>();

/** As the server takes it, and with nothing in it that looks like a secret. */
export function bounded(part: RecordPart): RecordPart {
  const captured = Object.entries(part.captured).map(([section, fields = {}]) => {
    const cleaned = known.get(fields) ?? cleanFields(fields);
    known.set(fields, cleaned);
    return [section, cleaned];
  });
  const cleaned = {
    captured: Object.fromEntries(captured),
    not_applicable: cleanGaps(part.not_applicable),
    missing: cleanGaps(part.missing),
  };
  return fitted(cleaned, part);
}

/**
 * What the server would refuse for its size without its longest fields, and with a gap for those: whatever comes behind a
 * refused part, the end of its run too, would wait for it.
 * @param whole what it was made from: of several gaps with one name only one would stay, so each counts all that is left out
 */
export function fitted(part: RecordPart, whole = part): RecordPart {
  const captured = { ...part.captured };
  const gaps: RecordGap[] = [];
  const bySize = Object.entries(captured)
    .map(([section, fields = {}]) => ({ section, fields, chars: charsOf(fields) }))
    .toSorted((a, b) => a.chars - b.chars);
  let left = SECTIONS_CHARS_MAX;
  bySize.forEach(({ section, fields, chars }, i) => {
    // What small ones leave of their share is for the large ones.
    const share = Math.floor(left / (bySize.length - i));
    const kept = chars <= share ? fields : shortest(fields, share);
    captured[section as RecordSection] = kept;
    gaps.push(...restOf(section, whole.captured[section as RecordSection] ?? {}, kept));
    left -= Math.min(chars, share);
  });
  const missing = [...gaps, ...part.missing];
  return {
    captured,
    not_applicable: withinChars(part.not_applicable),
    missing: counted(withinChars(missing), gaps.length + whole.missing.length),
  };
}

const sizes = new WeakMap<RecordFields, number>();

function charsOf(fields: RecordFields): number {
  const chars = sizes.get(fields) ?? JSON.stringify(fields).length;
  sizes.set(fields, chars);
  return chars;
}

/** In the order in which they were. */
function shortest(fields: RecordFields, charsMax: number): RecordFields {
  const all = Object.entries(fields).map(([name, value]) => ({
    name,
    chars: JSON.stringify(name).length + JSON.stringify(value).length + 2,
  }));
  let left = charsMax;
  const kept = new Set<string>();
  for (const { name, chars } of all.toSorted((a, b) => a.chars - b.chars)) {
    left -= chars;
    if (left < 0) break;
    kept.add(name);
  }
  return Object.fromEntries(Object.entries(fields).filter(([name]) => kept.has(name)));
}

function restOf(section: string, all: RecordFields, kept: RecordFields): RecordGap[] {
  const [before, now] = [Object.keys(all).length, Object.keys(kept).length];
  if (before === now) return [];
  const why = `${before - now} of ${before} fields are left out: they are more, or longer, than a record takes`;
  return [{ what: `${section}.rest`, why }];
}

function withinChars(gaps: readonly RecordGap[]): RecordGap[] {
  let left = GAPS_CHARS_MAX;
  return gaps.filter((gap) => {
    left -= JSON.stringify(gap).length + 1;
    return left >= 0;
  });
}

const cleanFields = (fields: RecordFields): RecordFields =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([name]) => name !== "" && name !== "__proto__" && name.length <= FIELD_CHARS_MAX)
      .slice(0, FIELDS_MAX)
      .map(([name, value]) => [name.toWellFormed().replaceAll("\0", "\u2400"), clean(value)]),
  );

const cleanGaps = (list: readonly RecordGap[]): RecordGap[] =>
  list.slice(0, GAPS_MAX).map(({ what, why }) => ({
    what: what.slice(0, FIELD_CHARS_MAX),
    why: String(clean(why)) || "no reason was given",
  }));

/** Gaps that are left out are a gap, too. */
const counted = (kept: readonly RecordGap[], count: number): RecordGap[] =>
  kept.length === count
    ? [...kept]
    : [...kept, { what: "record.rest", why: `${count - kept.length} more such entries` }];

const clean = (value: RecordValue): RecordValue =>
  typeof value === "string"
    ? maskedText(value).slice(0, RECORD_VALUE_CHARS_MAX).toWellFormed().replaceAll("\0", "\u2400")
    : Number.isFinite(value) || typeof value === "boolean"
      ? value
      : String(value);
