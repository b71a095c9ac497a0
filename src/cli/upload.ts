/**
 * Brings a folder to the server: hash it, ask which contents are lacking, send those, a few at a time.
 * A second upload of the same folder sends nothing. One archive was refused: it would send everything
 * again after each edit, and unpacking archives from strangers has a long history of holes.
 */
import { join, resolve } from "node:path";
import { ContentError } from "../base/content.ts";
import type { Client } from "../sdk/client.ts";
import { RemoteError } from "../sdk/remote-error.ts";
import { filePart } from "../store/file-part.ts";
import type { ScannedFolder, ScanOptions } from "../store/snapshot.ts";
import type { Host } from "./cli.ts";
import { cacheFolder } from "./credentials.ts";
import { CliError } from "./exit-code.ts";
import { bytes, plural } from "./figures.ts";
import type { Progress } from "./progress.ts";
import { requireFolder } from "./user-file.ts";

const AT_ONCE = 4;
/** Hashes asked about in one request. */
const ASKED_MAX = 5_000;

/** Where scans of folders are remembered from command to command. */
export const scanMemory = ({ env, clock }: Pick<Host, "env" | "clock">): ScanOptions["cache"] => ({
  folder: join(cacheFolder(env), "files"),
  nowMs: () => clock.nowMs(),
});

/** Reads and hashes a folder. @throws CliError with everything that is wrong with it */
export async function scan(
  folder: string,
  options: ScanOptions = {},
  hint = "Correct each, or name what is not needed in a file .contrailignore in that folder.",
): Promise<ScannedFolder> {
  requireFolder(folder);
  const { scanFolder } = await import("../store/snapshot.ts");
  const result = await scanFolder(folder, options);
  if (result.ok) return result.folder;
  throw new CliError("bad_folder", `The folder ${resolve(folder)} cannot be recorded as it is.`, {
    hint,
    issues: result.issues.map(({ path, message }) => ({ code: "bad_folder", path, message })),
  });
}

/** What is stored as one blob: a file, or a part of one. */
interface Piece {
  readonly path: string;
  readonly hash: string;
  readonly size: number;
  /** Where it begins in the file. */
  readonly offset: number;
}

/** The contents of `folder` that the server lacks, with where each is. */
export async function lackingOf(
  client: Client,
  folder: Pick<ScannedFolder, "tree">,
): Promise<Piece[]> {
  const byHash = new Map<string, Piece>();
  for (const { path, hash, size, chunks } of folder.tree) {
    let offset = 0;
    for (const blob of chunks ?? [{ hash, size }]) {
      if (!byHash.has(blob.hash)) byHash.set(blob.hash, { path, ...blob, offset });
      offset += blob.size;
    }
  }
  const hashes = [...byHash.keys()];
  const lacking: Piece[] = [];
  for (let i = 0; i < hashes.length; i += ASKED_MAX) {
    for (const hash of await client.missingBlobs(hashes.slice(i, i + ASKED_MAX))) {
      const piece = byHash.get(hash);
      if (piece !== undefined) lacking.push(piece);
    }
  }
  return lacking;
}

/** Sends what the server lacks. @returns the blobs and bytes sent */
export async function upload(
  client: Client,
  folder: Pick<ScannedFolder, "tree" | "sourceOf">,
  progress: Progress,
): Promise<{ files: number; bytes: number }> {
  const lacking = await lackingOf(client, folder);
  const total = lacking.reduce((sum, piece) => sum + piece.size, 0);
  const files = new Set(lacking.map(({ path }) => path)).size;
  let sent = 0;
  let next = 0;
  const failed = new AbortController();
  const worker = async (): Promise<void> => {
    for (let piece = lacking[next++]; piece !== undefined; piece = lacking[next++]) {
      if (failed.signal.aborted) return;
      const { path, hash, offset, size } = piece;
      const content = filePart({ path: folder.sourceOf(path), offset, size });
      await client.putBlob(hash, content, failed.signal).catch((error: unknown) => {
        throw changedWhileSent(path, error);
      });
      sent += size;
      progress.detail(`sent ${bytes(sent)} of ${bytes(total)}, ${plural(files, "file")}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } catch (error) {
    failed.abort();
    throw error;
  }
  return { files, bytes: total };
}

/** The hash was taken from what the file held a moment ago. */
function changedWhileSent(path: string, error: unknown): unknown {
  const isUnread = error instanceof ContentError;
  if (!isUnread && !(error instanceof RemoteError && error.code === "hash_mismatch")) return error;
  const what = `${path} changed while it was being sent${isUnread ? `: ${error.message}` : ""}.`;
  return new CliError("file_changed", what, {
    hint: "Run the command again when nothing writes there, or name it in .contrailignore.",
    cause: error,
  });
}
