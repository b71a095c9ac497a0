/**
 * The command lines of what `npm run` runs: one that is not understood is told in a line with the usage below it, exit code 2, and
 * --help prints the usage. A stack would add nothing.
 */
import { type ParseArgsConfig, parseArgs } from "node:util";

/** @param usage without the word itself @returns as `parseArgs` does; it does not return where there is nothing to run */
export function readArguments<const T extends ParseArgsConfig>(
  usage: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  if (process.argv.includes("--help")) {
    console.log(`usage: ${usage}`);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return refuseArguments((error as Error).message, usage);
  }
}

export function refuseArguments(what: string, usage: string): never {
  console.error(`${what}\nusage: ${usage}`);
  process.exit(2);
}
