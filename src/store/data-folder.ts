/**
 * The folder in which a server keeps everything, and the proof that it is the only one doing so.
 *
 *   lock          held by the server for as long as it lives (see file-lock.ts)
 *   server.json   who holds it: pid, start time, address; readable by the owner alone
 *   postgres/     the embedded PostgreSQL (see postgres/), owned in part by another user when we are root
 *   blobs/        content-addressed files (see blobs.ts)
 *   runner/       the local runner's spool and working folders
 *
 * The folder is 0700; for root it is 0711, because PostgreSQL refuses to be root and must pass through.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { lockFile } from "./file-lock.ts";

export interface ServerNote {
  readonly pid: number;
  readonly startedAtMs: number;
  /** Where the server listens, once it does. */
  readonly url?: string;
  /** Anything else that `contrail` commands on this machine need to find the server. */
  readonly [key: string]: unknown;
}

export interface DataFolder {
  readonly path: string;
  readonly postgres: string;
  readonly blobs: string;
  readonly runner: string;
  /** Replaces `server.json` in one step. */
  writeNote(note: Omit<ServerNote, "pid" | "startedAtMs">): void;
  /** Gives the folder back. Idempotent. */
  release(): void;
}

export class DataFolderError extends Error {
  override name = "DataFolderError";
  readonly code: "locked" | "unusable";
  /** The server that holds the folder, when it left a note. */
  readonly holder: ServerNote | undefined;
  constructor(
    code: "locked" | "unusable",
    message: string,
    options?: { holder?: ServerNote; cause?: unknown },
  ) {
    super(message, { cause: options?.cause });
    this.code = code;
    this.holder = options?.holder;
  }
}

/** Reads who last held the folder. @returns undefined when there is no note or it cannot be read */
export function readServerNote(path: string): ServerNote | undefined {
  try {
    const note = JSON.parse(readFileSync(join(path, "server.json"), "utf8")) as ServerNote;
    return Number.isInteger(note?.pid) ? note : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Creates the folder when needed and locks it for this process.
 * @throws DataFolderError `locked` when another server has it, `unusable` when it cannot be made or written
 */
export function openDataFolder(folder: string, options: { startedAtMs: number }): DataFolder {
  const path = resolve(folder);
  const inside = {
    postgres: join(path, "postgres"),
    blobs: join(path, "blobs"),
    runner: join(path, "runner"),
  };
  const isRoot = process.getuid?.() === 0;
  const lock = attempt(path, () => {
    mkdirSync(path, { recursive: true });
    chmodSync(path, isRoot ? 0o711 : 0o700);
    for (const [name, child] of Object.entries(inside)) {
      mkdirSync(child, { recursive: true });
      chmodSync(child, isRoot && name === "postgres" ? 0o711 : 0o700);
    }
    return lockFile(join(path, "lock"));
  });
  if (lock === undefined) {
    const holder = readServerNote(path);
    const who =
      holder === undefined ? "another server" : `the server with process id ${holder.pid}`;
    throw new DataFolderError(
      "locked",
      `data_folder_locked: ${path} is in use by ${who}${holder?.url === undefined ? "" : ` at ${holder.url}`}. ` +
        "Stop that one first (contrail down), or choose another folder with --data-dir.",
      { holder },
    );
  }
  const writeNote = (more: object) => {
    const note = { pid: process.pid, startedAtMs: options.startedAtMs, ...more };
    const next = join(path, "server.json.next");
    writeFileSync(next, `${JSON.stringify(note, null, 2)}\n`, { mode: 0o600 });
    renameSync(next, join(path, "server.json"));
  };
  try {
    attempt(path, () => writeNote({}));
  } catch (error) {
    lock.release();
    throw error;
  }
  return { path, ...inside, writeNote, release: () => lock.release() };
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const full = code === "ENOSPC" ? " The disk is full." : "";
    throw new DataFolderError(
      "unusable",
      `data_folder_unusable: cannot use ${path} as data folder: ${message}.${full}${ownerHint(path)} ` +
        "Choose another folder with --data-dir.",
      { cause },
    );
  }
}

/** A folder of another user is the usual reason; the errno alone does not say so. */
function ownerHint(path: string): string {
  try {
    const { uid } = statSync(path);
    const own = process.getuid?.() ?? uid;
    return uid === own || own === 0
      ? ""
      : ` It belongs to user id ${uid}, and this process runs as ${own}.`;
  } catch {
    return "";
  }
}
