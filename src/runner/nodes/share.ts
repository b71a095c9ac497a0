/** Which ranks of an allocation are on which of its nodes: in order, and as evenly as they go. */
export interface NodeShare {
  /** From 0, which is the head's. */
  readonly node: number;
  readonly nodes: number;
  /** The lowest of its ranks. */
  readonly first: number;
  readonly ranks: number;
}

export function shareOf(node: number, nodes: number, ranks: number): NodeShare {
  const first = Math.floor((node * ranks) / nodes);
  return { node, nodes, first, ranks: Math.floor(((node + 1) * ranks) / nodes) - first };
}

export const hasRank = ({ first, ranks }: NodeShare, rank: number): boolean =>
  rank >= first && rank < first + ranks;
