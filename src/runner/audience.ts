/**
 * Who listens at the socket of an allocation. To listen, and to say goodbye, belong to a connection and not to the trial: an
 * evaluation that uses the helper too, or a launcher's processes that all call themselves rank 0, come and go beside
 * the program that trains, and a connection that is closed hears nothing more, whoever lives behind it.
 */
export interface Audience {
  /** Connection → its rank, of those that have greeted, are open and have not said goodbye. */
  readonly ranks: ReadonlyMap<number, number>;
  /** The last of rank 0 to go said goodbye. */
  readonly saidBye: boolean;
}

export const NOBODY: Audience = { ranks: new Map(), saidBye: false };

export function greeted(audience: Audience, connection: number, rank: number): Audience {
  return { ...audience, ranks: new Map(audience.ranks).set(connection, rank) };
}

/** @param saidBye it has said goodbye; otherwise it was closed, which after a goodbye says nothing new */
export function gone(audience: Audience, connection: number, saidBye: boolean): Audience {
  const ranks = new Map(audience.ranks);
  const rank = ranks.get(connection);
  ranks.delete(connection);
  return { ranks, saidBye: rank === 0 ? saidBye : audience.saidBye };
}

const speaks = ({ ranks }: Audience): boolean => [...ranks.values()].includes(0);

/** Rank 0, which speaks for all, is on its way out by itself. */
export const hasLeft = (audience: Audience): boolean => audience.saidBye && !speaks(audience);

/** What is pushed now is heard by somebody who can still heed it. */
export const listens = (audience: Audience): boolean =>
  audience.ranks.size > 0 && !hasLeft(audience);
