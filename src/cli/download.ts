/** Brings the files of a checkpoint or a dataset here; names and contents are checked while they are written. */
import type { Tree } from "../protocol/runner-wire.ts";
import type { Client } from "../sdk/client.ts";
import { CliError, EXIT } from "./exit-code.ts";
import { bytes, plural } from "./figures.ts";
import type { Progress } from "./progress.ts";

export async function download(
  client: Client,
  { tree, bytes: total }: { readonly tree: Tree; readonly bytes: number },
  folder: string,
  progress: Progress,
): Promise<void> {
  const { checkoutTree, CheckoutError } = await import("../store/snapshot.ts");
  let begun = 0;
  try {
    await checkoutTree(tree, folder, async (hash, size) => {
      begun += size;
      progress.detail(`${bytes(begun)} of ${bytes(total)}, ${plural(tree.length, "file")}`);
      return { stream: await client.getBlob(hash) };
    });
  } catch (error) {
    if (!(error instanceof CheckoutError)) throw error;
    // A blob that could not be fetched is the server's answer, not the folder's fault.
    if (error.code === "failed" && error.cause instanceof Error && "toProblem" in error.cause)
      throw error.cause;
    throw new CliError(error.code, error.message.replace(/^checkout_\w+: /, ""), {
      hint:
        error.code === "not_empty"
          ? "Name a folder that does not exist yet: --to DIR"
          : error.code === "disk_full"
            ? "Free some space, or name a folder on another disk: --to DIR"
            : "Nothing was left behind. Run the command again.",
      exitCode: EXIT.failed,
      cause: error,
    });
  }
}
