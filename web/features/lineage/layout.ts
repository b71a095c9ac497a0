/**
 * Places for the things of a lineage: what came first on the left, each thing right of all that it came from, and in a
 * column in the order of what it hangs at, so that lines cross little (the barycentre of its neighbours on the left; Sugiyama,
 * Tagawa and Toda, "Methods for visual understanding of hierarchical system structures", 1981, section IV).
 */
import type { Lineage } from "../../../src/protocol/api.ts";

export interface Place {
  readonly column: number;
  readonly row: number;
}

export interface Layout {
  readonly places: ReadonlyMap<string, Place>;
  readonly columns: number;
  readonly rows: number;
}

export function layOut({ nodes, edges }: Pick<Lineage, "nodes" | "edges">): Layout {
  const columns = columnsOf(nodes, edges);
  const before = Map.groupBy(edges, ({ to }) => to);
  const byColumn = [...Map.groupBy(nodes, ({ id }) => columns.get(id) ?? 0)].sort(
    ([a], [b]) => a - b,
  );
  const places = new Map<string, Place>();
  let rows = 0;
  for (const [column, own] of byColumn) {
    const centre = (id: string): number => {
      const at = (before.get(id) ?? []).flatMap(({ from }) => places.get(from)?.row ?? []);
      return at.length === 0 ? Number.POSITIVE_INFINITY : at.reduce((a, b) => a + b, 0) / at.length;
    };
    const ordered = own
      .map(({ id }) => ({ id, at: centre(id) }))
      .sort((a, b) => (a.at === b.at ? 0 : a.at - b.at));
    for (const [row, { id }] of ordered.entries()) places.set(id, { column, row });
    rows = Math.max(rows, own.length);
  }
  return { places, columns: Math.max(0, ...byColumn.map(([column]) => column)) + 1, rows };
}

/** The longest way to each. Things in a circle (a checkpoint that came out the same again) stay where it was first met. */
function columnsOf(nodes: Lineage["nodes"], edges: Lineage["edges"]): Map<string, number> {
  const after = Map.groupBy(edges, ({ from }) => from);
  const waits = new Map(nodes.map(({ id }) => [id, 0]));
  for (const { to } of edges) waits.set(to, (waits.get(to) ?? 0) + 1);
  const columns = new Map<string, number>();
  const ready = nodes.map(({ id }) => id).filter((id) => waits.get(id) === 0);
  const left = new Set(nodes.map(({ id }) => id));
  for (;;) {
    const id = ready.shift() ?? [...left][0];
    if (id === undefined) return columns;
    if (!left.delete(id)) continue;
    const column = columns.get(id) ?? 0;
    columns.set(id, column);
    for (const { to } of after.get(id) ?? []) {
      if (!left.has(to)) continue;
      columns.set(to, Math.max(columns.get(to) ?? 0, column + 1));
      waits.set(to, (waits.get(to) ?? 0) - 1);
      if (waits.get(to) === 0) ready.push(to);
    }
  }
}
