/**
 * The folder of a shell or notebook as a checkpoint, and back. A checkpoint is files alone; what a person's folder has
 * besides (links, folders with nothing in them) is written down in a file beside them, so that a virtual environment
 * works again where it is laid out anew. Files whose names a snapshot refuses (a backslash, two that differ only in case)
 * lie under a number, their names in that file, too. Sockets, pipes and devices are left out: nothing of them could come
 * back. So is what cannot be read, and what has a name that is no text; one such thing must not cost the others.
 *
 *   contrail-task.json   { version, links: { path: target }, folders: [path], odd?: { number: path } }
 *   work/…               the files
 *   odd/<number>         those with other names
 */
import { createHash } from "node:crypto";
import { constants, type Dirent } from "node:fs";
import {
  access,
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Tree } from "../../protocol/runner-wire.ts";
import { clashingPaths, pathFault } from "../../store/snapshot.ts";

const NOTE = "contrail-task.json";
const WORK = "work";
const ODD = "odd";

const workNote = z.strictObject({
  version: z.literal(1),
  links: z.record(z.string(), z.string().min(1)),
  folders: z.array(z.string()),
  odd: z.record(z.string().regex(/^\d+$/), z.string().min(1)).optional(),
});
type WorkNote = z.infer<typeof workNote>;

/** What lies in a folder. */
interface Contents {
  readonly files: string[];
  readonly links: Record<string, string>;
  /** Those with nothing in them that is kept. */
  readonly folders: string[];
  /** What is there and cannot be kept, with the reason. */
  readonly leftOut: string[];
  /** Changes when any of it does. */
  readonly mark: string;
}

/** Is a checkpoint a folder that was kept, or something that a program saved? */
export const isKeptWork = (tree: Tree): boolean => tree.some(({ path }) => path === NOTE);

/** Changes when anything in the folder does, by what the file system says of it. */
export const markOf = async (work: string): Promise<string> => (await contentsOf(work)).mark;

/**
 * Puts what lies in `work` into a new folder as a checkpoint has it.
 * @param options.still nothing writes there any more, so the files themselves can be shared
 * @returns the mark of what was kept, and what was left out, a line each
 */
export async function keepWork(
  work: string,
  folder: string,
  { still }: { readonly still: boolean },
): Promise<{ readonly mark: string; readonly leftOut: readonly string[] }> {
  const { files, links, folders, leftOut, mark } = await contentsOf(work);
  await mkdir(join(folder, WORK), { recursive: true });
  const made = new Set<string>();
  const isOdd = oddOf(files);
  const odd: Record<string, string> = {};
  let next = 0;
  for (const path of files) {
    const from = join(work, path);
    // One that cannot be read can be linked all the same, and then not be sent.
    const fault = await access(from, constants.R_OK).catch(unlessGoneOrShut);
    if (fault !== undefined) {
      leftOut.push(`${path}: ${fault}`);
      continue;
    }
    let to = join(folder, WORK, path);
    if (isOdd(path)) {
      odd[next] = path;
      to = join(folder, ODD, String(next++));
    }
    if (!made.has(dirname(to))) await mkdir(dirname(to), { recursive: true });
    made.add(dirname(to));
    if (still && (await isLinked(from, to))) continue;
    const shut = await copyFile(from, to, constants.COPYFILE_FICLONE).catch(unlessGoneOrShut);
    if (shut !== undefined) leftOut.push(`${path}: ${shut}`);
  }
  const note: WorkNote = { version: 1, links, folders, ...(next > 0 ? { odd } : {}) };
  await writeFile(join(folder, NOTE), JSON.stringify(note));
  return { mark, leftOut };
}

/** Of which of these files would a snapshot refuse the name? */
function oddOf(files: readonly string[]): (path: string) => boolean {
  const refused = files.filter((path) => pathFault(`${WORK}/${path}`) !== undefined);
  const odd = new Set(refused);
  for (const path of clashingPaths(files.filter((path) => !odd.has(path)))) odd.add(path);
  return (path) => odd.has(path);
}

/** Some file systems link nothing, and some files are not ours to link. */
const isLinked = (from: string, to: string): Promise<boolean> =>
  link(from, to).then(
    () => true,
    () => false,
  );

/**
 * The other way. @param kept a folder that was made so, writable; what is in it moves
 * @returns what this disk does not take, a line each @throws where it is not as it should be
 */
export async function layOutWork(kept: string, work: string): Promise<string[]> {
  const note = workNote.parse(JSON.parse(await readFile(join(kept, NOTE), "utf8")));
  await mkdir(join(kept, WORK), { recursive: true });
  await rename(join(kept, WORK), work);
  const leftOut: string[] = [];
  const put = (path: string, making: Promise<unknown>): Promise<unknown> =>
    making.catch((error: NodeJS.ErrnoException) => {
      if (error.code === undefined || !REFUSED.has(error.code)) throw error;
      leftOut.push(`${path}: ${error.message}`);
    });
  const above = (path: string) =>
    makeFolder(work, dirname(path) === "." ? "" : dirname(path), path);
  for (const path of note.folders) await put(path, makeFolder(work, path));
  for (const [number, path] of Object.entries(note.odd ?? {})) {
    const placed = above(path).then(() => moveNew(join(kept, ODD, number), join(work, path)));
    await put(path, placed);
  }
  for (const [path, target] of Object.entries(note.links))
    await put(
      path,
      above(path).then(() => symlink(target, join(work, path))),
    );
  return leftOut;
}

/** What a disk says of a name that it does not have, or has already. */
const REFUSED = new Set(["EEXIST", "EILSEQ", "EINVAL", "ENAMETOOLONG", "ENOENT", "ENOTDIR"]);

const refusal = (code: string, message: string): Error =>
  Object.assign(new Error(message), { code });

/** A disk that knows no upper and lower case may have something under this name. */
async function moveNew(from: string, to: string): Promise<void> {
  if ((await lstat(to).catch(unlessGone)) !== undefined)
    throw refusal("EEXIST", "this disk takes its name for that of another file");
  await rename(from, to);
}

/** Each folder on the way is one, and no link that leads elsewhere. */
async function makeFolder(root: string, path: string, named = path): Promise<void> {
  if (named.includes("\0") || named.split("/").some((name) => /^\.{0,2}$/.test(name)))
    throw new Error(`${JSON.stringify(named)} in ${NOTE} is no path below the folder`);
  let at = root;
  for (const name of path === "" ? [] : path.split("/")) {
    at = join(at, name);
    await mkdir(at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    if (!(await lstat(at)).isDirectory())
      throw refusal("ENOTDIR", `it leads through ${at}, which is no folder`);
  }
}

/** Names so many; a folder may hold thousands. */
const NAMED_MAX = 10;

/** Says in a task's log what of its folder is not kept, or not laid out again. */
export function tellLeftOut(leftOut: readonly string[], tell: (text: string) => void): void {
  for (const line of leftOut.slice(0, NAMED_MAX)) tell(`left out of the folder: ${line}`);
  const more = leftOut.length - NAMED_MAX;
  if (more > 0) tell(`left out of the folder: ${more} more`);
}

async function contentsOf(work: string): Promise<Contents> {
  const files: string[] = [];
  const links: [string, string][] = [];
  const folders: string[] = [];
  const leftOut: string[] = [];
  const mark = createHash("sha256");
  const visit = async (folder: string): Promise<void> => {
    const found = await readdir(join(work, folder), { withFileTypes: true, encoding: "buffer" });
    const entries: Found[] = [];
    for (const entry of found) {
      const name = entry.name.toString("utf8");
      const path = folder === "" ? name : `${folder}/${name}`;
      if (Buffer.from(name).equals(entry.name)) entries.push({ path, entry });
      else leftOut.push(`${path}: its name is not valid UTF-8`);
    }
    entries.sort((a, b) => (a.path < b.path ? -1 : 1));
    if (entries.length === 0 && folder !== "") folders.push(folder);
    for (const { path, entry } of entries) {
      if (entry.isDirectory()) {
        mark.update(`${path}/\0`);
        const shut = await visit(path).catch(unlessGoneOrShut);
        if (shut !== undefined) leftOut.push(`${path}/: ${shut}`);
      } else if (entry.isSymbolicLink()) {
        const target = await readlink(join(work, path)).catch(unlessGone);
        if (target !== undefined) links.push([path, target]);
        mark.update(`${path}\0${target}\0`);
      } else if (entry.isFile()) {
        const found = await lstat(join(work, path), { bigint: true }).catch(unlessGone);
        if (found === undefined) continue;
        files.push(path);
        mark.update(`${path}\0${found.size} ${found.mtimeNs} ${found.mode}\0`);
      }
    }
  };
  await visit("");
  return { files, links: Object.fromEntries(links), folders, leftOut, mark: mark.digest("hex") };
}

interface Found {
  /** Below the folder. */
  readonly path: string;
  readonly entry: Dirent<Buffer>;
}

/** What a program removes while its folder is read is not there, and no fault. */
function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}

/** @returns in words that somebody may not read it, or that its path is too long */
function unlessGoneOrShut(error: NodeJS.ErrnoException): string | undefined {
  if (error.code === "EACCES" || error.code === "EPERM") return "it may not be read";
  if (error.code === "ENAMETOOLONG") return "its path is too long";
  return unlessGone(error);
}
