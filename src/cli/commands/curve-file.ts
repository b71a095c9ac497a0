/**
 * A learning curve that a person wrote: the default export of a file. Whatever is wrong with it is theirs
 * to mend, so it is said with the file's name and the place, and never taken for a fault of ours.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import type { Json } from "../../base/json.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";

export const CURVE_SHAPE = "(hyperparameters, step) => number";

export type CurveFunction = (
  hyperparameters: { readonly [name: string]: Json },
  step: number,
) => number;

/** @returns the function of the file, which names itself and the place when it fails */
export function curveOfFile(name: string, cwd: string): CurveFunction {
  const path = resolve(cwd, name);
  if (!existsSync(path))
    throw new CliError("not_found", `There is no file ${path}.`, {
      hint: `Give --curve a file whose default export is ${CURVE_SHAPE}.`,
      exitCode: EXIT.notFound,
    });
  const curve = loaded(name, path);
  if (typeof curve !== "function")
    throw usageError(
      `The default export of ${name} is no function.`,
      `Write: export default ${CURVE_SHAPE}`,
    );
  return (hyperparameters, step) => {
    const at = `at step ${step} of ${JSON.stringify(hyperparameters)}`;
    let value: unknown;
    try {
      value = curve(hyperparameters, step);
    } catch (error) {
      throw broken(`${name} failed ${at}`, error);
    }
    if (typeof value === "number") return value;
    const what = value instanceof Promise ? "a promise" : String(JSON.stringify(value));
    throw broken(`${name} gave ${what} ${at}; it must be a number (NaN and infinities too)`);
  };
}

function loaded(name: string, path: string): unknown {
  try {
    const module: unknown = createRequire(import.meta.url)(path);
    return (module as { default?: unknown }).default ?? module;
  } catch (error) {
    throw broken(`${name} cannot be loaded`, error);
  }
}

const broken = (what: string, error?: unknown): CliError =>
  new CliError("curve_broken", `${what}${error === undefined ? "" : `: ${String(error)}`}.`, {
    hint: "Correct the file.",
  });
