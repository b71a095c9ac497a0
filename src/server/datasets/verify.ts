/**
 * Is a dataset version still what it was? Stored ones are compared with their hashes, referenced ones with what lies
 * at their place, as this machine sees it. In stretches of some seconds, so that whoever waits hears how far it is and
 * no request lasts as long as a disk is large.
 *
 * `verifyData` is what has to be asked before anything is run again from a record.
 */
import { json } from "node:stream/consumers";
import type { Clock } from "../../base/clock.ts";
import type { JsonObject } from "../../base/json.ts";
import type { DatasetDifference, VerifyDatasetReply } from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { DataReference, TreeEntry } from "../../protocol/runner-wire.ts";
import type { Queryable } from "../../store/audit-reads.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { checkReferencedFile, hiddenPlace, parseReference } from "../../store/data-reference.ts";
import { type DatasetRow, findBySnapshot } from "../../store/dataset-store.ts";
import { FileHasher } from "../../store/hash-file.ts";
import { readTree } from "../../store/read-tree.ts";
import { compareS3, type Environment, S3Error } from "../../store/s3.ts";
import { blobsOf } from "../../store/snapshot.ts";
import { removedDataset } from "./find.ts";
import { datasetItems } from "./items.ts";

export interface VerifyContext {
  readonly blobs: BlobStore;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Says where S3 is, and who asks. */
  readonly environment: Environment;
}

export interface Stretch {
  /** How many blobs or files of the version were looked at before. */
  readonly after: number;
  readonly full: boolean;
  /** It ends with the first file that takes it past this. */
  readonly limitMs: number;
}

const DIFFERENCES_MAX = 1000;
/** What somebody who wants to run something again waits for. */
const REFERENCE_READ_BYTES_MAX = 8 * 1024 ** 3;

/** One thing to look at; `path` changes from one file to the next. */
interface Check {
  readonly path: string;
  readonly bytes: number;
  look(): Promise<DatasetDifference | null>;
}

export async function verifyStretch(
  context: VerifyContext,
  row: Pick<DatasetRow, "kind" | "snapshot">,
  { after, full, limitMs }: Stretch,
): Promise<VerifyDatasetReply> {
  if (row.kind === "s3") return await verifyS3(context, row.snapshot);
  const checks = await checksOf(context, row, full);
  if (checks === undefined)
    return { files: 0, bytes: 0, differences: [listGone(row.snapshot)], next: null };
  const began = context.clock.monotonicMs();
  const differences: DatasetDifference[] = [];
  const files = new Set<string>();
  let bytes = 0;
  let at = after;
  for (; at < checks.length; at++) {
    const over = at > after && context.clock.monotonicMs() - began >= limitMs;
    if (over || differences.length >= DIFFERENCES_MAX) break;
    const check = checks[at] as Check;
    const difference = await check.look();
    // A file of many parts counts with its first, so that the sum over all stretches is right.
    if (checks[at - 1]?.path !== check.path) files.add(check.path);
    bytes += check.bytes;
    if (difference) differences.push(difference);
  }
  return { files: files.size, bytes, differences, next: at < checks.length ? at : null };
}

/** Those under way, each once: whoever cannot wait so long asks again, and reading takes as long as the files are large. */
export class Verifications {
  readonly #underway = new Map<string, Promise<VerifyDatasetReply>>();

  stretch(...of: Parameters<typeof verifyStretch>): Promise<VerifyDatasetReply> {
    const [, { kind, snapshot }, { after, full }] = of;
    const key = JSON.stringify([kind, snapshot, after, full]);
    const begun = this.#underway.get(key);
    if (begun) return begun;
    const stretch = verifyStretch(...of).finally(() => this.#underway.delete(key));
    this.#underway.set(key, stretch);
    return stretch;
  }
}

async function checksOf(
  { blobs }: VerifyContext,
  { kind, snapshot }: Pick<DatasetRow, "kind" | "snapshot">,
  full: boolean,
): Promise<Check[] | undefined> {
  if (kind === "stored") {
    const tree = await readTree(blobs, snapshot);
    return tree?.entries.flatMap((entry) => storedChecks(blobs, entry, full));
  }
  const reference = await readReference(blobs, snapshot);
  if (reference === undefined) return undefined;
  const hidden = await hiddenPlace(reference.place);
  if (hidden === null) return referenceChecks(reference, full);
  return [{ path: ".", bytes: 0, look: async () => unreadable(`the server: ${hidden}`) }];
}

export async function readReference(
  blobs: Pick<BlobStore, "open">,
  snapshot: string,
): Promise<DataReference | undefined> {
  const opened = await blobs.open(snapshot);
  if (opened === undefined) return undefined;
  return parseReference(Buffer.from(JSON.stringify(await json(opened.stream))));
}

/** S3 says what it has without being read: all at once, by ETag and size. */
async function verifyS3(
  { blobs, environment }: VerifyContext,
  snapshot: string,
): Promise<VerifyDatasetReply> {
  const reference = await readReference(blobs, snapshot);
  if (reference === undefined)
    return { files: 0, bytes: 0, differences: [listGone(snapshot)], next: null };
  try {
    const differences = (await compareS3(reference, environment)).slice(0, DIFFERENCES_MAX);
    return { files: reference.files.length, bytes: 0, differences, next: null };
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    // Nothing was found out, about the version least of all.
    if (error.isPassing) throw new ContrailError("unavailable", error.message, { cause: error });
    return { files: 0, bytes: 0, differences: [unreadable(error.message)], next: null };
  }
}

function storedChecks(blobs: BlobStore, entry: TreeEntry, full: boolean): Check[] {
  const { path } = entry;
  const parts = blobsOf(entry);
  return parts.map(({ hash, size }, index) => ({
    path,
    bytes: full ? size : 0,
    look: async () => {
      const which = parts.length === 1 ? "its content" : `part ${index} of its content`;
      const state = full ? await blobs.verify(hash) : await sizeState(blobs, hash, size);
      if (state === "intact") return null;
      const again = "; to add the original again stores it anew";
      const about = { path, expected: hash, found: null };
      return state === "missing"
        ? {
            ...about,
            code: "missing",
            message: `${which}, ${hash}, is not stored any more${again}`,
          }
        : {
            ...about,
            code: "changed",
            message: `${which} is not what its hash ${hash} says${again}`,
          };
    },
  }));
}

async function sizeState(
  blobs: BlobStore,
  hash: string,
  size: number,
): Promise<"intact" | "missing" | "damaged"> {
  const stored = await blobs.size(hash);
  if (stored === undefined) return "missing";
  if (stored === size) return "intact";
  // Read after all, so that it is set aside.
  await blobs.verify(hash);
  return "damaged";
}

function referenceChecks({ place, files }: DataReference, full: boolean): Check[] {
  const hasher = new FileHasher({});
  return files.map((file) => ({
    path: file.path,
    bytes: full ? file.size : 0,
    look: async () => (await checkReferencedFile(place, file, { full, hasher })).difference,
  }));
}

const unreadable = (message: string): DatasetDifference => ({
  ...{ path: ".", code: "unreadable", message, expected: null, found: null },
});

const listGone = (snapshot: string): DatasetDifference => ({
  path: ".",
  code: "missing",
  message: `its list of files, ${snapshot}, is not stored any more or cannot be read`,
  expected: snapshot,
  found: null,
});

/** A dataset that an experiment was given and that is not what it was. */
export interface DataFault extends DatasetDifference {
  /** `name@version`. */
  readonly dataset: string;
}

/** Of an experiment that was imported: what has its name and number here is something else, or nothing. */
export const notHere = (snapshot: string): string =>
  `no dataset version here has its snapshot ${snapshot.slice(0, 12)}; where an experiment was imported from, export it --with-data`;

/**
 * Looks at every dataset version that was resolved for an experiment: at what it was given, which is its snapshot, and
 * not at what bears the same name and number here, where it was imported.
 * @param data the experiment's `data`, as it is stored
 * @param full read every byte; `references`: of what lies elsewhere, up to 8 GiB a version, because nobody reads those bytes
 *   with a hash in mind again, and stored ones are compared when they are laid out; false: only what needs no reading
 * @returns what differs, at most a thousand of each version; none when all is as it was
 */
export async function verifyData(
  context: VerifyContext & { readonly readPool: Queryable },
  data: JsonObject,
  { full }: { readonly full: boolean | "references" },
): Promise<DataFault[]> {
  const items = new Map(
    datasetItems(data).map((item) => [`${item.dataset} ${item.snapshot}`, item] as const),
  );
  const faults: DataFault[] = [];
  for (const item of items.values()) {
    const { dataset, snapshot } = item;
    const rows = await findBySnapshot(context.readPool, item);
    const row = rows.find(({ removed_at }) => removed_at === null);
    if (row === undefined) {
      const [removed] = rows;
      const message = removed ? removedDataset(removed) : notHere(snapshot);
      faults.push({
        dataset,
        path: ".",
        code: "missing",
        message,
        expected: snapshot,
        found: null,
      });
      continue;
    }
    const isRead =
      full === "references"
        ? row.kind === "directory" && Number(row.bytes) <= REFERENCE_READ_BYTES_MAX
        : full;
    const whole = { after: 0, full: isRead, limitMs: Number.POSITIVE_INFINITY };
    const { differences } = await verifyStretch(context, row, whole);
    faults.push(...differences.map((difference) => ({ dataset, ...difference })));
  }
  return faults;
}
