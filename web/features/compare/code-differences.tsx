/** Files that are not the same in all the trials, and what differs in each between the first trial and another. */
import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import {
  type FileDifference,
  fileDifferences,
  fileWord,
  firstDiffering,
} from "../../../src/analysis/file-differences.ts";
import { type DiffLine, diffLines, hunksOf } from "../../../src/analysis/line-diff.ts";
import { bytes, count, plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { TreeEntry } from "../../../src/protocol/runner-wire.ts";
import { readFileStart, textOf } from "../../live/content.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import { type Compared, useTrees } from "./use-compared.ts";

/** Of each of two files; beyond, only that they differ is told. */
const DIFFED_BYTES_MAX = 512 * 1024;
const ROWS_SHOWN_MAX = 2_000;
const LINE_CHARS_MAX = 2_000;
const readView = (raw: RawView) => ({ file: raw.file, against: raw.against });

export function CodeDifferences({ compared }: { readonly compared: readonly Compared[] }) {
  const codes = compared.map(({ experiment }) => experiment.code);
  const alike = new Set(codes).size === 1;
  const { trees, error } = useTrees(alike ? [] : codes);
  return (
    <section>
      <h2>Code</h2>
      {alike ? (
        <p className="dim">
          No difference:{" "}
          {codes[0] === null || codes[0] === undefined
            ? "none of them has code."
            : `all ran the snapshot ${codes[0].slice(0, 12)}.`}
        </p>
      ) : trees === undefined ? (
        error ? (
          <Failed error={error} />
        ) : (
          <Loading what="Asking for the files" />
        )
      ) : (
        <Files compared={compared} trees={trees} />
      )}
    </section>
  );
}

function Files({
  compared,
  trees,
}: {
  readonly compared: readonly Compared[];
  readonly trees: readonly (readonly TreeEntry[] | null)[];
}) {
  const [{ file, against }, change] = useViewState(readView);
  const { rows, same } = useMemo(() => fileDifferences(trees), [trees]);
  const ids = compared.map(({ id }) => id);
  const columns = fileColumns(ids, (path) => change({ file: path }, { push: true }));
  const chosen = rows.find(({ path }) => path === file) ?? rows[0];
  // One that differs from the first, unless another one is asked for.
  const differing = chosen && firstDiffering(chosen);
  const asked = ids.indexOf(against ?? "");
  const other = asked > 0 ? asked : Math.max(1, differing ?? 1);
  return (
    <>
      <p className="dim">
        {same === 0 ? "No file is" : same === 1 ? "1 file is" : `${count(same)} files are`} the same
        in all.
      </p>
      <DataTable
        label="Files that differ"
        rows={rows}
        columns={columns}
        rowKey={({ path }) => path}
        isMarked={({ path }) => path === chosen?.path}
        rowsShownMax={10}
      />
      {chosen === undefined ? null : (
        <>
          <div className="section-title">
            <h3 className="mono">
              <Inert>{chosen.path}</Inert>
            </h3>
            <span className="dim">{ids[0]} against</span>
            <Select
              size="xs"
              aria-label="Against"
              data={ids.slice(1)}
              value={ids[other] ?? null}
              onChange={(value) => change({ against: value ?? undefined })}
              allowDeselect={false}
              w={96}
            />
          </div>
          <FileDiff
            key={`${chosen.path} ${other}`}
            before={chosen.entries[0]}
            after={chosen.entries[other]}
          />
        </>
      )}
    </>
  );
}

const fileColumns = (
  ids: readonly string[],
  onPick: (path: string) => void,
): readonly Column<FileDifference>[] => [
  {
    id: "path",
    head: "file",
    width: "minmax(150px, 1.5fr)",
    pinned: true,
    cell: ({ path }) => (
      <button
        type="button"
        className="file-button mono"
        title={inert(path)}
        onClick={() => onPick(path)}
      >
        <Inert>{path}</Inert>
      </button>
    ),
  },
  ...ids.map(
    (id, i): Column<FileDifference> => ({
      id,
      head: id,
      width: "minmax(96px, 1fr)",
      cell: ({ entries }) => {
        const [first, own] = [entries[0], entries[i]];
        if (i === 0) return first === undefined ? "not there" : bytes(first.size);
        const what = fileWord(first, own);
        return <span className={`file-${what.split(" ")[0]}`}>{what}</span>;
      },
    }),
  ),
];

function FileDiff({
  before,
  after,
}: {
  readonly before: TreeEntry | undefined;
  readonly after: TreeEntry | undefined;
}) {
  const tooLarge = [before, after].some((entry) => (entry?.size ?? 0) > DIFFED_BYTES_MAX);
  const texts = useQuery({
    queryKey: ["diff", before?.hash ?? null, after?.hash ?? null],
    queryFn: async () => {
      const read = async (entry: TreeEntry | undefined): Promise<string | undefined> =>
        entry === undefined ? "" : textOf(await readFileStart(entry, DIFFED_BYTES_MAX));
      return await Promise.all([read(before), read(after)]);
    },
    enabled: !tooLarge,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const diff = useMemo(() => {
    const [a, b] = texts.data ?? [];
    return a === undefined || b === undefined ? undefined : diffLines(a, b);
  }, [texts.data]);
  if (tooLarge)
    return (
      <Empty title="The file is too large to be compared line by line">
        {`${bytes(before?.size ?? 0)} and ${bytes(after?.size ?? 0)}; the limit is ${bytes(DIFFED_BYTES_MAX)}.`}
      </Empty>
    );
  if (texts.isPending) return <Loading what="Asking for both files" />;
  if (!texts.data) return <Failed error={texts.error} again={() => void texts.refetch()} />;
  if (diff === undefined) return <Empty title="One of them is no text" />;
  if (diff.removed + diff.added === 0) return <Empty title="The content is the same" />;
  let left = ROWS_SHOWN_MAX;
  return (
    <>
      <p className="dim">
        {plural(diff.added, "line")} added, {count(diff.removed)} removed
        {diff.exact ? "" : "; they differ in so much that the middle is shown as replaced"}.
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section className="code diff" tabIndex={0} aria-label="Lines that differ">
        <div className="diff-lines">
          {hunksOf(diff).map(({ lines, skipped }, i) => {
            const shown = lines.slice(0, Math.max(0, left));
            left -= lines.length;
            return (
              // biome-ignore lint/suspicious/noArrayIndexKey: hunks of two fixed files never move
              <div key={i}>
                {skipped > 0 ? (
                  <div className="diff-skipped">
                    {count(skipped)} {skipped === 1 ? "line" : "lines"} the same
                  </div>
                ) : null}
                {shown.map((line) => (
                  <Line key={`${line.before} ${line.after}`} line={line} />
                ))}
              </div>
            );
          })}
        </div>
      </section>
      {left < 0 ? <p className="dim">{count(-left)} more lines are not shown.</p> : null}
    </>
  );
}

const SIGNS = { same: " ", removed: "−", added: "+" } as const;

function Line({ line: { kind, text, before, after } }: { readonly line: DiffLine }) {
  const cut = text.length > LINE_CHARS_MAX ? `${text.slice(0, LINE_CHARS_MAX)} …` : text;
  return (
    <div className={`diff-line diff-${kind}`}>
      <span className="diff-number">{before ?? ""}</span>
      <span className="diff-number">{after ?? ""}</span>
      <span className="diff-sign">{SIGNS[kind]}</span>
      <bdi>{inert(cut.replace(/\r$/, "").replaceAll("\t", "    "))}</bdi>
    </div>
  );
}
