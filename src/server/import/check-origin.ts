/**
 * Of a bundle whose experiment had itself been imported: what came along then, which is kept and handed on as it was. Nothing
 * is computed from it; that it is whole is checked all the same, level by level, so that nobody keeps what proves nothing.
 */
import { MANIFEST_FILE, readManifest } from "../../export/bundle-manifest.ts";
import {
  AUDIT_FILE,
  bundleExperiment,
  EXPERIMENT_FILE,
  KEPT_FILES,
  ORIGIN_FOLDER,
} from "../../protocol/bundle.ts";
import { type BundleSource, invalidBundle } from "./bundle-source.ts";
import { checkAudit } from "./check-bundle.ts";
import type { IncludedTree } from "./check-trees.ts";

/** As often may one bundle have gone from server to server. */
const LEVELS_MAX = 100;

/** @returns who submitted the experiment where it was trained; undefined where this bundle is from there */
export async function checkOrigin(
  source: BundleSource,
  imported: IncludedTree | null,
): Promise<string | undefined> {
  if (imported === null) return undefined;
  const left = new Set(imported.entries.map(({ path }) => `${ORIGIN_FOLDER}/${path}`));
  let author: string | undefined;
  let folder = "";
  for (let level = 1; left.size > 0; level++) {
    folder += `${ORIGIN_FOLDER}/`;
    if (level > LEVELS_MAX) throw invalidBundle(folder, `lies more than ${LEVELS_MAX} levels deep`);
    author = await checkLevel(source, folder);
    for (const name of [MANIFEST_FILE, ...KEPT_FILES]) left.delete(`${folder}${name}`);
    const [stranger] = [...left].filter((path) => !path.startsWith(`${folder}${ORIGIN_FOLDER}/`));
    if (stranger !== undefined) throw invalidBundle(stranger, "does not belong to an origin");
  }
  return author;
}

/** @returns whose experiment it was there */
async function checkLevel(source: BundleSource, folder: string): Promise<string> {
  const path = `${folder}${MANIFEST_FILE}`;
  const reading = readManifest((await source.bytes(path)).toString("utf8"));
  if (!reading.ok) throw invalidBundle(path, reading.message);
  const { manifest } = reading;
  for (const name of KEPT_FILES) {
    const wanted = manifest.files.find((file) => file.path === name);
    if (source.file(`${folder}${name}`).sha256 !== wanted?.sha256)
      throw invalidBundle(`${folder}${name}`, "is not what the manifest beside it says");
  }
  await checkAudit(source, `${folder}${AUDIT_FILE}`, manifest.origin.experiment);
  return (await source.object(`${folder}${EXPERIMENT_FILE}`, bundleExperiment)).owner;
}
