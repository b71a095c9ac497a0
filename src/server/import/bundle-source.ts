/**
 * A bundle as it lies in the blob store after its files were sent: opened by the names that its manifest gives them. A
 * blob has the content of its hash, so what can still be wrong is what the content says; each line is held to its
 * schema here, and everything that does not fit is refused with file and line.
 */
import type { Readable } from "node:stream";
import type { z } from "zod";
import type { BundleFile } from "../../export/bundle-manifest.ts";
import { readManifest } from "../../export/bundle-manifest.ts";
import {
  BUNDLE_PARTS,
  type BundleManifest,
  type BundlePart,
  METRICS_FILE,
} from "../../protocol/bundle.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { type Point, readPoints } from "../../sdk/points.ts";
import type { BlobStore } from "../../store/blobs.ts";

const LINE_CHARS_MAX = 16 * 1024 * 1024;
const OBJECT_BYTES_MAX = 64 * 1024 * 1024;
/** Brackets within brackets: deeper than any line that a server writes, and shallow for whatever walks it. */
const DEPTH_MAX = 100;

export const invalidBundle = (path: string, text: string): ContrailError =>
  new ContrailError("invalid_bundle", `${path}: ${text}`);

type Line<P extends BundlePart> = z.infer<(typeof BUNDLE_PARTS)[P]["schema"]>;

export class BundleSource {
  readonly manifest: BundleManifest;
  readonly #files: ReadonlyMap<string, BundleFile>;
  readonly #blobs: Pick<BlobStore, "open">;

  /** @throws ContrailError invalid_bundle */
  constructor(manifestText: string, blobs: Pick<BlobStore, "open">) {
    const reading = readManifest(manifestText);
    if (!reading.ok) throw invalidBundle("manifest.json", reading.message);
    this.manifest = reading.manifest;
    this.#files = new Map(reading.manifest.files.map((file) => [file.path, file]));
    if (this.#files.size < reading.manifest.files.length)
      throw invalidBundle("manifest.json", "a file is listed twice");
    this.#blobs = blobs;
  }

  /** @throws ContrailError where the manifest has no such file */
  file(path: string): BundleFile {
    const file = this.#files.get(path);
    if (file === undefined) throw invalidBundle("manifest.json", `there is no ${path} in it`);
    return file;
  }

  find(path: string): BundleFile | undefined {
    return this.#files.get(path);
  }

  /** Those below a folder, by their path within it. */
  below(folder: string): Map<string, BundleFile> {
    const start = `${folder}/`;
    return new Map(
      [...this.#files].flatMap(([path, file]) =>
        path.startsWith(start) ? [[path.slice(start.length), file] as const] : [],
      ),
    );
  }

  /** Only what is as long as the manifest says: by that it is decided what is read at once. */
  async #open(path: string): Promise<Readable> {
    const { sha256, size } = this.file(path);
    const opened = await this.#blobs.open(sha256);
    // It was there when its hash was asked for, and is held.
    if (opened === undefined) throw new Error(`blob of ${path} went away while it was held`);
    if (opened.size === size) return opened.stream;
    opened.stream.destroy();
    throw invalidBundle(path, `is given with ${size} bytes; its content has ${opened.size}`);
  }

  async bytes(path: string): Promise<Buffer> {
    const { size } = this.file(path);
    if (size > OBJECT_BYTES_MAX)
      throw invalidBundle(path, `has ${size} bytes; at most ${OBJECT_BYTES_MAX} are read at once`);
    const parts: Buffer[] = [];
    for await (const chunk of await this.#open(path)) parts.push(chunk as Buffer);
    return Buffer.concat(parts);
  }

  async object<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return parsed((await this.bytes(path)).toString("utf8"), schema, path);
  }

  lines<P extends BundlePart>(part: P): AsyncGenerator<Line<P>> {
    const { file, schema } = BUNDLE_PARTS[part];
    return this.linesOf(file, schema as unknown as z.ZodType<Line<P>>);
  }

  async *linesOf<T>(file: string, schema: z.ZodType<T>): AsyncGenerator<T> {
    let number = 0;
    for await (const line of textLines(await this.#open(file), file)) {
      number += 1;
      yield parsed(line, schema, `${file} line ${number}`);
    }
  }

  /** Of metrics.csv, in the order in which they stand. */
  async *points(): AsyncGenerator<Point[]> {
    const stream = await this.#open(METRICS_FILE);
    try {
      yield* readPoints(stream);
    } catch (error) {
      if (error instanceof ContrailError) throw error;
      throw invalidBundle(METRICS_FILE, (error as Error).message);
    }
  }
}

function parsed<T>(text: string, schema: z.ZodType<T>, where: string): T {
  if (isTooDeep(text)) throw invalidBundle(where, `is nested more than ${DEPTH_MAX} levels deep`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidBundle(where, "is not JSON");
  }
  const reading = schema.safeParse(value);
  if (reading.success) return reading.data;
  const [issue] = reading.error.issues;
  throw invalidBundle(where, `${issue?.path.join(".") || "the whole"}: ${issue?.message}`);
}

/** By the text: whatever parses or walks it first might not survive a million brackets. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (isQuoted) {
      if (char === "\\") i += 1;
      else if (char === '"') isQuoted = false;
    } else if (char === '"') isQuoted = true;
    else if (char === "{" || char === "[") {
      if (++depth > DEPTH_MAX) return true;
    } else if (char === "}" || char === "]") depth -= 1;
  }
  return false;
}

async function* textLines(stream: AsyncIterable<Buffer>, file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  const decode = (bytes?: Buffer): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      throw invalidBundle(file, "is not UTF-8");
    }
  };
  for await (const bytes of stream) {
    const lines = (rest + decode(bytes)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    if (rest.length > LINE_CHARS_MAX)
      throw invalidBundle(file, `has a line of more than ${LINE_CHARS_MAX} characters`);
  }
  if (rest + decode() !== "") throw invalidBundle(file, "ends in the middle of a line");
}
