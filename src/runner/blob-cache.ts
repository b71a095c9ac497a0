/**
 * Blobs that were fetched once, by hash. Bytes are compared with their hash when they arrive and again when they are
 * checked out, so a damaged file is fetched again instead of being trained with. What this process compared already is
 * copied without being read again as long as nobody touched it: the kernel keeps the time of each change, which no
 * program can set. Of code that each trial gets anew, comparing was most of the cost. Not flushed to disk: what a power
 * cut spoils is noticed by the same comparison. Files of data may be shared with the folders of versions instead of
 * being copied there; those are looked at as `trusted-file.ts` says.
 *
 * Bounded: `cache-room.ts` says by what, and what goes.
 */
import { createHash } from "node:crypto";
import {
  type BigIntStats,
  constants,
  createReadStream,
  createWriteStream,
  type Stats,
} from "node:fs";
import { chmod, copyFile, link, lstat, mkdir, open, rename, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "../base/clock.ts";
import { RecentMap } from "../base/recent-map.ts";
import type { OpenedBlob } from "../store/snapshot.ts";
import { mayPass } from "./backoff.ts";
import { CacheRoom } from "./cache-room.ts";
import { type ServerClient, ServerFailure } from "./server-client.ts";
import { SharedAnswers } from "./shared-answer.ts";
import type { Expected, FileTrust } from "./trusted-file.ts";

/** That of a file of data, so that the two can be one. */
const CACHED_MODE = 0o444;
/** How exactly is known when a blob was last used: to note each use would change the file each time. */
const USED_AGAIN_MS = 3_600_000;
const MATCHED_MAX = 20_000;
/** A copy keeps one of the four threads busy that all file work of the runner waits for; a larger file is written in pieces. */
const COPIED_BYTES_MAX = 16 * 1024 ** 2;

interface Wanted {
  readonly hash: string;
  readonly path: string;
  readonly bytesMax: number;
}

export interface BlobCacheOptions {
  readonly folder: string;
  readonly client: Pick<ServerClient, "blob">;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
  readonly trust: FileTrust;
  /** Of all files together, without those that cost nothing; else 8 GiB. */
  readonly bytesMax?: number;
}

export class BlobCache {
  readonly #folder: string;
  readonly #client: BlobCacheOptions["client"];
  readonly #clock: BlobCacheOptions["clock"];
  readonly #trust: FileTrust;
  readonly #room: CacheRoom;
  readonly #fetching = new SharedAnswers<void>();
  /** Hash → the file's stamp when what was read from it was that. */
  readonly #matched = new RecentMap<string, string>(MATCHED_MAX);

  constructor(options: BlobCacheOptions) {
    this.#folder = options.folder;
    this.#client = options.client;
    this.#clock = options.clock;
    this.#trust = options.trust;
    this.#room = new CacheRoom(options);
  }

  /** Keeps these blobs here, once they are, while they are laid out. */
  holding<T>(hashes: readonly string[], work: () => Promise<T>): Promise<T> {
    return this.#room.holding(hashes, work);
  }

  /** Drops what was used longest ago where there is too much, and what earlier runners left half fetched. */
  trim(): Promise<void> {
    return this.#room.trim();
  }

  /**
   * Opens a blob, fetching it first when it is not here.
   * @param bytesMax what it may have at most; a larger one is given up on the way, not written to the disk first
   * @throws ServerFailure or the file system's error
   */
  open(
    hash: string,
    bytesMax: number,
    signal?: AbortSignal,
  ): Promise<OpenedBlob & { readonly stream: Readable }> {
    return this.holding([hash], async () => {
      const path = this.#path(hash);
      const present = await this.#present(path);
      if (present === undefined) await this.#fetchOnce({ hash, path, bytesMax }, signal);
      else await this.#used(path, present);
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      const stamp = stampOf(await file.stat({ bigint: true }));
      return {
        stream: createReadStream("", { fd: file, highWaterMark: 256 * 1024 }),
        matched: () => this.#note(hash, stamp),
      };
    });
  }

  /** @param stamp before anything was read */
  async #note(hash: string, stamp: string): Promise<void> {
    const now = await lstat(this.#path(hash), { bigint: true }).catch(() => undefined);
    if (now !== undefined && stampOf(now) === stamp) this.#matched.set(hash, stamp);
  }

  /**
   * Puts a copy of a blob there that this process has read and compared, and that nobody touched since.
   * @param target must not exist
   * @returns false where it has to be written from what `open` gives
   */
  async copy(
    { hash, size }: Expected,
    target: { readonly path: string; readonly mode: number },
  ): Promise<boolean> {
    const stamp = this.#matched.get(hash);
    if (stamp === undefined || size > COPIED_BYTES_MAX) return false;
    const source = this.#path(hash);
    const isAsRead = async (): Promise<boolean> => {
      const now = await lstat(source, { bigint: true }).catch(() => undefined);
      const isOurs = now !== undefined && stampOf(now) === stamp && now.size === BigInt(size);
      return isOurs && !this.#isLongAgo(Number(now.atimeMs));
    };
    if (!(await isAsRead())) return false;
    const { COPYFILE_EXCL, COPYFILE_FICLONE } = constants;
    try {
      await copyFile(source, target.path, COPYFILE_EXCL | COPYFILE_FICLONE);
    } catch {
      // What stands in its way stands in that of writing, too, which names it.
      return false;
    }
    if (await isAsRead()) {
      await chmod(target.path, target.mode);
      return true;
    }
    await rm(target.path);
    return false;
  }

  /**
   * A file with this content, which is not to be written to. It stays as long as the caller is `holding` it.
   * @param mayFetch fetch it where it is not here; otherwise undefined is the answer
   * @throws ServerFailure or the file system's error
   */
  async file(
    { hash, size }: Expected,
    mayFetch: boolean,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const path = this.#path(hash);
    const present = await this.#present(path);
    if (present !== undefined) {
      if (await this.#trust.holds(path, { hash, size })) {
        await this.#used(path, await lstat(path));
        // Fetched by a runner that gave all of them the right to be written.
        if ((present.mode & 0o777) !== CACHED_MODE) await chmod(path, CACHED_MODE);
        return path;
      }
      await this.evict(hash);
    }
    if (!mayFetch) return undefined;
    await this.#fetchOnce({ hash, path, bytesMax: size }, signal);
    const fetched = await lstat(path);
    if (fetched.size === size) return path;
    throw new ServerFailure("refused", `blob ${hash} has ${fetched.size} bytes, and not ${size}`);
  }

  /** Takes in, under a second name, a file that was just written and compared. */
  async adopt(file: string, hash: string): Promise<void> {
    const path = this.#path(hash);
    await mkdir(join(path, ".."), { recursive: true, mode: 0o700 });
    // One whose mode is not ours (an executable) stays where it is alone, and so does one that cannot be linked.
    if (((await lstat(file)).mode & 0o777) !== CACHED_MODE) return;
    await link(file, path).catch((error: NodeJS.ErrnoException) => {
      if (!/^(?:EEXIST|EXDEV|EMLINK|EPERM|ENOTSUP)$/.test(error.code ?? "")) throw error;
    });
  }

  /** The time of access is when it was last wanted, to the hour; that of writing says that nobody wrote. */
  async #used(path: string, { atimeMs, mtime }: Pick<Stats, "atimeMs" | "mtime">): Promise<void> {
    if (this.#isLongAgo(atimeMs))
      await utimes(path, this.#clock.nowMs() / 1000, mtime).catch(() => {});
  }

  /** One in the future means that the clock was set back. */
  #isLongAgo(usedMs: number): boolean {
    return Math.abs(this.#clock.nowMs() - usedMs) > USED_AGAIN_MS;
  }

  /**
   * The whole of a blob that nobody checks out, and so nobody else compares with its hash. One that was damaged here is
   * fetched again. @throws ServerFailure or the file system's error
   */
  async read(hash: string, bytesMax: number, signal?: AbortSignal): Promise<Buffer> {
    for (let again = false; ; again = true) {
      const { stream } = await this.open(hash, bytesMax, signal);
      const bytes = Buffer.concat(await stream.toArray());
      if (createHash("sha256").update(bytes).digest("hex") === hash) return bytes;
      await this.evict(hash);
      if (again)
        throw new ServerFailure("busy", `blob ${hash} is damaged as soon as it lies in the cache`);
    }
  }

  /** What stands in a blob's place and is no file (a link, a pipe) was not put there by us, and goes. */
  async #present(path: string): Promise<Stats | undefined> {
    const folder = join(path, "..");
    const [above, found] = await Promise.all(
      [folder, path].map((each) => lstat(each).catch(() => undefined)),
    );
    if (above !== undefined && !above.isDirectory()) await rm(folder);
    else if (found?.isFile()) return found;
    else if (found !== undefined) await rm(path, { recursive: true });
    return undefined;
  }

  /** Forgets a blob whose bytes turned out to be damaged. */
  async evict(hash: string): Promise<void> {
    await rm(this.#path(hash), { force: true });
  }

  /** Opens a blob without keeping it: for the parts of files that are kept whole. */
  async pass(hash: string, signal?: AbortSignal): Promise<{ stream: Readable }> {
    return { stream: Readable.from(await this.#client.blob(hash, signal)) };
  }

  /** Several wait for one fetch, each as long as it wants. */
  #fetchOnce(wanted: Wanted, signal = new AbortController().signal): Promise<void> {
    const key = `${wanted.hash} ${wanted.bytesMax}`;
    return this.#fetching.get(key, signal, (shared) => this.#fetch(wanted, shared));
  }

  async #fetch({ hash, path, bytesMax }: Wanted, signal: AbortSignal): Promise<void> {
    const folder = join(path, "..");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const partial = join(folder, this.#room.partialName());
    const digest = createHash("sha256");
    let size = 0;
    const checked = async function* (stream: AsyncIterable<Uint8Array>) {
      for await (const bytes of stream) {
        size += bytes.length;
        if (size > bytesMax)
          throw new ServerFailure("refused", `blob ${hash} has more than ${bytesMax} bytes`);
        digest.update(bytes);
        yield bytes;
      }
    };
    try {
      const { stream } = await this.pass(hash, signal);
      const file = createWriteStream(partial, { flags: "wx", mode: 0o600 });
      await pipeline(stream, checked, file);
      const got = digest.digest("hex");
      if (got !== hash)
        throw new ServerFailure(
          "busy",
          `blob ${hash} arrived as ${got}: damaged on the way or at the server`,
        );
      await chmod(partial, CACHED_MODE);
      await this.#trust.stamp(partial, this.#clock.nowMs());
      await rename(partial, path);
      this.#room.took(size);
    } catch (error) {
      await rm(partial, { force: true });
      throw brokenOff(error, hash);
    }
  }

  #path(hash: string): string {
    return join(this.#folder, hash.slice(0, 2), hash);
  }
}

/** Another one where anything of it may have been changed: the last is the kernel's alone. */
const stampOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(" ");

/** A stream that breaks off says "terminated", without a kind. */
function brokenOff(error: unknown, hash: string): Error {
  if (error instanceof ServerFailure) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const isFinal = code !== undefined && /^E(?:ROFS|ACCES|PERM)$/.test(code);
  return isFinal || mayPass(error)
    ? (error as Error)
    : new ServerFailure("unreachable", `blob ${hash} broke off: ${message}`, { cause: error });
}
