/** Snapshots on their way into a bundle: their lists into `trees/`, their files into a folder, each once. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { BundleManifest } from "../../protocol/bundle.ts";
import type { Tree } from "../../protocol/runner-wire.ts";
import type { Client } from "../../sdk/client.ts";
import { RemoteError } from "../../sdk/remote-error.ts";
import { CliError } from "../exit-code.ts";
import { plural } from "../figures.ts";
import type { Progress } from "../progress.ts";

type BundleTree = NonNullable<BundleManifest["code"]>;

export class TreesOut {
  /** Of which the list could not be had. */
  readonly unreadable: string[] = [];
  readonly #client: Client;
  readonly #folder: string;
  readonly #progress: Progress;
  readonly #done = new Map<string, BundleTree>();

  constructor(client: Client, folder: string, progress: Progress) {
    this.#client = client;
    this.#folder = folder;
    this.#progress = progress;
  }

  /** @param into below the bundle's folder; null = the list alone */
  async write(hash: string, into: string | null): Promise<BundleTree> {
    const before = this.#done.get(hash);
    // The same content twice is in one folder.
    if (before && (before.folder !== null || into === null)) return before;
    const list = await this.#list(hash);
    const written = await this.#writeTree(hash, list?.tree, list?.isHere ? into : null);
    this.#done.set(hash, written);
    return written;
  }

  async #writeTree(hash: string, tree: Tree | undefined, into: string | null): Promise<BundleTree> {
    if (tree === undefined) return { hash, files: 0, bytes: 0, folder: null };
    const bytes = tree.reduce((sum, { size }) => sum + size, 0);
    if (into !== null) await this.#checkout(tree, into);
    return { hash, files: tree.length, bytes, folder: into };
  }

  async #list(hash: string): Promise<{ tree: Tree; isHere: boolean } | undefined> {
    let list: string;
    try {
      list = await text(await this.#client.getBlob(hash));
    } catch (error) {
      if (!(error instanceof RemoteError) || error.status !== 404) throw error;
      if (!this.unreadable.includes(hash)) this.unreadable.push(hash);
      return undefined;
    }
    await mkdir(join(this.#folder, "trees"), { recursive: true });
    await writeFile(join(this.#folder, "trees", `${hash}.json`), list);
    const value = JSON.parse(list) as Tree | { readonly files: Tree };
    // Of data that lies elsewhere the server knows sizes and hashes, and has nothing more.
    return Array.isArray(value)
      ? { tree: value, isHere: true }
      : { tree: value.files, isHere: false };
  }

  async #checkout(tree: Tree, into: string): Promise<void> {
    const { checkoutTree, CheckoutError } = await import("../../store/snapshot.ts");
    let files = 0;
    try {
      await checkoutTree(tree, join(this.#folder, into), async (blob) => {
        this.#progress.detail(`${into}: file ${++files} of ${plural(tree.length, "file")}`);
        return { stream: await this.#client.getBlob(blob) };
      });
    } catch (error) {
      if (!(error instanceof CheckoutError)) throw error;
      if (error.code === "failed" && error.cause instanceof Error && "toProblem" in error.cause)
        throw error.cause;
      throw new CliError(error.code, error.message.replace(/^checkout_\w+: /, ""), {
        hint: "Nothing was left behind. Run the command again.",
        cause: error,
      });
    }
  }
}
