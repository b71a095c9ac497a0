/** `contrail data add`: a folder or file as a version of a dataset, by its bytes or by reference. */
import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { CreateDatasetReply } from "../../../protocol/api.ts";
import type { ReferencedFile } from "../../../protocol/runner-wire.ts";
import type { Client, CreateDataset } from "../../../sdk/client.ts";
import type { ScannedFolder, ScanOptions } from "../../../store/snapshot.ts";
import type { Cli } from "../../cli.ts";
import { CliError, EXIT, usageError } from "../../exit-code.ts";
import { shortHash } from "../../experiment-view.ts";
import { bytes, plural } from "../../figures.ts";
import type { Progress } from "../../progress.ts";
import { scan, upload } from "../../upload.ts";
import { namedPath } from "../../user-file.ts";
import { checkedName, referenceOf } from "./names.ts";

/** Data is what it is: nothing is ignored, and it may be large. */
const DATA_LIMITS = { bytesMax: 1024 ** 4, filesMax: 100_000 };
const REFERENCE_LIMITS = { bytesMax: 1024 ** 5, filesMax: 100_000 };

export interface AddOptions {
  readonly reference?: boolean;
  readonly uri?: boolean;
  readonly statistics: boolean;
}

export async function add(
  cli: Cli,
  name: string,
  path: string,
  options: AddOptions,
): Promise<number> {
  checkedName(name);
  const isS3 = path.startsWith("s3://");
  refuse(options, isS3);
  const client = cli.client();
  const full = isS3 ? path : namedPath(cli.host.cwd, path, "The name of the folder or file");
  const dataset = await cli.during(`adding ${name}`, (progress) =>
    isS3
      ? addS3({ client, name, place: path, uri: options.uri === true, env: cli.host.env })
      : options.reference === true
        ? addReference({ client, name, path: full, progress, ...options })
        : addDataset({ client, name, path: full, progress, ...options }),
  );
  cli.show(dataset, () => [
    `${referenceOf(dataset)}  ${plural(dataset.files, "file")}, ${bytes(dataset.bytes)}, ` +
      `snapshot ${shortHash(dataset.snapshot)}${dataset.place === null ? "" : ", by reference"}` +
      `${dataset.created ? "" : " (this very content was there already)"}`,
  ]);
  cli.next(`data show ${referenceOf(dataset)}`);
  return EXIT.ok;
}

function refuse({ reference, uri }: AddOptions, isS3: boolean): void {
  if (isS3 && reference !== true)
    throw usageError(
      "Data of S3 is registered by reference only.",
      "Add --reference; or download it, and add the folder.",
    );
  if (uri === true && !isS3)
    throw usageError(
      "--uri is for data of S3: of a directory training gets the path in any case.",
      "Leave --uri out.",
    );
}

interface S3Addition {
  readonly client: Client;
  readonly name: string;
  /** s3://bucket/prefix */
  readonly place: string;
  readonly uri: boolean;
  readonly env: Cli["host"]["env"];
}

/** Registers what lies below a prefix, as S3 names it; nothing is read. */
async function addS3({ client, name, place, uri, env }: S3Addition): Promise<CreateDatasetReply> {
  const { S3Place, S3Error } = await import("../../../store/s3.ts");
  try {
    const files = await new S3Place(place, env).list(REFERENCE_LIMITS.filesMax);
    if (files.length > 0)
      return await client.createDataset({ name, reference: { kind: "s3", place, uri, files } });
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    throw new CliError("s3", `${error.message}.`, {
      hint: "Check AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
      cause: error,
    });
  }
  throw new CliError("not_found", `There is nothing below ${place}.`, {
    hint: "Check bucket and prefix.",
    exitCode: EXIT.notFound,
  });
}

interface Addition {
  readonly client: Client;
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly progress: Progress;
  /** Compute what is in it on the way. */
  readonly statistics?: boolean;
}

/** Registers a folder, or one file as a folder with that file in it. */
export async function addDataset(addition: Addition): Promise<CreateDatasetReply> {
  const { client, name, progress } = addition;
  const { folder, more } = await read(addition, { limits: DATA_LIMITS, chunked: true });
  await upload(client, folder, progress);
  return await client.createDataset({ name, tree: folder.tree, ...more });
}

/** Registers where the files are, with what tells whether they change. Nothing is copied. */
async function addReference(addition: Addition): Promise<CreateDatasetReply> {
  const { client, name } = addition;
  const { folder, place, more } = await read(addition, { limits: REFERENCE_LIMITS });
  const files = folder.tree.map(
    ({ path: file, size, hash }): ReferencedFile => ({
      ...{ path: file, size, hash, etag: null },
      mtimeNs: String(folder.mtimes.get(file) ?? null),
    }),
  );
  const reference = { kind: "directory" as const, place, files };
  return await client.createDataset({ name, reference, ...more });
}

interface Reading {
  readonly folder: ScannedFolder;
  /** The folder that the files are in. */
  readonly place: string;
  readonly more: Pick<CreateDataset, "statistics">;
}

async function read(
  { path, progress, statistics = true }: Addition,
  more: ScanOptions,
): Promise<Reading> {
  const isFile = (await stat(path)).isFile();
  progress.detail(`reading ${path}`);
  const { StatisticsCollector } = await import("../../../store/statistics/collect.ts");
  const collector = statistics ? new StatisticsCollector() : undefined;
  let total = 0;
  let done = 0;
  const options: ScanOptions = {
    ...{ ignoreFile: null, ignore: [], ...more },
    counted: (_, all) => {
      total = all;
    },
    reader: {
      open: (file) => collector?.open(file),
      read: (count) => {
        done += count;
        progress.detail(`read ${bytes(done)} of ${bytes(total)}`);
      },
    },
  };
  // One file: everything beside it is ignored, then it alone is taken back.
  const one = { ...options, ignore: ["/*", `!/${globWord(basename(path))}`] };
  const place = isFile ? dirname(path) : path;
  const folder = await scan(place, isFile ? one : options);
  if (collector === undefined) return { folder, place, more: {} };
  progress.detail("looking into its tables");
  const found = await collector.result(folder.tree, folder.sourceOf);
  return { folder, place, more: { statistics: found } };
}

const globWord = (name: string): string => name.replace(/[\\*?[\]!#]/g, (char) => `\\${char}`);
