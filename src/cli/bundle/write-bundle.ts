/**
 * Writes a bundle: lines from the server into files, then the metrics, then the files themselves (code, and data and
 * checkpoints where they are wanted), last the lists that hold it together. Under another name until it is whole.
 */
import { type FileHandle, mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "../../base/json.ts";
import {
  type BundleFile,
  MANIFEST_FILE,
  manifestText,
  SUMS_FILE,
  sumsText,
} from "../../export/bundle-manifest.ts";
import {
  BUNDLE_PARTS,
  type BundleCheckpoint,
  type BundleExperiment,
  type BundleLine,
  type BundleManifest,
  type BundlePart,
  type BundleTrial,
  EXPERIMENT_FILE,
  ORIGIN_FOLDER,
  RECORD_FILES,
} from "../../protocol/bundle.ts";
import type { Client } from "../../sdk/client.ts";
import { intoFolder } from "../download.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { plural } from "../figures.ts";
import type { Progress } from "../progress.ts";
import { scan } from "../upload.ts";
import { bundleReadme } from "./bundle-readme.ts";
import { TreesOut } from "./trees-out.ts";
import { writePoints } from "./write-points.ts";

export interface BundleOptions {
  readonly experiment: number;
  readonly trial: number | undefined;
  readonly withData: boolean;
  readonly nowMs: number;
  readonly withCheckpoints: "none" | "best" | "all";
}

export interface WrittenBundle {
  readonly manifest: BundleManifest;
  readonly bytes: number;
}

const FILES_MAX = 200_000;
const BYTES_MAX = 1024 ** 5;

/** @param folder in which nothing is; nothing is there on failure, either */
export async function writeBundle(
  client: Client,
  folder: string,
  options: BundleOptions,
  progress: Progress,
): Promise<WrittenBundle> {
  return intoFolder(folder, async (part) => {
    await mkdir(part, { recursive: true });
    return fill(client, part, options, progress);
  });
}

async function fill(
  client: Client,
  folder: string,
  options: BundleOptions,
  progress: Progress,
): Promise<WrittenBundle> {
  const madeAt = new Date(options.nowMs).toISOString();
  const heard = await writeLines(client, folder, options, progress);
  const { experiment, checkpoints } = heard;
  const { experiment: number, trial: only } = options;
  const ids = only === undefined ? String(number) : `${number}.${only}`;
  const points = await writePoints(client, folder, { ids, runs: heard.runs }, progress);
  const counts = { ...heard.counts, points };
  const trees = new TreesOut(client, folder, progress);
  const code = experiment.code === null ? null : await trees.write(experiment.code, "code");
  const data: BundleManifest["data"][number][] = [];
  for (const [name, value] of Object.entries(experiment.data)) {
    const { hash, dataset } = resolvedData(value);
    if (hash === undefined) continue;
    const into = options.withData ? `data/${folderName(name, data.length)}` : null;
    data.push({ ...(await trees.write(hash, into)), name, dataset });
  }
  const chosen = chosenCheckpoints(heard, options.withCheckpoints);
  const kept: BundleManifest["checkpoints"][number][] = [];
  for (const { id, trial, step, deleted } of checkpoints) {
    if (deleted !== null) continue;
    const into = chosen.has(id) ? `checkpoints/${id.slice(0, 12)}` : null;
    kept.push({ ...(await trees.write(id, into)), trial, step });
  }
  const imported = heard.imported && (await trees.write(heard.imported, ORIGIN_FOLDER));
  const about = {
    ...{ made_at: madeAt, made_by: heard.by, contrail: heard.version },
    origin: {
      ...{ server: client.url, experiment: experiment.id, name: experiment.name },
      trials: heard.trials.map(({ number }) => number),
    },
    ...(imported && { imported }),
    ...{ counts, code, data, checkpoints: kept, missing: missingOf(heard, trees, { data, kept }) },
  };
  await writeFile(join(folder, "README.md"), bundleReadme(about, experiment));
  progress.detail("hashing every file");
  const files = await filesOf(folder);
  requireRecord(files);
  const text = manifestText({ ...about, files });
  await writeFile(join(folder, MANIFEST_FILE), text);
  await writeFile(join(folder, SUMS_FILE), sumsText(files, text));
  return {
    manifest: JSON.parse(text) as BundleManifest,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
  };
}

/** What somebody took away in the meantime would be missing from the list as well, and the bundle would look whole. */
function requireRecord(files: readonly BundleFile[]): void {
  const there = new Set(files.map(({ path }) => path));
  const gone = RECORD_FILES.filter((path) => !there.has(path));
  if (gone.length === 0) return;
  throw new CliError("failed", `${gone.join(", ")} went away while the bundle was written.`, {
    hint: "Another export into the same folder, on another machine, may have taken it for abandoned. Run the command again.",
    exitCode: EXIT.failed,
  });
}

async function filesOf(folder: string): Promise<BundleFile[]> {
  const limits = { bytesMax: BYTES_MAX, filesMax: FILES_MAX };
  const { tree } = await scan(
    folder,
    { ignoreFile: null, ignore: [], limits },
    "Leave out --with-checkpoints and --with-data, or export one trial at a time: contrail export 3.12 FOLDER.",
  );
  return tree.map(({ path, size, hash, executable }) => ({ path, size, sha256: hash, executable }));
}

interface Heard {
  readonly version: string;
  readonly by: string;
  readonly imported?: string | undefined;
  readonly experiment: BundleExperiment;
  readonly trials: readonly Pick<BundleTrial, "number" | "state" | "best" | "checkpoint">[];
  /** As `trial.run`. */
  readonly runs: ReadonlySet<string>;
  readonly checkpoints: readonly BundleCheckpoint[];
  readonly counts: Record<string, number>;
}

async function writeLines(
  client: Client,
  folder: string,
  { experiment: id, trial }: BundleOptions,
  progress: Progress,
): Promise<Heard> {
  const files = new Map<BundlePart, Lines>();
  for (const [name, { file }] of Object.entries(BUNDLE_PARTS))
    files.set(name as BundlePart, new Lines(await open(join(folder, file), "wx")));
  const trials: BundleTrial[] = [];
  const runs = new Set<string>();
  const checkpoints: BundleCheckpoint[] = [];
  let origin: Pick<Heard, "version" | "by" | "imported"> | undefined;
  let experiment: BundleExperiment | undefined;
  let lines = 0;
  let isWhole = false;
  try {
    for await (const line of client.bundle(id, trial)) {
      if (line.part === "end") isWhole = line.row.lines === lines;
      else if (line.part === "origin") origin = line.row;
      else if (line.part === "experiment") experiment = line.row;
      else {
        if (line.part === "trial") trials.push(line.row);
        if (line.part === "run") runs.add(`${line.row.trial}.${line.row.run}`);
        if (line.part === "checkpoint") checkpoints.push(line.row);
        await files.get(line.part)?.add(line);
      }
      lines += 1;
      if (lines % 1000 === 0) progress.detail(`${plural(lines, "line")} of its record`);
    }
  } finally {
    for (const file of files.values()) await file.close();
  }
  if (!isWhole || origin === undefined || experiment === undefined)
    throw new CliError("cut_off", "The server ended its answer before it was whole.", {
      hint: "Nothing was left behind. The server's log says why; run the command again.",
      exitCode: EXIT.unreachable,
    });
  await writeFile(join(folder, EXPERIMENT_FILE), `${JSON.stringify(experiment, null, 1)}\n`);
  await writeFile(join(folder, "config.yaml"), experiment.config_text);
  const counts = Object.fromEntries([...files].map(([name, file]) => [name, file.count]));
  return { ...origin, experiment, trials, runs, checkpoints, counts };
}

/** A file of lines, written some at a time. */
class Lines {
  count = 0;
  readonly #file: FileHandle;
  #text = "";

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async add({ row }: BundleLine): Promise<void> {
    this.count += 1;
    this.#text += `${JSON.stringify(row)}\n`;
    if (this.#text.length < 256 * 1024) return;
    await this.#file.writeFile(this.#text);
    this.#text = "";
  }

  async close(): Promise<void> {
    if (this.#text !== "") await this.#file.writeFile(this.#text);
    this.#text = "";
    await this.#file.close();
  }
}

/** What an experiment's `data` says of one name. */
function resolvedData(value: Json): { hash: string | undefined; dataset: string | null } {
  const { snapshot, reference, dataset } = (value ?? {}) as Record<string, unknown>;
  const hash = snapshot ?? reference;
  return {
    hash: typeof hash === "string" ? hash : undefined,
    dataset: typeof dataset === "string" ? dataset : null,
  };
}

const folderName = (name: string, index: number): string =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name) ? name : `data-${index + 1}`;

function chosenCheckpoints(
  { trials, checkpoints }: Heard,
  which: BundleOptions["withCheckpoints"],
): ReadonlySet<string> {
  const there = checkpoints.filter(({ deleted }) => deleted === null);
  if (which === "none") return new Set();
  if (which === "all") return new Set(there.map(({ id }) => id));
  return new Set(
    trials.flatMap(({ number, best, checkpoint }) => [
      ...(checkpoint === null ? [] : [checkpoint.id]),
      ...there
        .filter(({ trial, step }) => trial === number && step === best?.step)
        .map(({ id }) => id),
    ]),
  );
}

function missingOf(
  { experiment, trials }: Heard,
  { unreadable }: TreesOut,
  { data, kept }: Pick<BundleManifest, "data"> & { kept: BundleManifest["checkpoints"] },
): string[] {
  const running = trials.filter(({ state }) => !["completed", "canceled", "error"].includes(state));
  const without = (trees: readonly { folder: string | null }[]): number =>
    trees.filter(({ folder }) => folder === null).length;
  return [
    ...(running.length === 0
      ? []
      : [`${plural(running.length, "trial")} had not ended when the bundle was made`]),
    ...(experiment.code === null ? ["the experiment was submitted without code"] : []),
    ...(without(data) === 0
      ? []
      : [`files of ${plural(without(data), "dataset")}: their lists are in trees/ (--with-data)`]),
    ...(without(kept) === 0
      ? []
      : [
          `files of ${plural(without(kept), "checkpoint")}: their lists are in trees/ (--with-checkpoints)`,
        ]),
    ...unreadable.map((hash) => `the list of files of snapshot ${hash}: the server has it no more`),
  ];
}
