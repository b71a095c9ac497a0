/** A bundle on its way in: every file is held to the manifest before anything is sent. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { MANIFEST_FILE, readManifest, SUMS_FILE, sumsText } from "../../export/bundle-manifest.ts";
import { type BundleManifest, RECORD_FILES } from "../../protocol/bundle.ts";
import type { ProblemIssue } from "../../protocol/errors.ts";
import type { Tree, TreeEntry } from "../../protocol/runner-wire.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { plural } from "../figures.ts";
import type { Progress } from "../progress.ts";
import { scan } from "../upload.ts";
import { requireFolder } from "../user-file.ts";

export interface ReadBundle {
  readonly manifest: BundleManifest;
  /** The text of manifest.json. */
  readonly text: string;
  /** What has to be sent, by its path in the bundle. */
  readonly tree: Tree;
}

const LIMITS = { bytesMax: 1024 ** 5, filesMax: 200_000 };

/** @throws CliError with every file that is not as it should be */
export async function readBundle(folder: string, progress: Progress): Promise<ReadBundle> {
  requireFolder(folder);
  const path = join(folder, MANIFEST_FILE);
  if (!existsSync(path))
    throw new CliError("no_bundle", `${folder} is not a bundle: it has no ${MANIFEST_FILE}.`, {
      hint: "Name a folder that `contrail export` made.",
      exitCode: EXIT.notFound,
    });
  const text = await readFile(path, "utf8");
  const reading = readManifest(text);
  if (!reading.ok) throw tampered(folder, [issue(MANIFEST_FILE, reading.message)]);
  const { manifest } = reading;
  progress.detail("hashing every file");
  const { tree } = await scan(
    folder,
    { ignoreFile: null, ignore: [], limits: LIMITS },
    "A bundle has nothing but what `contrail export` wrote. Copy it again from where it was made.",
  );
  const issues: ProblemIssue[] = [];
  const found = new Map(tree.map((entry) => [entry.path, entry]));
  for (const { path: name, size, sha256 } of manifest.files) {
    const entry = found.get(name);
    found.delete(name);
    if (entry === undefined) issues.push(issue(name, "is missing"));
    else if (entry.size !== size || entry.hash !== sha256) issues.push(issue(name, "was changed"));
  }
  found.delete(MANIFEST_FILE);
  const sums = found.get(SUMS_FILE);
  found.delete(SUMS_FILE);
  const expected = createHash("sha256").update(sumsText(manifest.files, text)).digest("hex");
  if (sums?.hash !== expected) issues.push(issue(SUMS_FILE, "is not what manifest.json says"));
  for (const name of found.keys()) issues.push(issue(name, "is in no list: it was put in"));
  if (issues.length > 0) throw tampered(folder, issues);
  return { manifest, text, tree: await contentOf(folder, manifest) };
}

/** Not the Parquet file, which says what the CSV says, nor what is for people alone. */
async function contentOf(folder: string, manifest: BundleManifest): Promise<Tree> {
  const tree: TreeEntry[] = manifest.files
    .filter(({ path }) => RECORD_FILES.includes(path) || path.startsWith("trees/"))
    .map(({ path, size, sha256: hash }) => ({ path, size, hash, executable: false }));
  const { code, data, checkpoints, imported } = manifest;
  for (const about of [code, ...data, ...checkpoints, imported]) {
    if (about == null || about.folder === null) continue;
    const list = await readFile(join(folder, "trees", `${about.hash}.json`), "utf8");
    const entries = JSON.parse(list) as Tree;
    // As the list says: a large file may be stored in parts.
    for (const entry of entries) tree.push({ ...entry, path: `${about.folder}/${entry.path}` });
  }
  return tree;
}

const issue = (path: string, message: string): ProblemIssue => ({
  ...{ code: "invalid_bundle", path, message },
});

function tampered(folder: string, issues: readonly ProblemIssue[]): CliError {
  const [first] = issues;
  const more = issues.length > 1 ? ` (and ${plural(issues.length - 1, "more file")})` : "";
  return new CliError(
    "invalid_bundle",
    `${folder} is not as it was made: ${first?.path} ${first?.message}${more}. Nothing was imported.`,
    { hint: "Get it again from whoever made it.", issues: issues.slice(0, 100) },
  );
}
