/**
 * What can go wrong on the training side, one entry each: the code, what happened, what to do. Python
 * holds the same table (`python/contrail/_errors.py`), the page `docs/trial-api.md` lists it, and a test
 * holds the three to each other, because a code that one of them lacks cannot be looked up.
 *
 * A class per code was refused: nobody recovers from these one by one; all but
 * `invalid_hyperparameters` say that the script or its environment must change.
 */
type Fields = { readonly [name: string]: string | number };

const CATALOGUE = {
  runner_unreachable: (f: Fields) =>
    `CONTRAIL_SOCKET names ${f.path}, but no runner answers there (${f.cause}). Start the script with \`contrail run\` or in an experiment, or unset CONTRAIL_SOCKET to run it alone.`,
  environment_invalid: (f: Fields) =>
    `the environment variable ${f.name} is ${f.value}, which is not ${f.expected}. Correct it, or unset it to use what init() was given.`,
  option_invalid: (f: Fields) =>
    `${f.call} was given ${f.name} = ${f.value}, which is not ${f.expected}. Correct the call.`,
  step_invalid: (f: Fields) =>
    `${f.call} was given the step ${f.value}; a step is a whole number from 0 to 2^53 - 1. Pass the number that steps() gave you.`,
  metrics_invalid: (f: Fields) =>
    `report() was given ${f.value} as metrics; it takes names with numbers, such as ${f.example}. Correct the call.`,
  metadata_invalid: (f: Fields) =>
    `checkpoint() was given ${f.value} as ${f.name}; metadata is made of names with numbers, text, true, false, nothing, lists and more names, at most ${f.depth} levels deep and ${f.bytes} bytes of JSON. Correct the call, or write it into a file of the checkpoint.`,
  checkpoint_step_mismatch: (f: Fields) =>
    `checkpoint() was called for step ${f.step} while step ${f.current} runs; the trial would go on from the wrong place. Pass the step that runs.`,
  checkpoint_empty: (f: Fields) =>
    `the save function for step ${f.step} wrote nothing into ${f.path}. Write the model's files into the folder that it is given.`,
  restore_missing: (f: Fields) =>
    `the trial goes on after step ${f.step}, but nothing loads its checkpoint, so it would train from the start under later step numbers. Pass restore to steps(), or load trial.restored yourself before the loop.`,
  steps_twice: () =>
    "steps() was called a second time; a trial has one loop. Keep the first one, and start a new process for another.",
  unknown_parameter: (f: Fields) =>
    `there is no hyperparameter ${f.name} here (${f.known}). Declare it under hyperparameters, give init() a default for it, or look whether its condition holds.`,
  invalid_hyperparameters: (f: Fields) =>
    `these hyperparameters cannot work: ${f.reason}. The search replaces this trial by another choice.`,
} as const;

export type TrialErrorCode = keyof typeof CATALOGUE;
export const TRIAL_ERROR_CODES = Object.keys(CATALOGUE) as TrialErrorCode[];

/** Raised by the trial API; never for trouble between this process and the platform once it trains. */
export class TrialError extends Error {
  override name = "TrialError";
  readonly code: TrialErrorCode;

  constructor(code: TrialErrorCode, fields: Fields = {}, options?: ErrorOptions) {
    super(`${code}: ${CATALOGUE[code](fields)}`, options);
    this.code = code;
  }
}

/** Ends the program after `invalidHyperparameters(reason)`. */
export class InvalidHyperparameters extends TrialError {
  override name = "InvalidHyperparameters";

  constructor(reason: string) {
    super("invalid_hyperparameters", { reason });
  }
}

/** A value as a message shows it: JSON where there is any, shortened. */
export function shown(value: unknown): string {
  let text: string;
  try {
    text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  } catch {
    text = String(value);
  }
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
