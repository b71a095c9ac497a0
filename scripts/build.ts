/**
 * `npm run build`: the web page, from web/ into web/dist, where the server finds it. Built only when the sources have
 * changed, which their hash says; `--force` builds in any case, `--quiet` says nothing but errors.
 *
 * Packed here once (brotli and gzip at their best), so that no request ever waits for it. Put in place by renaming
 * whole folders: a server that runs sees the old page or the new one.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { bytes, duration } from "../src/cli/figures.ts";
import { builtFrom, PAGE_FOLDER, pageSources, ROOT } from "../src/cli/page-stamp.ts";

const dist = join(ROOT, PAGE_FOLDER);
const lock = join(ROOT, ".cache", "build.lock");

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { quiet: { type: "boolean" }, force: { type: "boolean" } },
  });
  const say = (text: string): void => {
    if (!values.quiet) process.stderr.write(`${text}\n`);
  };
  const sources = pageSources();
  if (sources === undefined) throw new Error("web/ holds no sources of the page");
  await holdingTheLock(async () => {
    if (!values.force && builtFrom() === sources) return say("The web page is up to date.");
    const beganMs = performance.now();
    say("Building the web page …");
    const sent = await build(sources);
    const took = duration((performance.now() - beganMs) / 1000);
    say(`  ${PAGE_FOLDER}: ${bytes(sent)} packed, ${took}`);
  });
}

/** @returns the bytes of all its files, packed */
async function build(sources: string): Promise<number> {
  const next = join(ROOT, ".cache", `page-${process.pid}`);
  // Loaded here: who only asks whether the page is up to date need not wait for it.
  const { build: vite } = await import("vite");
  try {
    await vite({
      configFile: join(ROOT, "web", "vite.config.ts"),
      logLevel: "error",
      build: { outDir: next, emptyOutDir: true },
    });
    const sent = pack(join(next, "assets"));
    writeFileSync(join(next, "pages.json"), JSON.stringify(await pagePaths()));
    writeFileSync(join(next, "stamp.json"), JSON.stringify({ sources }));
    const old = `${next}-old`;
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(next, dist);
    rmSync(old, { recursive: true, force: true });
    return sent;
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
}

function pack(folder: string): number {
  let sent = 0;
  for (const name of readdirSync(folder)) {
    const plain = readFileSync(join(folder, name));
    const br = brotliCompressSync(plain, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
      },
    });
    const gzip = gzipSync(plain, { level: 9 });
    if (br.length < plain.length) writeFileSync(join(folder, `${name}.br`), br);
    if (gzip.length < plain.length) writeFileSync(join(folder, `${name}.gz`), gzip);
    sent += Math.min(plain.length, br.length);
  }
  return sent;
}

/** The addresses that are pages, from the features themselves: the server gives the page to these and no others. */
async function pagePaths(): Promise<string[]> {
  const folder = join(ROOT, "web", "features");
  const paths = ["/sign-in"];
  for (const feature of readdirSync(folder)) {
    const file = join(folder, feature, "pages.ts");
    if (!existsSync(file)) continue;
    const { default: pages } = (await import(file)) as { default: { path: string }[] };
    for (const { path } of pages) {
      if (!/^(?:\/[\w$-]+)+$/.test(path) || path.startsWith("/api") || path.startsWith("/assets"))
        throw new Error(`${file}: "${path}" cannot be the address of a page`);
      paths.push(path);
    }
  }
  return paths.toSorted();
}

/** Two builds at once would take each other's folder away. */
async function holdingTheLock(work: () => Promise<void>): Promise<void> {
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = existsSync(lock) ? Number(readFileSync(lock, "utf8")) : 0;
    if (holder > 0 && !isAlive(holder)) rmSync(lock, { force: true });
    else await new Promise((done) => setTimeout(done, 100));
  }
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

await main().catch((error: unknown) => {
  console.error(`The web page cannot be built: ${(error as Error).message}`);
  process.exitCode = 1;
});
