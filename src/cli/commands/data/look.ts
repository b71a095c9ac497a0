/** `contrail data show` and `data diff`. */
import {
  type ChangedFigure,
  type DatasetDiff,
  datasetDiff,
} from "../../../analysis/dataset-diff.ts";
import type { DatasetDetail } from "../../../protocol/api.ts";
import type { Cli } from "../../cli.ts";
import { EXIT } from "../../exit-code.ts";
import { shortHash } from "../../experiment-view.ts";
import { bytes, count, measured, moment, plural } from "../../figures.ts";
import { inert } from "../../inert.ts";
import { facts, table } from "../../table.ts";
import { wholeOf } from "../../values.ts";
import { datasetName, filesOf, referenceOf } from "./names.ts";
import { statisticsLines } from "./statistics-view.ts";

/** Of each kind, in the text; --json has all. */
const SHOWN = 20;

export async function show(
  cli: Cli,
  text: string,
  options: { readonly files?: string },
): Promise<number> {
  const client = cli.client();
  const limit = wholeOf("--files", options.files ?? "20", 0, 100_000);
  const dataset = await client.dataset(datasetName(text));
  const files = dataset.removed === null ? await filesOf(client, dataset) : [];
  const name = referenceOf(dataset);
  cli.show({ ...dataset, tree: files }, () => {
    const { paint, width } = cli;
    const shown = files.slice(0, limit);
    return [
      paint.bold(name),
      ...facts(
        [
          [
            "removed",
            dataset.removed ? `${moment(dataset.removed.at)} by ${dataset.removed.by}` : undefined,
          ],
          ["kept", dataset.place === null ? "here" : `by reference: ${dataset.place}`],
          ["size", `${plural(dataset.files, "file")}, ${bytes(dataset.bytes)}`],
          ["content", shortHash(dataset.content)],
          ["snapshot", shortHash(dataset.snapshot)],
          ["added", `${moment(dataset.created_at)} by ${dataset.created_by}`],
          ["used by", usedBy(dataset)],
        ],
        paint.dim,
      ),
      ...statisticsLines(dataset.statistics, { paint, width }),
      ...(shown.length === 0 ? [] : ["", paint.bold("files")]),
      ...table(
        [
          { head: "path", flexible: true },
          { head: "size", align: "right" },
          { head: "content", drop: 1 },
        ],
        shown.map(({ path, size, content }) => [path, bytes(size), shortHash(content ?? "")]),
        { width, headPaint: paint.dim },
      ),
      ...(files.length > shown.length
        ? [paint.dim(`… and ${count(files.length - shown.length)} more: --files N, or --json`)]
        : []),
    ];
  });
  if (dataset.removed === null)
    cli.next(
      ...(dataset.kind === "stored" ? [`data checkout ${name} DIR`] : []),
      `data verify ${name}`,
    );
  return EXIT.ok;
}

function usedBy({ used_by: uses, used_by_total: total }: DatasetDetail): string {
  if (total === 0) return "no experiment";
  const shown = uses
    .slice(0, 10)
    .map(({ experiment, as }) => `${experiment} (as ${as.join(", ")})`);
  const more = total > shown.length ? ` and ${total - shown.length} more` : "";
  return `${plural(total, "experiment")}: ${shown.join(", ")}${more}`;
}

export async function diff(cli: Cli, from: string, to: string): Promise<number> {
  const client = cli.client();
  const [a, b] = await Promise.all([from, to].map((text) => client.dataset(datasetName(text))));
  if (a === undefined || b === undefined) return EXIT.failed;
  const result = await cli.during("comparing", async () =>
    datasetDiff(
      { files: await filesOf(client, a), statistics: a.statistics },
      { files: await filesOf(client, b), statistics: b.statistics },
    ),
  );
  cli.show({ from: referenceOf(a), to: referenceOf(b), ...result }, () => [
    cli.paint.bold(`${referenceOf(a)} → ${referenceOf(b)}`),
    ...diffLines(result, cli),
  ]);
  cli.next(`data show ${referenceOf(b)}`);
  return EXIT.ok;
}

function diffLines(diff: DatasetDiff, { paint, width }: Pick<Cli, "paint" | "width">): string[] {
  const lines = [
    ...some("added", diff.added, ({ path, size }) => `  + ${inert(path)}  ${bytes(size)}`),
    ...some("removed", diff.removed, ({ path, size }) => `  - ${inert(path)}  ${bytes(size)}`),
    ...some("moved", diff.moved, (move) => `  > ${inert(move.from)} → ${inert(move.to)}`),
    ...some(
      "changed",
      diff.changed,
      (file) => `  ~ ${inert(file.path)}  ${bytes(file.from.size)} → ${bytes(file.to.size)}`,
    ),
  ];
  if (lines.length === 0) lines.push(`The same ${plural(diff.same_files, "file")}.`);
  else lines.push(paint.dim(`unchanged: ${plural(diff.same_files, "file")}`));
  if (diff.statistics.length > 0)
    lines.push(
      "",
      paint.bold("statistics"),
      ...table(
        [
          { head: "table", flexible: true },
          { head: "column", flexible: true },
          { head: "figure" },
          { head: "was", align: "right" },
          { head: "is", align: "right" },
        ],
        diff.statistics.map((change) => [
          change.path,
          change.column,
          change.figure,
          figure(change.from),
          figure(change.to),
        ]),
        { width, headPaint: paint.dim },
      ),
    );
  return lines;
}

const figure = (value: ChangedFigure["from"]): string =>
  typeof value === "number" ? measured(value) : value === null ? "-" : String(value);

function some<T>(what: string, items: readonly T[], line: (item: T) => string): string[] {
  if (items.length === 0) return [];
  const more = items.length > SHOWN ? [`  … and ${count(items.length - SHOWN)} more (--json)`] : [];
  return [`${what}: ${plural(items.length, "file")}`, ...items.slice(0, SHOWN).map(line), ...more];
}
