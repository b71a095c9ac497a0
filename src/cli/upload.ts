/**
 * Brings a folder to the server: hash it, ask which contents are lacking, send those, a few at a time.
 * A second upload of the same folder sends nothing. One archive was refused: it would send everything
 * again after each edit, and unpacking archives from strangers has a long history of holes.
 */
import { openAsBlob } from "node:fs";
import { resolve } from "node:path";
import type { Client } from "../sdk/client.ts";
import { RemoteError } from "../sdk/remote-error.ts";
import type { ScannedFolder, ScanOptions } from "../store/snapshot.ts";
import { CliError } from "./exit-code.ts";
import { bytes, plural } from "./figures.ts";
import type { Progress } from "./progress.ts";

const AT_ONCE = 4;
/** Hashes asked about in one request. */
const ASKED_MAX = 5_000;

/** Reads and hashes a folder. @throws CliError with everything that is wrong with it */
export async function scan(folder: string, options: ScanOptions = {}): Promise<ScannedFolder> {
  const { scanFolder } = await import("../store/snapshot.ts");
  const result = await scanFolder(folder, options);
  if (result.ok) return result.folder;
  throw new CliError("bad_folder", `The folder ${resolve(folder)} cannot be recorded as it is.`, {
    hint: "Correct each, or name what is not needed in a file .contrailignore in that folder.",
    issues: result.issues.map(({ path, message }) => ({ code: "bad_folder", path, message })),
  });
}

/** The hashes of `folder` that the server lacks, with where each is. */
export async function lackingOf(
  client: Client,
  folder: ScannedFolder,
): Promise<{ path: string; hash: string; size: number }[]> {
  const byHash = new Map(folder.tree.map((entry) => [entry.hash, entry]));
  const hashes = [...byHash.keys()];
  const lacking: { path: string; hash: string; size: number }[] = [];
  for (let i = 0; i < hashes.length; i += ASKED_MAX) {
    for (const hash of await client.missingBlobs(hashes.slice(i, i + ASKED_MAX))) {
      const entry = byHash.get(hash);
      if (entry !== undefined) lacking.push(entry);
    }
  }
  return lacking;
}

/** Sends what the server lacks. @returns the files and bytes sent */
export async function upload(
  client: Client,
  folder: ScannedFolder,
  progress: Progress,
): Promise<{ files: number; bytes: number }> {
  const lacking = await lackingOf(client, folder);
  const total = lacking.reduce((sum, entry) => sum + entry.size, 0);
  let sent = 0;
  let next = 0;
  const failed = new AbortController();
  const worker = async (): Promise<void> => {
    for (let entry = lacking[next++]; entry !== undefined; entry = lacking[next++]) {
      if (failed.signal.aborted) return;
      const content = await openAsBlob(folder.sourceOf(entry.path));
      await client.putBlob(entry.hash, content, failed.signal).catch((error: unknown) => {
        throw changedWhileSent(entry.path, error);
      });
      sent += entry.size;
      progress.detail(`${bytes(sent)} of ${bytes(total)}, ${plural(lacking.length, "file")}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } catch (error) {
    failed.abort();
    throw error;
  }
  return { files: lacking.length, bytes: total };
}

/** The hash was taken from what the file held a moment ago. */
function changedWhileSent(path: string, error: unknown): unknown {
  if (!(error instanceof RemoteError) || error.code !== "hash_mismatch") return error;
  return new CliError("file_changed", `${path} changed while it was being sent.`, {
    hint: "Run the command again when nothing writes there, or name it in .contrailignore.",
    cause: error,
  });
}
