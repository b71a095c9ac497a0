/**
 * Since when an allocation uses its slots, in SQL; null = it does not yet. A job does from the start of its program, since
 * what it waits for is its engine's queue; all others do from the grant. A job's runner is named after its allocation.
 * @param alias of the table of allocations in the query
 */
export const usedFrom = (alias: string): string =>
  `case when ${alias}.runner like '%.' || ${alias}.experiment_id || '.' || ${alias}.trial_number || '.' || ${alias}.run
     then ${alias}.started_at else ${alias}.created_at end`;
