/**
 * What the code asks for, read by the runner itself where that is little, as nearly always, and by a process of its own where it
 * is much: whoever wrote those files decides how long parsing them takes and how much memory (a list of ten million
 * characters in an environment.yml takes 4 GB), and the runner has other trials to hear.
 *
 * A process for every code was refused: it costs a tenth of a second of a core and more, and would look at the folder when
 * the program has long been at work in it.
 */
import { join } from "node:path";
import type { RecordPart } from "../../protocol/record-part.ts";
import { type Asked, ask } from "./ask.ts";
import { declaredPackages, TooLongError } from "./declared-packages.ts";

/** What takes longest (YAML) takes an eighth of a second for so much. */
const HERE_CHARS_MAX = 64 * 1024;
const LIMIT_MS = 20_000;
const HEAP_MIB = 1024;

/** Looks before it waits. @throws Error in words where the folder or so much cannot be read */
export async function declaredIn(
  folder: string,
  how: Pick<Asked, "signal" | "setpriv">,
): Promise<RecordPart> {
  try {
    return declaredPackages(folder, HERE_CHARS_MAX);
  } catch (error) {
    if (!(error instanceof TooLongError)) throw error;
  }
  const script = join(import.meta.dirname, "declared-main.ts");
  const command = [process.execPath, `--max-old-space-size=${HEAP_MIB}`, script, folder];
  return JSON.parse(await ask({ ...how, command, env: {}, folder: "/", limitMs: LIMIT_MS }));
}
