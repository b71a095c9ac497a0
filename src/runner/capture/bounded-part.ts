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
  return {
    captured: Object.fromEntries(captured),
    not_applicable: cleanGaps(part.not_applicable),
    missing: cleanGaps(part.missing),
  };
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

const clean = (value: RecordValue): RecordValue =>
  typeof value === "string"
    ? maskedText(value).slice(0, RECORD_VALUE_CHARS_MAX).toWellFormed().replaceAll("\0", "\u2400")
    : Number.isFinite(value) || typeof value === "boolean"
      ? value
      : String(value);
