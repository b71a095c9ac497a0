/**
 * The built web page in memory: a few dozen files by their exact names, packed when they were built. A request is a
 * look into a map, so there is no path that could lead anywhere else, and nothing is packed twice. A library that
 * serves folders was refused: it answers questions (ranges, listings, dot files) that nobody may ask here.
 *
 * A new build is noticed by its stamp, so a server that runs serves it at the next look at the page.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

export interface PageAsset {
  readonly type: string;
  readonly plain: Buffer;
  /** Packed forms by their content-encoding, where they are smaller. */
  readonly packed: { readonly br?: Buffer; readonly gzip?: Buffer };
}

export interface BuiltPage {
  /** With `NONCE_MARK` wherever the nonce of the answer belongs. */
  readonly index: string;
  /** Sources of the scripts that stand in the index itself, as a policy names them. */
  readonly scriptHashes: readonly string[];
  /** By file name; the name holds a hash of the content. */
  readonly assets: ReadonlyMap<string, PageAsset>;
  /** The addresses that are pages. */
  readonly isPage: (path: string) => boolean;
}

export const NONCE_MARK = "__CSP_NONCE__";
/** Written last by the build. */
export const STAMP_FILE = "stamp.json";
/** Addresses of the pages, `$name` for a part that varies. */
export const PAGES_FILE = "pages.json";

const TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  woff2: "font/woff2",
  png: "image/png",
  json: "application/json; charset=utf-8",
};

export class PageFiles {
  readonly #folder: string;
  #built: BuiltPage | undefined;
  #mark = "";
  #loading: Promise<void> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns undefined where the page has not been built */
  async current(): Promise<BuiltPage | undefined> {
    const found = await stat(join(this.#folder, STAMP_FILE)).catch(() => undefined);
    if (!found) return undefined;
    const mark = `${found.mtimeMs} ${found.ino}`;
    if (mark !== this.#mark) {
      this.#loading ??= load(this.#folder)
        .then((built) => {
          this.#built = built;
          this.#mark = mark;
        })
        // A build that is being put in place: the next request looks again.
        .catch(() => undefined)
        .finally(() => {
          this.#loading = undefined;
        });
      await this.#loading;
    }
    return this.#built;
  }
}

async function load(folder: string): Promise<BuiltPage> {
  const index = await readFile(join(folder, "index.html"), "utf8");
  const pages = JSON.parse(await readFile(join(folder, PAGES_FILE), "utf8")) as string[];
  const patterns = pages.map(patternOf);
  return {
    index,
    scriptHashes: inlineScripts(index).map(
      (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`,
    ),
    assets: await loadAssets(join(folder, "assets")),
    isPage: (path) => patterns.some((pattern) => pattern.test(path)),
  };
}

async function loadAssets(folder: string): Promise<Map<string, PageAsset>> {
  const assets = new Map<string, PageAsset>();
  const names = await readdir(folder);
  const present = new Set(names);
  const packed = async (name: string): Promise<Buffer | undefined> =>
    present.has(name) ? await readFile(join(folder, name)) : undefined;
  for (const name of names) {
    const type = TYPES[name.slice(name.lastIndexOf(".") + 1)];
    if (type === undefined) continue;
    const plain = await readFile(join(folder, name));
    const [br, gzip] = [await packed(`${name}.br`), await packed(`${name}.gz`)];
    assets.set(name, {
      type,
      plain,
      packed: { ...(br ? { br } : {}), ...(gzip ? { gzip } : {}) },
    });
  }
  return assets;
}

/** `/experiments/$id` → what matches `/experiments/3` and nothing deeper. */
function patternOf(page: string): RegExp {
  const parts = page
    .split("/")
    .map((part) => (part.startsWith("$") ? "[^/]{1,100}" : part.replace(/[^\w-]/g, "\\$&")));
  return new RegExp(`^${parts.join("/")}$`);
}

function inlineScripts(html: string): string[] {
  return [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text]) => text as string);
}
