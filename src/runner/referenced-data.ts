/**
 * Data that lies outside: looked at before the first process starts, so that nothing is trained with what is not the
 * version that was asked for. What changes while training runs, nobody sees; docs/data.md says so.
 */

import type { DataReference, ReferencedFile } from "../protocol/runner-wire.ts";
import { checkReferencedFile, hiddenPlace, parseReference } from "../store/data-reference.ts";
import { FileHasher } from "../store/hash-file.ts";
import { mayPass } from "./backoff.ts";
import { LaunchError } from "./rank-process.ts";
import type { S3Data } from "./s3-data.ts";

const LOOKED_AT_ONCE = 8;
const NAMED_MAX = 5;

export interface ReferencedDataOptions {
  readonly s3: S3Data;
  /** The list that stands for a version. @throws LaunchError; or the signal's reason */
  read(hash: string, signal: AbortSignal): Promise<Uint8Array>;
}

export class ReferencedData {
  readonly #options: ReferencedDataOptions;
  /** List and path → a time of last writing under which this process read what it should be. */
  readonly #seen = new Map<string, string>();

  constructor(options: ReferencedDataOptions) {
    this.#options = options;
  }

  /** @param name under which the experiment has it @returns what the program is given @throws LaunchError; or what passes */
  async place(name: string, hash: string, signal: AbortSignal): Promise<string> {
    const reference = parseReference(await this.#options.read(hash, signal));
    if (reference === undefined)
      throw new LaunchError(`data set ${name}: ${hash} is not a list of files that lie elsewhere`);
    const version = { name, hash, reference };
    const { s3 } = this.#options;
    if (reference.kind === "s3" && !reference.uri) return await s3.folder(version, signal);
    const hidden = reference.kind === "s3" ? null : await hiddenPlace(reference.place);
    if (hidden !== null && mayPass(hidden)) throw new Error(hidden);
    if (hidden !== null) throw new LaunchError(`data set ${name}: on this node ${hidden}`);
    const faults =
      reference.kind === "s3"
        ? await s3.differences(version, signal)
        : await this.#look(hash, reference, signal);
    if (faults.length === 0) return reference.place;
    const shown = faults.slice(0, NAMED_MAX).join("; ");
    const more = faults.length > NAMED_MAX ? `; and ${faults.length - NAMED_MAX} more` : "";
    throw new LaunchError(
      `data set ${name} in ${reference.place} is not what was registered: ${shown}${more}. Register it as it is now, or bring back what it was.`,
    );
  }

  async #look(
    hash: string,
    { place, files }: DataReference,
    signal: AbortSignal,
  ): Promise<string[]> {
    const faults: string[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      const hasher = new FileHasher({});
      for (let file = files[next++]; file !== undefined; file = files[next++]) {
        signal.throwIfAborted();
        const fault = await this.#lookAt(hash, place, file, hasher).catch((error: unknown) => {
          next = files.length;
          throw error;
        });
        if (fault !== null) faults.push(`${JSON.stringify(file.path)} ${fault}`);
      }
    };
    await Promise.all(Array.from({ length: LOOKED_AT_ONCE }, worker));
    return faults;
  }

  async #lookAt(
    hash: string,
    place: string,
    file: ReferencedFile,
    hasher: FileHasher,
  ): Promise<string | null> {
    const key = `${hash} ${file.path}`;
    const known = this.#seen.get(key);
    const expected = known === undefined ? file : { ...file, mtimeNs: known };
    const result = await checkReferencedFile(place, expected, { full: false, hasher });
    if (result.difference !== null) {
      const { code, message } = result.difference;
      // Nothing is known of it as long as that lasts.
      if (code === "unreadable" && mayPass(message))
        throw new Error(`${JSON.stringify(file.path)} in ${place} ${message}`);
      return message;
    }
    if (result.mtimeNs !== file.mtimeNs) this.#seen.set(key, result.mtimeNs);
    return null;
  }
}
