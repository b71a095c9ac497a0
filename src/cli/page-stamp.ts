/**
 * Whether the built web page is that of these sources. By content and not by time: git sets times as it likes. `contrail
 * up` asks at every start, so it is a hash over some hundred small files and nothing more.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");
export const PAGE_FOLDER = "web/dist";
/** What the page is made of: its own sources, what it takes from other rooms, and how it is built. */
export const INPUTS: readonly string[] = [
  "web",
  "src/base",
  "src/analysis",
  "src/sdk",
  "src/cli/figures.ts",
  "src/cli/inert.ts",
  "src/protocol/experiment-filter",
  "src/protocol/config/nearest.ts",
  "src/store/ignore-file.ts",
  "src/store/glob.ts",
  "scripts/build.ts",
  "package-lock.json",
];
const BUILDER = "scripts/build.ts";

/** @returns the hash of the sources; undefined where there are none, as in an installed package */
export function pageSources(root: string = ROOT): string | undefined {
  if (!existsSync(join(root, "web", "index.html")) || !existsSync(join(root, BUILDER)))
    return undefined;
  const hash = createHash("sha256");
  for (const path of INPUTS.flatMap((input) => filesBelow(root, input)).toSorted())
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update("\0");
  return hash.digest("hex");
}

function filesBelow(root: string, path: string): string[] {
  if (/\.test\.tsx?$/.test(path) || path === PAGE_FOLDER) return [];
  if (/\.\w+$/.test(path)) return [path];
  return readdirSync(join(root, path)).flatMap((name) => filesBelow(root, `${path}/${name}`));
}

/** @returns the hash that the built page was made from */
export function builtFrom(root: string = ROOT): string | undefined {
  try {
    const { sources } = JSON.parse(readFileSync(join(root, PAGE_FOLDER, "stamp.json"), "utf8"));
    return typeof sources === "string" ? sources : undefined;
  } catch {
    return undefined;
  }
}

export const pageIsStale = (root: string = ROOT): boolean => {
  const sources = pageSources(root);
  return sources !== undefined && sources !== builtFrom(root);
};

/**
 * Builds the page in a process of its own: the tools for it are heavy, and only development has them.
 * @returns what went wrong, undefined when it is built
 */
export function buildPage(root: string = ROOT): Promise<string | undefined> {
  return new Promise((done) => {
    const args = ["--disable-warning=ExperimentalWarning", join(root, BUILDER), "--quiet"];
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-4000);
    });
    child.once("error", (error) => done(error.message));
    child.once("close", (code) =>
      done(code === 0 ? undefined : said.trim() || `the build ended with ${code}`),
    );
  });
}
