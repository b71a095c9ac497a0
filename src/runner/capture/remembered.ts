/** For which runs holds what an interpreter said: those that find it in the same way, and what it found. Pure. */
import { createHash } from "node:crypto";
import { relative, sep } from "node:path";
import type { RecordPart } from "../../protocol/record-part.ts";
import type { Program } from "./entrypoint.ts";

/** They decide which interpreter and which packages a command finds. */
const CHOOSING =
  /^(?:PATH|HOME|PYTHON.*|PYENV.*|VIRTUAL_ENV|CONDA.*|UV_.*|POETRY.*|NODE_.*|LD_.*)$/;

/** @param folder of the run */
export function keyOf(program: Program, folder: string, code: string): string {
  const chosen = Object.entries(program.env)
    .filter(([name]) => CHOOSING.test(name))
    // Each trial has one of its own, by which nothing is chosen; an interpreter tells only whether it is 0.
    .map(
      ([name, value]) =>
        [name, name === "PYTHONHASHSEED" && value !== "0" ? "any" : value] as const,
    )
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([
    ...[program.kind, program.command, chosen, code],
    placeOf(folder, program),
  ]);
  return createHash("sha256").update(text).digest("hex");
}

/** Where a program starts decides what `uv run` or an import finds; runs have the same places in folders of their own. */
function placeOf(folder: string, program: Program): string {
  const place = relative(folder, program.folder);
  return place === ".." || place.startsWith(`..${sep}`) ? program.folder : place;
}

/**
 * An interpreter or packages that lie beside the code: a virtual environment, a `node_modules`. A folder of modules on
 * PYTHONPATH holds what the code holds, whichever run's it is.
 */
export function liesIn(
  folder: string,
  { part, places }: { readonly part: RecordPart; readonly places: readonly string[] },
): boolean {
  const { path, prefix } = part.captured.interpreter ?? {};
  const packages = places.filter((place) => /\/(?:site-packages|node_modules)$/.test(place));
  return [path, prefix, ...packages].some(
    (one) => typeof one === "string" && one.startsWith(`${folder}${sep}`),
  );
}
