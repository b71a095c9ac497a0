/**
 * Which of the caller's variables a program under `run` gets: those that decide which interpreter, packages
 * and libraries it finds and how it counts threads and writes dates, so that it behaves as it would in this
 * shell. A list of what may pass, not of what may not: variables hold passwords and tokens, and what passes
 * is stored with the experiment for others to read.
 */
import { isSecretName } from "../base/secrets.ts";
import { usageError } from "./exit-code.ts";

/** A name, or the beginning of names with an asterisk. */
export const PASSED_VARIABLES: readonly string[] = [
  "PATH",
  "VIRTUAL_ENV",
  "CONDA_*",
  "PYTHONPATH",
  "LD_LIBRARY_PATH",
  "CUDA_*",
  "OMP_*",
  "MKL_*",
  "LANG",
  "LC_*",
  "TZ",
  "HOME",
];

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

const passes = (name: string): boolean =>
  !isSecretName(name) &&
  PASSED_VARIABLES.some((rule) =>
    rule.endsWith("*") ? name.startsWith(rule.slice(0, -1)) : name === rule,
  );

/** @param wanted of `--env`: NAME as it is here, or NAME=VALUE */
export function passedEnvironment(
  env: { readonly [name: string]: string | undefined },
  wanted: readonly string[],
): { [name: string]: string } {
  const passed: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && NAME.test(name) && passes(name)) passed[name] = value;
  for (const word of wanted) {
    const equals = word.indexOf("=");
    const name = equals === -1 ? word : word.slice(0, equals);
    if (!NAME.test(name))
      throw usageError(
        "--env was given something that does not begin with the name of a variable.",
        "Write --env NAME to pass it on as it is here, or --env NAME=VALUE.",
      );
    const value = equals === -1 ? env[name] : word.slice(equals + 1);
    if (value === undefined)
      throw usageError(
        `--env names ${name}, which is not set here.`,
        `Set it, or give its value: --env ${name}=VALUE`,
      );
    passed[name] = value;
  }
  return passed;
}
