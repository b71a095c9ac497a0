/** The node_modules of a recorded run, by `npm ci` from the lock file that lies in its code. */
import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { copyFile, mkdir, readFile, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { LaunchError } from "../rank-process.ts";
import type { NodePlan } from "./plan.ts";
import { type Shared, step } from "./python-build.ts";

const INSTALL_LIMIT_MS = 3_600_000;
const FILES = ["package.json", "package-lock.json", ".npmrc"];

export async function buildNode(options: {
  readonly plan: NodePlan;
  /** The code as laid out; gets a link to the packages. */
  readonly folder: string;
  readonly tell: (text: string) => void;
  readonly once: (
    key: string,
    build: (folder: string, shared: Shared) => Promise<void>,
  ) => Promise<string>;
}): Promise<void> {
  const { plan, folder, tell, once } = options;
  const there = FILES.filter((name) => lstatSync(join(folder, name), { throwIfNoEntry: false }));
  if (!there.includes("package-lock.json") || !there.includes("package.json"))
    throw new LaunchError(
      "the recorded environment cannot be had here: its packages are not those that are here, and its code has no package.json with a package-lock.json to install them from. Keep both in the folder that is submitted",
    );
  const digest = createHash("sha256").update(`node ${plan.version}\n`);
  for (const name of there) digest.update(`${name}\n`).update(await readFile(join(folder, name)));
  const key = `node-${digest.digest("hex").slice(0, 40)}`;
  const built = await once(key, async (place, { signal, run, tell }) => {
    await mkdir(place, { recursive: true, mode: 0o700 });
    for (const name of there) await copyFile(join(folder, name), join(place, name));
    tell(`installing the recorded packages for Node ${plan.version}: npm ci`);
    await step(signal, "npm ci did not succeed", () =>
      run(["npm", "ci", "--no-audit", "--no-fund", "--no-progress"], INSTALL_LIMIT_MS, place),
    );
  });
  const modules = join(folder, "node_modules");
  await rm(modules, { recursive: true, force: true });
  await symlink(join(built, "node_modules"), modules);
  tell("the recorded packages are in place");
}
