/** The code as it ran: every file of the snapshot, shown inert, by its content and not by any name of it elsewhere. */

import { TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { bytes, count, plural } from "../../../src/cli/figures.ts";
import { inert, inertLines } from "../../../src/cli/inert.ts";
import type { TreeEntry } from "../../../src/protocol/runner-wire.ts";
import { blobAddress, readFileStart, readTree, textOf } from "../../live/content.ts";
import { useExperimentDetail } from "../../live/experiment-detail.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Facts } from "../../parts/facts.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import { gitFacts } from "./git-facts.tsx";
import type { TrialPanelProps } from "./use-trial.ts";

const SHOWN_BYTES_MAX = 512 * 1024;
const LINE_CHARS_MAX = 5_000;
const readView = (raw: RawView) => ({ file: raw.file });

export default function CodePanel({ live: { experiment } }: TrialPanelProps) {
  const { code } = experiment;
  const detail = useExperimentDetail(experiment.id);
  const tree = useQuery({
    queryKey: ["tree", code],
    queryFn: () => readTree(code as string),
    enabled: code !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (code === null)
    return (
      <Empty title="It was submitted without code">
        Its entrypoint is run in an empty folder; the configuration says which.
      </Empty>
    );
  const git = detail.data === undefined ? [] : gitFacts(detail.data.provenance);
  const facts = [
    ["snapshot", <code key="s">{code}</code>] as const,
    ...(git.length > 0 || detail.data === undefined
      ? git
      : [["git", "not submitted from a git repository; the snapshot is what ran"] as const]),
  ];
  return (
    <>
      <Facts rows={facts} />
      {tree.isPending ? (
        <Loading what="Asking for the files" />
      ) : tree.data === undefined ? (
        <Failed error={tree.error} again={() => void tree.refetch()} />
      ) : (
        <Files tree={tree.data} />
      )}
      <CommandLine command={`contrail experiment show ${experiment.id} --json`} />
    </>
  );
}

function Files({ tree }: { readonly tree: readonly TreeEntry[] }) {
  const [{ file }, change] = useViewState(readView);
  const [word, setWord] = useState("");
  const rows = useMemo(
    () => tree.filter(({ path }) => path.toLowerCase().includes(word.toLowerCase())),
    [tree, word],
  );
  const columns = useMemo(
    () => fileColumns((path) => change({ file: path }, { push: true })),
    [change],
  );
  const chosen = tree.find(({ path }) => path === file) ?? readFirst(tree);
  if (tree.length === 0) return <Empty title="The snapshot has no files" />;
  return (
    <div className="code-panes">
      <div className="code-files">
        {tree.length > 12 ? (
          <TextInput
            size="xs"
            type="search"
            aria-label="File"
            placeholder={`one of ${count(tree.length)} files`}
            value={word}
            onChange={(event) => setWord(event.currentTarget.value)}
          />
        ) : null}
        <DataTable
          label="Files of the snapshot"
          rows={rows}
          columns={columns}
          rowKey={({ path }) => path}
          isMarked={({ path }) => path === chosen?.path}
          rowsShownMax={20}
        />
      </div>
      {chosen === undefined ? null : <OneFile key={chosen.path} entry={chosen} />}
    </div>
  );
}

/** What one would open first: a program at the top of the folder. */
const readFirst = (tree: readonly TreeEntry[]): TreeEntry | undefined =>
  tree.find(({ path }) => /^[^/]+\.(?:py|ts|js|mjs|sh|jl|r|cpp|cu)$/i.test(path)) ?? tree[0];

const fileColumns = (onPick: (path: string) => void): readonly Column<TreeEntry>[] => [
  {
    id: "path",
    head: "file",
    width: "minmax(120px, 1fr)",
    cell: ({ path, executable }) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      const folder = path.slice(0, path.length - name.length);
      return (
        <button
          type="button"
          className="cell-button mono"
          title={inert(path)}
          onClick={() => onPick(path)}
        >
          <span className="dim">
            <Inert>{folder}</Inert>
          </span>
          <Inert>{name}</Inert>
          {executable ? <span className="dim"> *</span> : null}
        </button>
      );
    },
  },
  { id: "size", head: "size", width: "76px", align: "right", cell: ({ size }) => bytes(size) },
];

function OneFile({ entry }: { readonly entry: TreeEntry }) {
  const file = useQuery({
    queryKey: ["file", entry.hash],
    queryFn: () => readFileStart(entry, SHOWN_BYTES_MAX),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const text = file.data === undefined ? undefined : textOf(file.data);
  const lines = useMemo(
    () =>
      text === undefined
        ? []
        : inertLines(text.endsWith("\n") ? text.slice(0, -1) : text).map((line) =>
            line.length > LINE_CHARS_MAX ? `${line.slice(0, LINE_CHARS_MAX)} …` : line,
          ),
    [text],
  );
  return (
    <section className="file" aria-label={`File ${inert(entry.path)}`}>
      <div className="section-head">
        <h2 className="mono">
          <Inert>{entry.path}</Inert>
        </h2>
        <span className="dim">
          {bytes(entry.size)}
          {text === undefined ? "" : `, ${plural(lines.length, "line")}`}{" "}
          <a
            className="link"
            href={blobAddress(entry.hash)}
            download={entry.path.split("/").at(-1)}
          >
            Download
          </a>
        </span>
      </div>
      {file.isPending ? (
        <Loading what="Asking for the file" />
      ) : file.data === undefined ? (
        <Failed error={file.error} again={() => void file.refetch()} />
      ) : entry.size === 0 ? (
        <Empty title="The file is empty" />
      ) : text === undefined ? (
        <Empty title="This file is no text">{entry.hash}</Empty>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <div className="code numbered" tabIndex={0}>
          <pre aria-hidden="true" className="line-numbers">
            {lines.map((_, i) => i + 1).join("\n")}
          </pre>
          <pre>
            <bdi>{lines.join("\n")}</bdi>
          </pre>
        </div>
      )}
      {entry.size > SHOWN_BYTES_MAX && text !== undefined ? (
        <p className="dim">
          The first {bytes(SHOWN_BYTES_MAX)} of {bytes(entry.size)}; the download has all.
        </p>
      ) : null}
    </section>
  );
}
