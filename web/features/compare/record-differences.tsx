/**
 * In what the records of the trials differ: seeds, versions of data, and in what they ran (interpreter, packages,
 * machine, switches). A trial beside which nothing was captured is named and not laid beside the others, because all of their
 * hundreds of fields would differ from nothing.
 */
import { isOfEnvironment, percentText } from "../../../src/analysis/record-words.ts";
import type { JsonObject } from "../../../src/base/json.ts";
import { plural } from "../../../src/cli/figures.ts";
import type { TrialRecord } from "../../../src/protocol/api.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";
import { DifferenceTable } from "./tables.tsx";
import { type Compared, useRecords } from "./use-compared.ts";

export function RecordDifferences({ compared }: { readonly compared: readonly Compared[] }) {
  const { records, error } = useRecords(compared);
  if (records === undefined)
    return error ? <Failed error={error} /> : <Loading what="Asking for the records" />;
  const ids = records.map(({ trial }) => trial);
  const told = records.filter(({ captured_at: at }) => at !== null);
  const section = (name: "seeds" | "data") => records.map(({ captured }) => captured[name] ?? {});
  const [a, b] = ids;
  return (
    <>
      <DifferenceTable title="Seeds" noun="seed" ids={ids} things={section("seeds")} />
      <DifferenceTable title="Data" noun="field" ids={ids} things={section("data")} />
      {told.length < 2 ? (
        <section>
          <h2>Environment</h2>
          <p className="dim">There are not two of them beside which it was captured.</p>
        </section>
      ) : (
        <DifferenceTable
          title="Environment"
          noun="recorded fact"
          ids={told.map(({ trial }) => trial)}
          things={told.map(environmentOf)}
        />
      )}
      <Completeness records={records} />
      {ids.length === 2 ? (
        <CommandLine command={`contrail diff ${a} ${b}`} />
      ) : (
        <div className="commands">
          {ids.slice(1).map((id) => (
            <CommandLine key={id} command={`contrail diff ${a} ${id}`} />
          ))}
        </div>
      )}
    </>
  );
}

/** How far each record is to be trusted: what is missing in it cannot differ. */
function Completeness({ records }: { readonly records: readonly TrialRecord[] }) {
  return (
    <ul className="completeness" aria-label="Completeness of the records">
      {records.map(({ trial, captured_at: at, missing, ...record }) => (
        <li key={trial}>
          <TrialLink id={trial} tab="environment" />{" "}
          <span className="dim">
            {at === null
              ? "nothing was captured beside it, so its environment is not compared"
              : `complete to ${percentText(record.completeness)}${missing.length === 0 ? "" : `, ${plural(missing.length, "thing")} could not be captured`}`}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** `section.field` → value. */
function environmentOf({ captured }: TrialRecord): JsonObject {
  const fields: Record<string, string | number | boolean> = {};
  for (const [section, values] of Object.entries(captured))
    for (const [field, value] of Object.entries(values ?? {}))
      if (isOfEnvironment(section, field)) fields[`${section}.${field}`] = value;
  return fields;
}
