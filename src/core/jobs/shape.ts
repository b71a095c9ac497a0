/**
 * On how many nodes the slots of a trial lie, where its engine places jobs of several: on one if they fit there, else on the
 * fewest that share them evenly, since programs of several ranks count on equal nodes. Which nodes these are is the
 * engine's affair.
 */
export interface JobShape {
  readonly nodes: number;
  readonly slotsPerNode: number;
}

/** What one job can have. */
export interface JobRoom {
  /** Of the node that has the most. */
  readonly slotsPerNode: number;
  readonly nodes: number;
  readonly slots: number;
}

/** @param slotsPerNode where no node can take anything now, 0; what was placed before still has a shape then */
export function shapeOf(slots: number, slotsPerNode: number): JobShape {
  let nodes = Math.max(1, Math.ceil(slots / Math.max(1, slotsPerNode || 1)));
  while (slots % nodes !== 0) nodes += 1;
  return { nodes, slotsPerNode: slots / nodes };
}

export const fitsShape = (slots: number, room: JobRoom): boolean =>
  slots <= room.slots && shapeOf(slots, room.slotsPerNode).nodes <= room.nodes;

/** @returns the nearest numbers of slots that fit where this one does not: below and above, as far as there are such */
export function nearestShapes(slots: number, room: JobRoom): number[] {
  const most = Math.min(room.slots, room.slotsPerNode * room.nodes);
  const nearest: number[] = [];
  for (let below = Math.min(slots - 1, most); below > 0 && nearest.length === 0; below--)
    if (fitsShape(below, room)) nearest.push(below);
  for (let above = slots + 1; above <= most; above++)
    if (fitsShape(above, room)) return [...nearest, above];
  return nearest;
}
