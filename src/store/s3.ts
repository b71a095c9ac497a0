/**
 * What Contrail needs of S3 (or whatever speaks like it): which objects lie below a prefix, and one of them, as long as
 * it is still the one that was registered. Requests are signed by `s3mini`, which has no dependencies.
 *
 * Nothing is ever written there. Who may read is told by the usual variables of the environment, of whoever asks:
 * the command line when data is added, the server when it is verified, the runner when training starts.
 */
import { S3mini } from "s3mini";
import type { DatasetDifference } from "../protocol/api/dataset.ts";
import type { DataReference, ReferencedFile } from "../protocol/runner-wire.ts";

/** Of one answer; S3 gives no more. */
const PAGE_MAX = 1000;
/** Of what lies below a prefix when a version is compared with it: a thousand answers, a minute or two. */
export const LISTED_MAX = 1_000_000;

export type Environment = { readonly [name: string]: string | undefined };

/** What S3 says no to, and why nobody could be asked. */
export class S3Error extends Error {
  override name = "S3Error";
  /** S3, or the way to it, cannot now: nothing is said of what was asked for, and later it may go well. */
  readonly isPassing: boolean;

  constructor(message: string, options: { cause?: unknown; isPassing?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.isPassing = options.isPassing === true;
  }
}

export class S3Place {
  readonly #client: S3mini;
  /** With its slash at the end, or empty. */
  readonly #prefix: string;
  readonly #place: string;

  /** @param place s3://bucket/prefix @param signal breaks off whatever is asked @throws S3Error */
  constructor(place: string, environment: Environment, signal?: AbortSignal) {
    const [, bucket, prefix = ""] = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(place) ?? [];
    if (bucket === undefined) throw new S3Error(`${place} is not of the form s3://bucket/prefix`);
    this.#place = place;
    this.#prefix = prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`;
    const region = environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? "us-east-1";
    const endpoint =
      environment.AWS_ENDPOINT_URL_S3 ??
      environment.AWS_ENDPOINT_URL ??
      `https://s3.${region}.amazonaws.com`;
    if (environment.AWS_SESSION_TOKEN)
      throw new S3Error(
        "AWS_SESSION_TOKEN is set, and temporary credentials are not supported: use a key of its own",
      );
    this.#client = new S3mini({
      endpoint: `${endpoint.replace(/\/+$/, "")}/${bucket}`,
      region,
      // Without both, requests are not signed: buckets that everybody may read need none.
      accessKeyId: environment.AWS_ACCESS_KEY_ID ?? "",
      secretAccessKey: environment.AWS_SECRET_ACCESS_KEY ?? "",
      // Each request has one of its own, or the signal would keep all that were ever made.
      ...(signal && {
        fetch: (input, init) => fetch(input, { ...init, signal: AbortSignal.any([signal]) }),
      }),
    });
  }

  /**
   * All objects below the prefix, by path; "folders" that some tools make are none.
   * @param filesMax counts those that are not wanted, too
   * @param isWanted which are kept; absent = all
   * @throws S3Error
   */
  async list(
    filesMax: number,
    isWanted: (path: string) => boolean = () => true,
  ): Promise<ReferencedFile[]> {
    const files: ReferencedFile[] = [];
    let seen = 0;
    let token: string | undefined;
    do {
      const page = await this.#ask(`list ${this.#place}`, () =>
        this.#client.listObjectsPaged("/", this.#prefix, PAGE_MAX, token),
      );
      if (!page?.objects) throw new S3Error(`there is no bucket of ${this.#place}`);
      for (const { Key: key, Size: size, ETag: etag } of page.objects) {
        if (key.endsWith("/")) continue;
        seen += 1;
        const path = key.slice(this.#prefix.length);
        if (!isWanted(path)) continue;
        files.push({
          path,
          size,
          hash: null,
          mtimeNs: null,
          etag: this.#client.sanitizeETag(etag),
        });
      }
      if (seen > filesMax)
        throw new S3Error(
          `${this.#place} has more than ${filesMax} objects; register a narrower prefix`,
        );
      token = page.nextContinuationToken;
    } while (token !== undefined);
    return files;
  }

  /**
   * Opens an object that is still the one registered.
   * @returns its bytes, and the coding that was undone on the way: where it is kept in that, they are not those that are there
   * @throws S3Error where it is another, or gone
   */
  async open(
    file: ReferencedFile,
  ): Promise<{ stream: AsyncIterable<Uint8Array>; undone: string | undefined }> {
    const what = `read ${file.path} of ${this.#place}`;
    const response = await this.#ask(what, () =>
      this.#client.getObjectResponse(
        `${this.#prefix}${file.path}`,
        file.etag === null ? {} : { "if-match": `"${file.etag}"` },
      ),
    );
    if (response?.body)
      return {
        stream: wholeOf(response.body, what),
        undone: UNDONE.exec(response.headers.get("content-encoding") ?? "")?.[0],
      };
    throw new S3Error(
      `${file.path} of ${this.#place} is gone, or no longer the one with ETag ${file.etag}`,
    );
  }

  async #ask<T>(what: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw failed(what, error);
    }
  }
}

/** What `fetch` decodes whether it is asked to or not; what it does not know, such as aws-chunked, it leaves. */
const UNDONE = /\b(?:gzip|deflate|br|zstd)\b/i;

/** What breaks off in the middle fails as what never began does. */
async function* wholeOf(body: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw failed(what, error);
  }
}

function failed(what: string, error: unknown): S3Error {
  const { message, cause } = error as Error;
  const inner = cause instanceof Error ? ` (${cause.message})` : "";
  const isPassing = endsByItself(error);
  return new S3Error(`could not ${what}: ${message}${inner}`, { cause: error, isPassing });
}

/** In S3's own words, which come with statuses of refusals too: 400 of RequestTimeout, 409 of OperationAborted. */
const PASSING =
  /^(?:SlowDown|InternalError|ServiceUnavailable|RequestTimeout|OperationAborted|BandwidthLimitExceeded|(?:Request)?Throttl\w+|TooManyRequests(?:Exception)?)$/;
/** A name that nobody knows is an answer, and so is a certificate that nobody vouches for. */
const ON_THE_WAY =
  /^(?:ECONN(?:REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|EAI_AGAIN|E(?:HOST|NET)(?:UNREACH|DOWN)|ENOBUFS|ENOMEM|EMFILE|ENFILE|UND_ERR_(?:SOCKET|(?:CONNECT|HEADERS|BODY)_TIMEOUT))$/;

function endsByItself(error: unknown): boolean {
  const { status, code } = error as { status?: unknown; code?: unknown };
  if (typeof status === "number")
    return (
      [408, 425, 429].includes(status) ||
      (status >= 500 && status !== 501 && status !== 505) ||
      PASSING.test(String(code))
    );
  for (let at = error, depth = 0; at instanceof Error && depth < 5; depth++) {
    if (ON_THE_WAY.test(String((at as NodeJS.ErrnoException).code))) return true;
    at = at instanceof AggregateError ? at.errors[0] : at.cause;
  }
  return false;
}

/** How what lies at its place now differs from what was registered. @throws S3Error */
export async function compareS3(
  { place, files }: DataReference,
  environment: Environment,
  signal?: AbortSignal,
): Promise<DatasetDifference[]> {
  const registered = new Set(files.map(({ path }) => path));
  const there = new S3Place(place, environment, signal);
  const found = await there.list(LISTED_MAX, (path) => registered.has(path));
  return s3Differences(files, found);
}

/** How what lies there now differs from what was registered. */
function s3Differences(
  registered: readonly ReferencedFile[],
  found: readonly ReferencedFile[],
): DatasetDifference[] {
  const now = new Map(found.map((file) => [file.path, file]));
  return registered.flatMap(({ path, size, etag }): DatasetDifference[] => {
    const there = now.get(path);
    if (there === undefined) {
      const message = "is no longer there";
      return [{ path, code: "missing", message, expected: etag, found: null }];
    }
    if (there.etag === etag && there.size === size) return [];
    const message = `has ETag ${there.etag} and ${there.size} bytes, and was registered with ${etag} and ${size}`;
    return [{ path, code: "changed", message, expected: etag, found: there.etag }];
  });
}
