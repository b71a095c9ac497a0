/**
 * What can go wrong between the ranks of a trial, one entry each; docs/distributed.md lists them, and a test holds the two
 * to each other. Beside the trial API's errors and not among them, because Python's ranks meet through torch.distributed,
 * which has words of its own.
 */
type Fields = { readonly [name: string]: string | number };

const CATALOGUE = {
  ranks_apart: (f: Fields) =>
    `rank ${f.rank} waited ${f.seconds} s at ${f.place} for ${f.missing}, in vain. Look at what that process printed (contrail logs); give meet() a longer timeoutMs where it needs longer to begin.`,
  port_taken: (f: Fields) =>
    `rank 0 cannot listen at ${f.place}, where the other ranks look for it (${f.cause}). Let the program listen elsewhere, and call meet() once.`,
  rank_gone: (f: Fields) =>
    `rank ${f.missing} is gone (its connection closed) before sum ${f.turn}, and without it there is no sum. What it printed last says why.`,
  rank_late: (f: Fields) =>
    `sum ${f.turn} waited ${f.seconds} s for ${f.missing}, in vain. Every rank has to call sum() and total() equally often and in the same order; give meet() a longer timeoutMs where one needs longer.`,
  ranks_differ: (f: Fields) =>
    `at sum ${f.turn} rank 0 has ${f.own} and rank ${f.rank} has ${f.theirs}. Every rank has to give as many numbers of the same kind, at the same call.`,
  values_invalid: (f: Fields) =>
    `sum() was given ${f.value}; it takes a Float32Array or a Float64Array of at most ${f.limit} bytes. Cut what is larger into parts.`,
  ranks_closed: () =>
    "sum() was called after close(). Call close() when nothing is summed any more.",
} as const;

export type RanksErrorCode = keyof typeof CATALOGUE;
export const RANKS_ERROR_CODES = Object.keys(CATALOGUE) as RanksErrorCode[];

export class RanksError extends Error {
  override name = "RanksError";
  readonly code: RanksErrorCode;
  readonly fields: Fields;

  constructor(code: RanksErrorCode, fields: Fields = {}) {
    super(`${code}: ${CATALOGUE[code](fields)}`);
    this.code = code;
    this.fields = fields;
  }
}

/** The same on another rank. @throws nothing: what is not understood is an error too */
export function ranksErrorOf(text: string): Error {
  try {
    const { code, fields } = JSON.parse(text) as { code: RanksErrorCode; fields: Fields };
    if (Object.hasOwn(CATALOGUE, code)) return new RanksError(code, fields);
  } catch {
    // Said below.
  }
  return new Error(`rank 0 says what this version does not understand: ${text.slice(0, 200)}`);
}

/** "rank 1", "ranks 1 and 3" */
export function ranksWords(ranks: readonly number[]): string {
  const last = ranks.at(-1);
  return ranks.length < 2 ? `rank ${last}` : `ranks ${ranks.slice(0, -1).join(", ")} and ${last}`;
}
