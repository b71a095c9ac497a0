/**
 * The graph around one thing, walked outwards a step at a time.
 *
 * Ancestry and checkpoints are followed as far as they go. Code and data are shown beside whoever used them and not
 * followed, unless they are what was asked for: a popular dataset would otherwise draw in everything that ever read it,
 * and the answer to "where does this come from" would be the whole record. What is left out is counted at the node
 * where it would hang.
 */
import type { Lineage, LineageEdge, LineageKind, LineageNode } from "../../protocol/api.ts";
import type { Queryable } from "../../store/audit-reads.ts";
import { describe } from "./describe.ts";
import { type Neighbour, neighboursOf } from "./neighbours.ts";
import { kindOf } from "./things.ts";

const NODES_MAX = 300;

const FOLLOWED: ReadonlySet<LineageKind> = new Set(["experiment", "trial", "checkpoint"]);

/** @returns undefined where there is no such thing */
export async function lineageOf(
  db: Queryable,
  root: string,
  depth: number,
): Promise<Lineage | undefined> {
  const nodes = new Map<string, LineageNode>();
  const edges = new Map<string, LineageEdge>();
  const more = new Map<string, number>();
  let frontier = [root];
  for (let distance = 0; frontier.length > 0; distance++) {
    const described = await describe(db, frontier);
    for (const [id, { label, state, at }] of described)
      nodes.set(id, { id, kind: kindOf(id), label, state, at, distance, more: 0 });
    const there = [...described.keys()];
    if (distance === 0 && there.length === 0) return undefined;
    const follow = there.filter((id) => distance === 0 || FOLLOWED.has(kindOf(id)));
    const around = await neighboursOf(db, follow, distance === 0);
    const next = new Set<string>();
    for (const [id, { near, more: besides }] of around) {
      more.set(id, besides);
      for (const neighbour of near) {
        const isNew = !nodes.has(neighbour.id) && !next.has(neighbour.id);
        if (isNew && (distance === depth || nodes.size + next.size >= NODES_MAX))
          more.set(id, (more.get(id) ?? 0) + 1);
        else {
          if (isNew) next.add(neighbour.id);
          const edge = edgeOf(id, neighbour);
          edges.set(`${edge.from} ${edge.to} ${edge.relation}`, edge);
        }
      }
    }
    frontier = [...next];
  }
  return {
    root,
    nodes: [...nodes.values()].map((node) => ({ ...node, more: more.get(node.id) ?? 0 })),
    // What was purged in between is no node, and nothing leads to it.
    edges: [...edges.values()].filter(({ from, to }) => nodes.has(from) && nodes.has(to)),
  };
}

const edgeOf = (id: string, { id: other, relation, came, note }: Neighbour): LineageEdge =>
  came === "out"
    ? { from: id, to: other, relation, note }
    : { from: other, to: id, relation, note };
