/** Dataset versions as people name them, and their lists of files. */
import { createHash } from "node:crypto";
import type { ComparedFile } from "../../../analysis/dataset-diff.ts";
import type { Dataset } from "../../../protocol/api.ts";
import type { DataReference, Tree } from "../../../protocol/runner-wire.ts";
import type { Client, DatasetName } from "../../../sdk/client.ts";
import { CliError, usageError } from "../../exit-code.ts";

/** As the server has it. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/;

export function checkedName(name: string): string {
  if (NAME.test(name)) return name;
  throw usageError(
    `"${name}" cannot be the name of a dataset: it is 1 to 128 small letters, digits, dots, hyphens and underscores, and begins with a letter or digit.`,
    `Call it, for example, ${suggested(name)}.`,
  );
}

const suggested = (name: string): string => {
  const close = name.toLowerCase().replace(/[^a-z0-9._-]+/g, "-");
  return (
    close
      .replace(/^[^a-z0-9]+/, "")
      .slice(0, 128)
      .replace(/-+$/, "") || "my-data"
  );
};

/** `digits`, `digits@3` or `digits@latest`. */
export function datasetName(text: string): DatasetName {
  const [, name, version = "latest"] = /^([^@]+)(?:@(latest|[1-9][0-9]{0,9}))?$/.exec(text) ?? [];
  if (name !== undefined && NAME.test(name))
    return { name, version: version === "latest" ? "latest" : Number(version) };
  throw usageError(
    `"${text}" does not name a version of a dataset.`,
    "Write NAME@VERSION such as digits@3, or NAME alone for its latest version.",
  );
}

/** With its number, where only that one can be meant. */
export function exactName(text: string): DatasetName & { readonly version: number } {
  const { name, version } = datasetName(text);
  if (version !== "latest") return { name, version };
  throw usageError(
    `"${text}" leaves open which version is meant.`,
    `Write ${name}@VERSION; \`contrail data list ${name}\` shows them.`,
  );
}

export const referenceOf = ({ name, version }: Pick<Dataset, "name" | "version">): string =>
  `${name}@${version}`;

/** The list of files of a version that is stored. */
export const treeOf = async (client: Client, dataset: Dataset): Promise<Tree> =>
  (await listOf(client, dataset)) as Tree;

/** Its files, wherever they are. */
export async function filesOf(client: Client, dataset: Dataset): Promise<ComparedFile[]> {
  if (dataset.kind === "stored")
    return (await treeOf(client, dataset)).map(({ path, size, hash }) => ({
      path,
      size,
      content: hash,
    }));
  const { files } = (await listOf(client, dataset)) as DataReference;
  return files.map(({ path, size, hash, etag }) => ({ path, size, content: hash ?? etag }));
}

/** The blob that a version's snapshot names, compared with that name. */
async function listOf(client: Client, dataset: Dataset): Promise<unknown> {
  if (dataset.removed !== null)
    throw new CliError(
      "deleted",
      `${referenceOf(dataset)} was removed by ${dataset.removed.by} at ${dataset.removed.at}.`,
      { hint: `See what there is: contrail data list ${dataset.name}` },
    );
  const bytes = Buffer.from(await new Response(await client.getBlob(dataset.snapshot)).bytes());
  if (createHash("sha256").update(bytes).digest("hex") === dataset.snapshot)
    return JSON.parse(bytes.toString("utf8"));
  throw new CliError(
    "damaged_blob",
    `The list of files of ${referenceOf(dataset)} is not what its hash ${dataset.snapshot} says.`,
    { hint: "Run the command again; if it stays, the server's copy is damaged." },
  );
}
