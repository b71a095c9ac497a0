/**
 * Data of S3 on a node: the files of a version are fetched once, as a folder that all trials share, or, where they are
 * too many, the program gets the address and reads for itself what was looked at before it starts.
 */
import { createWriteStream, lstatSync } from "node:fs";
import { mkdir, rename, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { DataReference, ReferencedFile } from "../protocol/runner-wire.ts";
import { compareS3, type Environment, S3Error, S3Place } from "../store/s3.ts";
import { removeCheckout } from "../store/snapshot.ts";
import { isNoRoom, mayPass } from "./backoff.ts";
import { LaunchError } from "./rank-process.ts";
import { SharedAnswers } from "./shared-answer.ts";
import type { FileTrust } from "./trusted-file.ts";

/** What is fetched whole before a start; more is only given as an address. */
const FETCHED_BYTES_MAX = 64 * 1024 ** 3;

export interface S3DataOptions {
  /** Where versions are laid out. */
  readonly folder: string;
  readonly trust: FileTrust;
  readonly environment: Environment;
}

export interface S3Version {
  /** Under which the experiment has it. */
  readonly name: string;
  /** Of its list. */
  readonly hash: string;
  readonly reference: DataReference;
}

export class S3Data {
  readonly #options: S3DataOptions;
  readonly #fetching = new SharedAnswers<void>();
  /** Versions for which the disk had no room. */
  readonly #crowded = new Set<string>();

  constructor(options: S3DataOptions) {
    this.#options = options;
  }

  /** @returns how what lies there differs, in words @throws LaunchError where S3 does not let us see; what passes, or the signal's reason */
  async differences({ name, reference }: S3Version, signal: AbortSignal): Promise<string[]> {
    try {
      const differences = await compareS3(reference, this.#options.environment, signal);
      return differences.map(({ path, message }) => `${JSON.stringify(path)} ${message}`);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof S3Error && error.isPassing) throw error;
      throw new LaunchError(`data set ${name}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** @returns the folder; a copy that is whole is the version, whatever lies there by now @throws LaunchError, what passes, or the signal's reason */
  async folder(version: S3Version, signal: AbortSignal): Promise<string> {
    const { name, hash, reference } = version;
    const { files, place } = reference;
    const folder = join(this.#options.folder, hash);
    if (this.#isWhole(folder, files)) return folder;
    const bytes = bytesOf(files);
    if (bytes > FETCHED_BYTES_MAX)
      throw new LaunchError(
        `data set ${name}: ${place} has ${bytes} bytes, and at most ${FETCHED_BYTES_MAX} are fetched before a start. Register it with --uri, and read it from there.`,
      );
    await this.#fetching.get(hash, signal, (shared) => this.#fetch(version, folder, shared));
    return folder;
  }

  #isWhole(folder: string, files: readonly ReferencedFile[]): boolean {
    if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return false;
    return files.every(({ path, size }) => this.#options.trust.isStamped(join(folder, path), size));
  }

  async #fetch(
    { name, hash, reference: { place, files } }: S3Version,
    folder: string,
    signal: AbortSignal,
  ): Promise<void> {
    const partial = `${folder}.partial`;
    await removeCheckout(partial);
    try {
      if (this.#crowded.has(hash)) await needRoom(dirname(folder), bytesOf(files));
      const s3 = new S3Place(place, this.#options.environment, signal);
      for (const file of files) {
        signal.throwIfAborted();
        await this.#write(s3, file, join(partial, file.path), signal);
      }
      await removeCheckout(folder);
      await rename(partial, folder);
      this.#crowded.delete(hash);
    } catch (error) {
      await removeCheckout(partial).catch(() => undefined);
      if (isNoRoom(error)) this.#crowded.add(hash);
      signal.throwIfAborted();
      if (isPassing(error)) throw error;
      throw new LaunchError(
        `data set ${name} could not be fetched from ${place}: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  async #write(
    s3: S3Place,
    file: ReferencedFile,
    path: string,
    signal: AbortSignal,
  ): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    const { stream, undone } = await s3.open(file);
    const written = createWriteStream(path, { flags: "wx", mode: 0o444 });
    await pipeline(stream, written, { signal });
    if (written.bytesWritten !== file.size) throw wrongSize(file, written.bytesWritten, undone);
    await this.#options.trust.stamp(path);
  }
}

/** With the ETag that was registered it has that size; what has none, or is kept in a coding, will not have it next time. */
function wrongSize(
  { path, size, etag }: ReferencedFile,
  arrived: number,
  undone?: string,
): S3Error {
  const why =
    undone === undefined
      ? ""
      : `: it is kept with Content-Encoding ${undone}, which is undone on the way. Keep it without, or register it with --uri`;
  const isPassing = etag !== null && undone === undefined;
  return new S3Error(`${path} arrived with ${arrived} bytes instead of ${size}${why}`, {
    isPassing,
  });
}

/** S3 cannot now, or the disk here. */
const isPassing = (error: unknown): boolean =>
  error instanceof S3Error ? error.isPassing : mayPass(error);

const bytesOf = (files: readonly ReferencedFile[]): number =>
  files.reduce((sum, file) => sum + file.size, 0);

/** Most of it would be fetched each time that it is tried, and paid for. @throws as a disk does that is full */
async function needRoom(folder: string, bytes: number): Promise<void> {
  const { blocks, bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  // Who counts no blocks does not know.
  if (blocks === 0 || free >= bytes) return;
  throw new Error(`ENOSPC: ${bytes} bytes are needed in ${folder}, and ${free} are free`);
}
