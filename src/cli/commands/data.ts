/** `contrail data add|list`: dataset versions, named by their content. */
import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import type { CreateDatasetReply } from "../../protocol/api.ts";
import type { Client } from "../../sdk/client.ts";
import type { Cli } from "../cli.ts";
import { EXIT, usageError } from "../exit-code.ts";
import { shortHash } from "../experiment-view.ts";
import { ago, bytes, count, plural } from "../figures.ts";
import { gather, type ListOptions, limitOf } from "../listing.ts";
import type { Progress } from "../progress.ts";
import { table } from "../table.ts";
import { scan, upload } from "../upload.ts";

/** Data is what it is: nothing is ignored, and it may be large. */
const DATA_LIMITS = { bytesMax: 1024 ** 4, filesMax: 100_000 };

export async function add(cli: Cli, name: string, path: string): Promise<number> {
  if (!DATASET_NAME.test(name))
    throw usageError(
      `"${name}" cannot be the name of a dataset: it is 1 to 128 small letters, digits, dots, hyphens and underscores, and begins with a letter or digit.`,
      `Call it, for example, ${suggested(name)}.`,
    );
  const client = cli.client();
  const full = resolve(cli.host.cwd, path);
  const dataset = await cli.during(`adding ${name}`, (progress) =>
    addDataset(client, name, full, progress),
  );
  cli.show(dataset, () => [
    `${dataset.name}@${dataset.version}  ${plural(dataset.files, "file")}, ${bytes(dataset.bytes)}, ` +
      `snapshot ${shortHash(dataset.snapshot)}${dataset.created ? "" : " (this very content was there already)"}`,
  ]);
  cli.next("data list");
  return EXIT.ok;
}

/** As the server has it. */
const DATASET_NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/;

const suggested = (name: string): string => {
  const close = name.toLowerCase().replace(/[^a-z0-9._-]+/g, "-");
  return (
    close
      .replace(/^[^a-z0-9]+/, "")
      .slice(0, 128)
      .replace(/-+$/, "") || "my-data"
  );
};

/** Registers a folder, or one file as a folder with that file in it. */
export async function addDataset(
  client: Client,
  name: string,
  path: string,
  progress: Progress,
): Promise<CreateDatasetReply> {
  const isFile = (await stat(path)).isFile();
  progress.detail(`reading ${path}`);
  const options = { ignoreFile: null, ignore: [], limits: DATA_LIMITS };
  // One file: everything beside it is ignored, then it alone is taken back.
  const one = { ...options, ignore: ["/*", `!/${globWord(basename(path))}`] };
  const folder = isFile ? await scan(dirname(path), one) : await scan(path, options);
  await upload(client, folder, progress);
  return await client.createDataset({ name, tree: folder.tree });
}

const globWord = (name: string): string => name.replace(/[\\*?[\]!#]/g, (char) => `\\${char}`);

export async function list(cli: Cli, options: ListOptions): Promise<number> {
  const client = cli.client();
  const page = await gather((query) => client.datasets(query), limitOf(options));
  const nowMs = cli.host.clock.nowMs();
  cli.show(page, () =>
    page.items.length === 0
      ? ["No datasets yet."]
      : table(
          [
            { head: "dataset", flexible: true },
            { head: "files", align: "right" },
            { head: "size", align: "right" },
            { head: "created" },
            { head: "snapshot" },
          ],
          page.items.map((item) => [
            `${item.name}@${item.version}`,
            count(item.files),
            bytes(item.bytes),
            ago(item.created_at, nowMs),
            shortHash(item.snapshot),
          ]),
          { width: cli.width, headPaint: cli.paint.dim },
        ),
  );
  cli.next("data add NAME PATH");
  return EXIT.ok;
}
