/**
 * Brings the files of a checkpoint or a dataset here; names and contents are checked while they are written.
 *
 * They get their names when all are whole: a download that was interrupted, or killed, would otherwise leave half a
 * model where somebody looks for a whole one.
 */
import { existsSync, readdirSync, renameSync, rmdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Tree } from "../protocol/runner-wire.ts";
import type { Client } from "../sdk/client.ts";
import { CliError, EXIT } from "./exit-code.ts";
import { bytes, plural } from "./figures.ts";
import { inPartFolder, isLeft, PART } from "./part-folder.ts";
import type { Progress } from "./progress.ts";

/** @throws CliError where anything is in the folder but other attempts */
export function requireEmpty(folder: string): void {
  if (!existsSync(folder) || readdirSync(folder).every((name) => isLeft(name, PART) !== undefined))
    return;
  throw new CliError("not_empty", `${folder} exists and is not empty.`, {
    hint: "Name a folder that does not exist yet.",
  });
}

/** @param folder one that `requireEmpty` lets pass; it is made where it is not there */
export async function download(
  client: Client,
  { tree, bytes: total }: { readonly tree: Tree; readonly bytes: number },
  folder: string,
  progress: Progress,
): Promise<void> {
  const { checkoutTree, CheckoutError } = await import("../store/snapshot.ts");
  let begun = 0;
  try {
    await intoFolder(folder, async (part) => {
      await checkoutTree(tree, part, async (hash, size) => {
        begun += size;
        progress.detail(`${bytes(begun)} of ${bytes(total)}, ${plural(tree.length, "file")}`);
        return { stream: await client.getBlob(hash) };
      });
    });
  } catch (error) {
    if (!(error instanceof CheckoutError)) throw error;
    // A blob that could not be fetched is the server's answer, not the folder's fault.
    if (error.code === "failed" && error.cause instanceof Error && "toProblem" in error.cause)
      throw error.cause;
    throw new CliError(error.code, error.message.replace(/^checkout_\w+: /, ""), {
      hint:
        error.code === "disk_full"
          ? "Free some space, or name a folder on another disk."
          : "Nothing was left behind. Run the command again.",
      exitCode: EXIT.failed,
      cause: error,
    });
  }
}

/**
 * Within a folder that is there already: it may be a mount of its own, or where somebody stands.
 * @param folder one that `requireEmpty` lets pass @param fill makes the folder that it is given
 */
export async function intoFolder<T>(
  folder: string,
  fill: (part: string) => Promise<T>,
): Promise<T> {
  const within = existsSync(folder);
  const beside = within ? folder : dirname(folder);
  const prefix = within ? PART : `.${basename(folder)}${PART}`;
  return inPartFolder({ beside, prefix }, async (part) => {
    const filled = await fill(part);
    // Somebody else may have been there in the meantime; a folder that is not empty is not replaced.
    requireEmpty(folder);
    giveNames(part, folder, within);
    return filled;
  });
}

/** At once as far as this process goes: no signal is heard in between. */
function giveNames(part: string, folder: string, within: boolean): void {
  try {
    if (!within) return renameSync(part, folder);
    for (const name of readdirSync(part)) renameSync(join(part, name), join(folder, name));
    rmdirSync(part);
  } catch (error) {
    throw new CliError("failed", `${folder} cannot be made: ${(error as Error).message}.`, {
      hint: "Name a folder that does not exist yet.",
      cause: error,
    });
  }
}
