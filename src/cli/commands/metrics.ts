/** `contrail metrics export`: the points of many trials into a file, as they arrive. */
import { rmSync, statSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, extname } from "node:path";
import { parseId } from "../../base/ids.ts";
import type { PointFormat, PointsQuery } from "../../sdk/client.ts";
import type { Cli } from "../cli.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { bytes } from "../figures.ts";
import { inert } from "../inert.ts";
import { namedPath, requireFolder } from "../user-file.ts";
import { choiceOf, wholeOf } from "../values.ts";

export interface ExportOptions {
  readonly output: string;
  readonly format?: string;
  readonly names?: string;
  readonly from?: string;
  readonly to?: string;
  readonly superseded?: boolean;
  readonly force?: boolean;
}

const FORMATS = ["parquet", "csv", "arrow"] as const;

export async function exportMetrics(
  cli: Cli,
  words: readonly string[],
  options: ExportOptions,
): Promise<number> {
  if (options.output === "-")
    throw usageError("-o names a file, and - is none here.", "Name one, such as metrics.csv.");
  const file = namedPath(cli.host.cwd, options.output, "The name of -o");
  const format = formatOf(file, options.format);
  const query = {
    ...selection(words),
    names: options.names,
    from_step: stepOf("--from", options.from),
    to_step: stepOf("--to", options.to),
    superseded: options.superseded,
  };
  const { from_step: from = 0, to_step: to = Number.POSITIVE_INFINITY } = query;
  if (from > to)
    throw usageError(
      `--from ${from} is after --to ${to}: no step is in between.`,
      "Give the first step and the last one.",
    );
  requireFolder(dirname(file));
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isDirectory())
    throw usageError(
      `${file} is a folder; -o names a file.`,
      "Name one in it, such as points.csv.",
    );
  if (there !== undefined && options.force !== true)
    throw new CliError("file_exists", `${file} is there already.`, {
      hint: "Choose another name, or add --force to write over it.",
    });
  const client = cli.client();
  const { filter } = query;
  const noneFits =
    filter !== undefined && (await client.experiments({ filter, limit: 1 })).items.length === 0;
  const size = await cli.during(`writing ${basename(file)}`, async (progress) =>
    writeWhole(file, await client.exportMetrics(format, query), (written) =>
      progress.detail(bytes(written)),
    ),
  );
  cli.show({ file, format, bytes: size }, () => [`${file}: ${format}, ${bytes(size)}`]);
  if (noneFits) cli.note(`no experiment fits ${inert(filter)}, so there is no point in it`);
  return EXIT.ok;
}

/** Under another name until it is whole. @returns its size */
async function writeWhole(
  file: string,
  stream: AsyncIterable<Uint8Array>,
  told: (bytes: number) => void,
): Promise<number> {
  const part = `${file}.part`;
  let written = 0;
  const out = await open(part, "w");
  const interrupted = (): void => rmSync(part, { force: true });
  process.once("exit", interrupted);
  try {
    for await (const chunk of stream) {
      await out.writeFile(chunk);
      written += chunk.length;
      told(written);
    }
    await out.sync();
    await out.close();
    await rename(part, file);
  } catch (error) {
    await abandon(out, part);
    throw error;
  } finally {
    process.off("exit", interrupted);
  }
  return written;
}

async function abandon(out: FileHandle, part: string): Promise<void> {
  await out.close();
  await rm(part, { force: true });
}

function formatOf(file: string, given: string | undefined): PointFormat {
  if (given !== undefined) return choiceOf("--format", given, FORMATS);
  const ending = extname(file).slice(1).toLowerCase();
  const known = FORMATS.find((format) => format === ending);
  if (known !== undefined) return known;
  throw usageError(
    `${basename(file)} does not say in which format to write.`,
    "Call it .parquet, .csv or .arrow, or add --format.",
  );
}

function selection(words: readonly string[]): Pick<PointsQuery, "ids" | "filter"> {
  if (words.length === 0) return {};
  const ids = words.flatMap((word) => word.split(",")).map((word) => parseId(word));
  if (ids.every((id) => id !== undefined && id.run === undefined)) return { ids: words.join(",") };
  const alone = words.find((word) => parseId(word) !== undefined);
  if (alone !== undefined)
    throw usageError(
      `"${alone}" is an id, and the rest of the query is a filter.`,
      "Write ids alone (3 4.12), or a filter alone, in which id:3,4 names experiments.",
    );
  return { filter: words.join(" ") };
}

const stepOf = (name: string, text: string | undefined): number | undefined =>
  text === undefined ? undefined : wholeOf(name, text, 0, Number.MAX_SAFE_INTEGER);
