/** What the codes of failures of the database and of its disk mean, to whoever has to say so. */

/** 53100 is PostgreSQL's own. */
export const isDiskFull = (code: unknown): boolean =>
  code === "ENOSPC" || code === "EDQUOT" || code === "53100";

/**
 * The database's own trouble, or the way to it, so that the same may go through later? SQLSTATE classes 08 (connection), 40
 * (rolled back for another's sake), 53 (resources), 57 (operator, shutdown), 58 (its disk says EIO), one that takes no writes
 * now or is being handed over, and a lock or a turn that was not had in time.
 */
export const isPassingState = (code: string): boolean =>
  /^(?:(?:08|40|53|57|58)[0-9A-Z]{3}|25006|25P0[34]|55P03)$/.test(code);
