/** Bundles for tests: made from a server's own answers, held in memory, changed at will and sealed anew. */
import { createHash } from "node:crypto";
import { text } from "node:stream/consumers";
import type { JsonObject } from "../../base/json.ts";
import { type BundleFile, manifestText } from "../../export/bundle-manifest.ts";
import {
  BUNDLE_PARTS,
  type BundleExperiment,
  type BundleManifest,
  EXPERIMENT_FILE,
  METRICS_FILE,
  ORIGIN_FOLDER,
} from "../../protocol/bundle.ts";
import type { Tree } from "../../protocol/runner-wire.ts";
import type { Client } from "../../sdk/client.ts";
import { datasetItems } from "../datasets/items.ts";

export const sha256 = (bytes: string | Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

export interface TestBundle {
  readonly files: Map<string, Buffer>;
  /** What the manifest says beside the list of files; may be changed like them. */
  about: Omit<BundleManifest, "format" | "self" | "content" | "files">;
}

/** With its code, its checkpoints that are there, and of data the lists. */
export async function bundleFrom(
  client: Client,
  experiment: number,
  trial?: number,
  { withData = false }: { readonly withData?: boolean } = {},
): Promise<TestBundle> {
  const files = new Map<string, Buffer>();
  const lines: Record<string, string[]> = {};
  for (const part of Object.keys(BUNDLE_PARTS)) lines[part] = [];
  let row: BundleExperiment | undefined;
  let imported: string | undefined;
  for await (const line of client.bundle(experiment, trial)) {
    if (line.part === "experiment") row = line.row;
    else if (line.part === "origin") imported = line.row.imported;
    else lines[line.part]?.push(JSON.stringify(line.row));
  }
  if (row === undefined) throw new Error("no experiment came");
  const counts: Record<string, number> = {};
  for (const [part, { file }] of Object.entries(BUNDLE_PARTS)) {
    const own = lines[part] ?? [];
    counts[part] = own.length;
    files.set(file, Buffer.from(own.map((line) => `${line}\n`).join("")));
  }
  files.set(EXPERIMENT_FILE, Buffer.from(JSON.stringify(row)));
  const ids = trial === undefined ? String(experiment) : `${experiment}.${trial}`;
  const csv = await text(await client.exportMetrics("csv", { ids, superseded: true }));
  files.set(METRICS_FILE, Buffer.from(csv));
  counts.points = csv.split("\n").length - 2;
  const include = async (hash: string, folder: string, isWhole = true) => {
    const list = await text(await client.getBlob(hash));
    files.set(`trees/${hash}.json`, Buffer.from(list));
    const tree = JSON.parse(list) as Tree;
    for (const entry of isWhole ? tree : [])
      files.set(
        `${folder}/${entry.path}`,
        Buffer.from(await text(await client.getBlob(entry.hash))),
      );
    return {
      hash,
      files: tree.length,
      bytes: tree.reduce((sum, { size }) => sum + size, 0),
      folder: isWhole ? folder : null,
    };
  };
  const data: BundleManifest["data"][number][] = [];
  for (const { as: name, dataset, snapshot } of datasetItems(row.data as JsonObject))
    data.push({ ...(await include(snapshot, `data/${name}`, withData)), name, dataset });
  const checkpoints: BundleManifest["checkpoints"] = [];
  for (const line of lines.checkpoint ?? []) {
    const { id, trial: number, step, deleted } = JSON.parse(line);
    if (deleted === null)
      checkpoints.push({
        ...(await include(id, `checkpoints/${id.slice(0, 12)}`)),
        ...{ trial: number, step },
      });
  }
  return {
    files,
    about: {
      ...{ made_at: "2026-11-28T10:00:00.000Z", made_by: "ada", contrail: "0.0.0" },
      origin: {
        ...{ server: "http://origin", experiment, name: row.name },
        trials: (lines.trial ?? []).map((line) => JSON.parse(line).number),
      },
      counts,
      code: row.code === null ? null : await include(row.code, "code"),
      ...{ data, checkpoints, missing: [] },
      ...(imported && { imported: await include(imported, ORIGIN_FOLDER) }),
    },
  };
}

export function sealed({ files, about }: TestBundle): string {
  const list: BundleFile[] = [...files]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([path, bytes]) => ({
      ...{ path, size: bytes.length, sha256: sha256(bytes), executable: false },
    }));
  return manifestText({ ...about, files: list });
}

/** Sends what the manifest speaks of. @returns the manifest */
export async function sent(client: Client, bundle: TestBundle): Promise<string> {
  const byHash = new Map([...bundle.files.values()].map((bytes) => [sha256(bytes), bytes]));
  for (const hash of await client.missingBlobs([...byHash.keys()]))
    await client.putBlob(hash, new Uint8Array(byHash.get(hash) ?? []));
  return sealed(bundle);
}
