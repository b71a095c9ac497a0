/**
 * A part of the record of a run: facts as flat fields in named sections, what does not apply here, and what should be
 * here and could not be had. Runner and training code say it in this shape, the server stores it so and puts the parts
 * together; a field's path (`interpreter.version`, `packages_observed.pip:numpy`) means the same in every record, so
 * that comparing two of them is comparing two lists.
 *
 * Nested documents were refused: every reader (comparison, page, bundle) would flatten them again, each in its way.
 */
import { z } from "zod";

/** In the order in which people read them. */
export const RECORD_SECTIONS = [
  "code",
  "configuration",
  "hyperparameters",
  "seeds",
  "data",
  "command",
  "who",
  "interpreter",
  "packages_requested",
  "packages_resolved",
  "packages_observed",
  "package_hashes",
  "package_origins",
  "frameworks",
  "determinism",
  "outside",
  "variables",
  "system",
  "cpu",
  "memory",
  "gpu",
  "container",
] as const;
export type RecordSection = (typeof RECORD_SECTIONS)[number];

const FIELD_CHARS_MAX = 512;
export const RECORD_VALUE_CHARS_MAX = 16_384;
const GAPS_MAX = 200;
/** Of one part: some fifty thousand packages. */
export const RECORD_PART_CHARS_MAX = 4 * 1024 * 1024;

const cleanText = (charsMax: number) => z.string().max(charsMax);

export const recordValue = z.union([cleanText(RECORD_VALUE_CHARS_MAX), z.number(), z.boolean()]);
export type RecordValue = z.infer<typeof recordValue>;

export const recordFields = z.record(z.string().min(1).max(FIELD_CHARS_MAX), recordValue);
export type RecordFields = Readonly<Record<string, RecordValue>>;

export const recordGap = z.strictObject({
  /** An item of the list in docs/record.md: a section, or section and field. */
  what: z.string().min(1).max(FIELD_CHARS_MAX),
  why: z.string().min(1).max(RECORD_VALUE_CHARS_MAX),
});
export type RecordGap = z.infer<typeof recordGap>;

export const recordPart = z
  .strictObject({
    captured: z.partialRecord(z.enum(RECORD_SECTIONS), recordFields).default({}),
    not_applicable: z.array(recordGap).max(GAPS_MAX).default([]),
    missing: z.array(recordGap).max(GAPS_MAX).default([]),
  })
  .check((context) => {
    if (JSON.stringify(context.value).length > RECORD_PART_CHARS_MAX)
      context.issues.push({
        code: "custom",
        input: context.value,
        message: `has more than ${RECORD_PART_CHARS_MAX} characters of JSON`,
      });
  });
export type RecordPart = z.infer<typeof recordPart>;

export const EMPTY_PART: RecordPart = { captured: {}, not_applicable: [], missing: [] };
