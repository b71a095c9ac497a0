/** What a fork differs in from what it was made of: everything that is not here is the same. */
import type { Override } from "../../../src/protocol/api.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { word } from "../../parts/paths.ts";
import { Inert } from "../../parts/text.tsx";

const value = (one: Override["to"]) =>
  one === undefined ? (
    <span className="dim">nothing</span>
  ) : (
    <span className="mono">
      <Inert>{word(one)}</Inert>
    </span>
  );

const COLUMNS: readonly Column<Override>[] = [
  {
    id: "path",
    head: "changed",
    width: "minmax(130px, 2fr)",
    cell: ({ path }) => (
      <span className="mono">
        <Inert>{path}</Inert>
      </span>
    ),
  },
  { id: "from", head: "from", width: "minmax(70px, 1fr)", cell: ({ from }) => value(from) },
  { id: "to", head: "to", width: "minmax(70px, 1fr)", cell: ({ to }) => value(to) },
];

/** @param overrides undefined while they are not known for the text as it stands */
export function Changed({ overrides }: { readonly overrides: readonly Override[] | undefined }) {
  return (
    <section aria-label="What differs">
      <h2>What differs</h2>
      {overrides === undefined ? (
        <p className="dim">Known once the configuration can be submitted.</p>
      ) : overrides.length === 0 ? (
        <p className="dim">Nothing: it is the same again.</p>
      ) : (
        <DataTable
          label="What differs"
          rows={overrides}
          columns={COLUMNS}
          rowKey={({ path }) => path}
        />
      )}
    </section>
  );
}
