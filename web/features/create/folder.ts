/**
 * A folder from the browser's own dialog as a snapshot: the same files as the command line would take (.contrailignore
 * and the usual names left out), each named by the hash of its content, and only what the server lacks is sent.
 * A browser does not say which files are executable, so none is; a program is started by its interpreter.
 */
import type { Tree } from "../../../src/protocol/runner-wire.ts";
import { defaultIgnores, isIgnored, parseIgnoreFile } from "../../../src/store/ignore-file.ts";
import { client } from "../../live/client.ts";

export const FOLDER_FILES_MAX = 20_000;
export const FOLDER_BYTES_MAX = 512 * 1024 * 1024;
const IGNORE_FILE = ".contrailignore";
const IGNORE_BYTES_MAX = 1024 * 1024;
const HASHES_ASKED_MAX = 5_000;
const SENT_AT_ONCE = 4;

export interface FolderProgress {
  readonly what: "reading" | "sending";
  readonly done: number;
  readonly total: number;
}

interface Found {
  readonly path: string;
  readonly file: File;
}

/** @returns the snapshot, all of its content on the server @throws Error with what is wrong and what to do */
export async function snapshotOf(
  files: readonly File[],
  onProgress: (progress: FolderProgress) => void,
): Promise<Tree> {
  // Absent where the page came over plain HTTP from another machine.
  if (globalThis.crypto.subtle === undefined)
    throw new Error(
      "This browser hashes files only for a page that came over HTTPS or from this very machine. Use the command line: contrail experiment create config.yaml FOLDER.",
    );
  const kept = await withoutIgnored(files.map((file) => ({ path: pathOf(file), file })));
  const bytes = kept.reduce((sum, { file }) => sum + file.size, 0);
  if (kept.length > FOLDER_FILES_MAX || bytes > FOLDER_BYTES_MAX)
    throw new Error(
      `The folder holds ${kept.length} files, ${Math.round(bytes / 2 ** 20)} MiB; the limits are ${FOLDER_FILES_MAX} and ${FOLDER_BYTES_MAX / 2 ** 20} MiB. Name what is not needed in ${IGNORE_FILE}.`,
    );
  const tree: { path: string; hash: string; size: number; executable: boolean }[] = [];
  const byHash = new Map<string, File>();
  for (const { path, file } of kept) {
    const hash = await hashOf(file);
    tree.push({ path, hash, size: file.size, executable: false });
    byHash.set(hash, file);
    onProgress({ what: "reading", done: tree.length, total: kept.length });
  }
  await send(byHash, onProgress);
  return tree;
}

/** Without the name of the folder itself, which the dialog puts first. */
const pathOf = (file: File): string =>
  file.webkitRelativePath.split("/").slice(1).join("/") || file.name;

async function withoutIgnored(files: readonly Found[]): Promise<Found[]> {
  const own = files.find(({ path }) => path === IGNORE_FILE)?.file;
  if (own && own.size > IGNORE_BYTES_MAX)
    throw new Error(`${IGNORE_FILE} holds more than 1 MiB. Use patterns in place of single names.`);
  const rules = parseIgnoreFile(`${defaultIgnores.join("\n")}\n${(await own?.text()) ?? ""}`);
  return files.filter(({ path }) => {
    const names = path.split("/");
    return !names.some((_, i) =>
      isIgnored(rules, names.slice(0, i + 1).join("/"), i < names.length - 1),
    );
  });
}

async function hashOf(file: File): Promise<string> {
  const content = await file.arrayBuffer().catch((error: unknown) => {
    throw new Error(`${file.name} cannot be read: ${String(error)}`, { cause: error });
  });
  const digest = await crypto.subtle.digest("SHA-256", content);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send(
  byHash: ReadonlyMap<string, File>,
  onProgress: (progress: FolderProgress) => void,
): Promise<void> {
  const hashes = [...byHash.keys()];
  const lacking: string[] = [];
  for (let at = 0; at < hashes.length; at += HASHES_ASKED_MAX)
    lacking.push(...(await client.missingBlobs(hashes.slice(at, at + HASHES_ASKED_MAX))));
  let next = 0;
  let done = 0;
  const stop = new AbortController();
  const worker = async (): Promise<void> => {
    for (let hash = lacking[next++]; hash !== undefined; hash = lacking[next++]) {
      const file = byHash.get(hash);
      if (file) await client.putBlob(hash, file, stop.signal);
      onProgress({ what: "sending", done: ++done, total: lacking.length });
    }
  };
  try {
    await Promise.all(Array.from({ length: SENT_AT_ONCE }, worker));
  } catch (error) {
    stop.abort();
    throw error;
  }
}
