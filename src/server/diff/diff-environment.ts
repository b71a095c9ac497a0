/** In what two trials ran, where that is not the same: by the records of the two, section by section. */
import { isOfEnvironment } from "../../analysis/record-words.ts";
import type { TrialRecord, ValueDifference } from "../../protocol/api.ts";
import { RECORD_SECTIONS, type RecordFields } from "../../protocol/record-part.ts";

/** All of them, in a list a section: whoever shows some chooses which. */
export function diffEnvironment(
  a: Pick<TrialRecord, "captured" | "environment">,
  b: Pick<TrialRecord, "captured" | "environment">,
): ValueDifference[][] {
  return RECORD_SECTIONS.map((section) => {
    const [left, right] = [a.captured[section] ?? {}, b.captured[section] ?? {}] as RecordFields[];
    const found: ValueDifference[] = [];
    for (const name of [
      ...new Set([...Object.keys(left ?? {}), ...Object.keys(right ?? {})]),
    ].toSorted()) {
      const [one, two] = [left?.[name], right?.[name]];
      if (one === two || !isOfEnvironment(section, name)) continue;
      found.push({
        path: `${section}.${name}`,
        ...(one === undefined ? {} : { a: one }),
        ...(two === undefined ? {} : { b: two }),
      });
    }
    return found;
  });
}
