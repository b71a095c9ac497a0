/** `contrail data checkout` and `data verify`. */
import type { DatasetDifference } from "../../../protocol/api.ts";
import type { Cli } from "../../cli.ts";
import { download, requireEmpty } from "../../download.ts";
import { CliError, EXIT } from "../../exit-code.ts";
import { bytes, count, plural } from "../../figures.ts";
import { inert } from "../../inert.ts";
import { namedPath } from "../../user-file.ts";
import { datasetName, referenceOf, treeOf } from "./names.ts";

export async function checkout(cli: Cli, text: string, dir: string): Promise<number> {
  const folder = namedPath(cli.host.cwd, dir, "The name of the folder");
  // Said before anything is fetched.
  requireEmpty(folder);
  const client = cli.client();
  const dataset = await client.dataset(datasetName(text));
  const name = referenceOf(dataset);
  if (dataset.kind !== "stored")
    throw new CliError("conflict", `${name} is kept by reference: it lies in ${dataset.place}.`, {
      hint: "Read it there.",
    });
  const tree = await treeOf(client, dataset);
  await cli.during(`checking out ${name}`, (progress) =>
    download(client, { tree, bytes: dataset.bytes }, folder, progress),
  );
  cli.show({ ...dataset, folder }, () => [
    `${name}: ${plural(tree.length, "file")}, ${bytes(dataset.bytes)} in ${folder}`,
  ]);
  cli.next(`data show ${name}`);
  return EXIT.ok;
}

export async function verify(
  cli: Cli,
  text: string,
  options: { readonly quick?: boolean },
): Promise<number> {
  const client = cli.client();
  const dataset = await client.dataset(datasetName(text));
  const name = referenceOf(dataset);
  const differences: DatasetDifference[] = [];
  const full = options.quick !== true;
  let files = 0;
  let read = 0;
  await cli.during(`verifying ${name}`, async (progress) => {
    let after: number | null = 0;
    while (after !== null) {
      const reply = await client.verifyDataset(dataset, { after, full });
      files += reply.files;
      read += reply.bytes;
      differences.push(...reply.differences);
      after = reply.next;
      progress.detail(
        `${count(files)} of ${plural(dataset.files, "file")}, ${bytes(read)} of ${bytes(dataset.bytes)}`,
      );
    }
  });
  const intact = differences.length === 0;
  cli.show({ dataset: name, intact, full, files, bytes: read, differences }, () => [
    ...differences.map(({ path, code, message }) => `${code}  ${inert(path)}: ${inert(message)}`),
    intact
      ? `${name} is what it was: ${plural(files, "file")}, ${full ? `${bytes(read)} read` : "by size and time"}`
      : `${name} is not what it was: ${plural(differences.length, "difference")}`,
  ]);
  cli.next(`data show ${name}`);
  return intact ? EXIT.ok : EXIT.failed;
}
