/** Programs of Debian packages that tests need; as root they are installed, without starting any service of theirs. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

export interface DebianPackage {
  readonly name: string;
  /** A program on the PATH, or an absolute path, by which it is known to be there. */
  readonly holds: string;
}

/** Tells package managers that services are not to be started. */
const NO_SERVICES = "/usr/sbin/policy-rc.d";
const INSTALL_TIMEOUT_MS = 300_000;

const isThere = ({ holds }: DebianPackage): boolean =>
  holds.startsWith("/")
    ? existsSync(holds)
    : `${process.env.PATH ?? ""}${delimiter}/usr/sbin`
        .split(delimiter)
        .some((folder) => existsSync(join(folder, holds)));

/**
 * Installs what is missing.
 * @returns why that is impossible; undefined when all is there
 */
export async function installPackages(
  packages: readonly DebianPackage[],
): Promise<string | undefined> {
  const missing = packages.filter((each) => !isThere(each)).map(({ name }) => name);
  if (missing.length === 0) return undefined;
  const names = missing.join(" ");
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get"))
    return `not installed here, and only root may on Debian: apt-get install ${names}`;
  console.log(`  installing ${names} …`);
  try {
    await withoutServices(async () => {
      await aptGet("install", "-y", "--no-install-recommends", ...missing).catch(async () => {
        await aptGet("update");
        await aptGet("install", "-y", "--no-install-recommends", ...missing);
      });
    });
  } catch (error) {
    const { stderr = "", message } = error as Error & { stderr?: string };
    return `apt-get could not install ${names}: ${(stderr || message).trim().slice(-300)}`;
  }
  return packages.every(isThere) ? undefined : `${names} lack what is looked for`;
}

const aptGet = (...args: string[]): Promise<unknown> =>
  promisify(execFile)("apt-get", ["-o", "DPkg::Lock::Timeout=240", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    maxBuffer: 64 << 20,
    timeout: INSTALL_TIMEOUT_MS,
  });

async function withoutServices(work: () => Promise<void>): Promise<void> {
  const guarded = existsSync(NO_SERVICES);
  if (!guarded) await writeFile(NO_SERVICES, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await work();
  } finally {
    if (!guarded) await rm(NO_SERVICES, { force: true });
  }
}
