/** What a trial saved: each checkpoint with its files, to be had one by one or as a whole. */
import { Button, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { bytes, count, measured, plural, steps } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Checkpoint } from "../../../src/protocol/api.ts";
import type { TreeEntry } from "../../../src/protocol/runner-wire.ts";
import { client } from "../../live/client.ts";
import { archiveAddress, blobAddress } from "../../live/content.ts";
import { NEWS_MS, untilAnswered } from "../../live/news.ts";
import { usePages } from "../../live/paged.ts";
import { queries } from "../../live/queries.ts";
import { type Action, Actions } from "../../parts/actions.tsx";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Facts } from "../../parts/facts.tsx";
import { DownloadIcon } from "../../parts/icons.tsx";
import { flatten, word } from "../../parts/paths.ts";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import type { TrialPanelProps } from "./use-trial.ts";

const readView = (raw: RawView) => ({
  chosen: /^[0-9a-f]{64}$/.test(raw.checkpoint ?? "") ? raw.checkpoint : undefined,
});

export default function CheckpointsPanel({ live: { id, trial, experiment } }: TrialPanelProps) {
  const [{ chosen }, change] = useViewState(readView);
  const pages = usePages({
    key: ["trial", id, "checkpoints", "pages"],
    stamp: String(trial.checkpoint?.step),
    ask: (query) => client.trialCheckpoints(id, query),
  });
  const rows = useMemo(() => pages.data?.pages.flatMap(({ items }) => items) ?? [], [pages.data]);
  const { unit, searcher } = experiment;
  const columns = useMemo(
    () =>
      checkpointColumns(unit, searcher.metric, (checkpoint) =>
        change({ checkpoint: checkpoint.id }, { push: true }),
      ),
    [unit, searcher.metric, change],
  );
  if (pages.isPending) return <Loading what="Asking for the checkpoints" />;
  if (!pages.data) return <Failed error={pages.error} again={() => void pages.refetch()} />;
  if (rows.length === 0)
    return (
      <Empty title="It has no checkpoints">
        They appear here once its program has saved one, with trial.checkpoint(step, save).
      </Empty>
    );
  const shown = chosen ?? rows[0]?.id;
  return (
    <>
      <DataTable
        label="Checkpoints"
        rows={rows}
        columns={columns}
        rowKey={(row) => `${row.id} ${row.run} ${row.step}`}
        isMarked={(row) => row.id === shown}
        rowsShownMax={10}
        onEnd={() => {
          if (pages.hasNextPage && !pages.isFetchingNextPage) void pages.fetchNextPage();
        }}
      />
      <CommandLine command={`contrail checkpoint list ${id}`} />
      {shown === undefined ? null : (
        <OneCheckpoint
          key={shown}
          id={shown}
          own={rows.find((row) => row.id === shown)}
          unit={unit}
        />
      )}
    </>
  );
}

const checkpointColumns = (
  unit: string,
  metric: string,
  onPick: (checkpoint: Checkpoint) => void,
): readonly Column<Checkpoint>[] => [
  {
    id: "step",
    head: <Inert>{unit}</Inert>,
    width: "84px",
    align: "right",
    cell: (row) => (
      <button
        type="button"
        className="cell-button"
        aria-label={`Files of the checkpoint after ${steps(row.step, unit)}`}
        onClick={() => onPick(row)}
      >
        {count(row.step)}
      </button>
    ),
  },
  {
    id: "objective",
    head: <Inert>{metric}</Inert>,
    width: "minmax(84px, 1fr)",
    align: "right",
    cell: ({ objective }) => measured(objective, 5),
  },
  {
    id: "bytes",
    head: "size",
    width: "minmax(72px, 1fr)",
    align: "right",
    cell: (row) => bytes(row.bytes),
  },
  {
    id: "files",
    head: "files",
    width: "64px",
    align: "right",
    cell: ({ files }) => count(files),
  },
  {
    id: "kept",
    head: "kept",
    width: "116px",
    cell: ({ pinned, deleted }) =>
      deleted !== null ? (
        <span className="dim" title={inert(deleted.why)}>
          given up
        </span>
      ) : pinned ? (
        "pinned"
      ) : (
        "by policy"
      ),
  },
  { id: "run", head: "allocation", width: "92px", align: "right", cell: ({ run }) => run },
  {
    id: "created",
    head: "saved",
    width: "104px",
    align: "right",
    cell: ({ created_at }) => <Ago time={created_at} />,
  },
  {
    id: "id",
    head: "content",
    width: "minmax(120px, 1fr)",
    wideOnly: true,
    cell: ({ id }) => (
      <span className="mono dim" title={id}>
        {id.slice(0, 12)}
      </span>
    ),
  },
];

const FILES: readonly Column<TreeEntry>[] = [
  {
    id: "path",
    head: "file",
    width: "minmax(160px, 3fr)",
    cell: ({ path }) => (
      <span className="mono" title={inert(path)}>
        <Inert>{path}</Inert>
      </span>
    ),
  },
  { id: "size", head: "size", width: "84px", align: "right", cell: ({ size }) => bytes(size) },
  {
    id: "hash",
    head: "SHA-256",
    width: "minmax(120px, 1fr)",
    wideOnly: true,
    cell: ({ hash }) => (
      <span className="mono dim" title={hash}>
        {hash.slice(0, 12)}
      </span>
    ),
  },
  {
    id: "get",
    head: "",
    width: "96px",
    align: "right",
    cell: ({ path, hash }) => (
      <a
        className="link"
        href={blobAddress(hash)}
        download={path.split("/").at(-1)}
        aria-label={`Download ${inert(path)}`}
      >
        Download
      </a>
    ),
  },
];

interface OneCheckpointProps {
  readonly id: string;
  /** As this trial saved it: another one may have saved the same content, and is told of by its address. */
  readonly own: Checkpoint | undefined;
  readonly unit: string;
}

function OneCheckpoint({ id, own, unit }: OneCheckpointProps) {
  const detail = useQuery({
    queryKey: ["checkpoint", id],
    queryFn: () => client.checkpoint(id),
    staleTime: Number.POSITIVE_INFINITY,
    // Whether it is pinned, and still there, its row says where there is one.
    refetchInterval: own === undefined ? NEWS_MS : untilAnswered,
  });
  if (detail.isPending) return <Loading what="Asking for its files" />;
  if (!detail.data) return <Failed error={detail.error} again={() => void detail.refetch()} />;
  const { tree } = detail.data;
  const saved = own ?? detail.data;
  const { metadata, step, trial, deleted } = saved;
  const facts = [...flatten(metadata)].filter(([path]) => path !== "");
  return (
    <section>
      <div className="section-head">
        <h2>
          After {steps(step, unit)}{" "}
          <Link to={`/lineage/checkpoint:${id}` as string} className="plain-link dim">
            what came of it
          </Link>
        </h2>
        {deleted === null ? (
          <Group gap={6}>
            <Actions actions={[pinAction(saved)]} />
            <Button
              component="a"
              size="xs"
              variant="default"
              href={archiveAddress(id)}
              download={`checkpoint-${id.slice(0, 12)}.tar`}
              leftSection={<DownloadIcon />}
            >
              All {plural(tree.length, "file")} (tar)
            </Button>
          </Group>
        ) : null}
      </div>
      {deleted === null ? null : (
        <p className="dim">
          Its files were given up <Ago time={deleted.at} />: <Inert>{deleted.why}</Inert>. What it
          was stays on record.
        </p>
      )}
      {facts.length === 0 ? null : (
        <Facts
          rows={facts.map(([path, value]) => [inert(path), <Inert key="v">{word(value)}</Inert>])}
        />
      )}
      <DataTable
        label="Files"
        rows={tree}
        columns={deleted === null ? FILES : FILES.slice(0, -1)}
        rowKey={({ path }) => path}
      />
      <CommandLine
        command={
          deleted === null
            ? `contrail checkpoint download ${trial}@${step} --to DIR`
            : `contrail checkpoint list ${trial}`
        }
      />
    </section>
  );
}

function pinAction({ id, trial, step, pinned }: Checkpoint): Action {
  const verb = pinned ? "unpin" : "pin";
  return {
    label: pinned ? "Unpin" : "Pin",
    meaning: pinned
      ? "It stays only as long as the policy in the configuration keeps it."
      : "It stays, whatever the policy in the configuration says.",
    command: `contrail checkpoint ${verb} ${trial}@${step}`,
    run: async () => {
      await client.pinCheckpoint(id, !pinned, Number(trial.split(".")[0]));
      await queries.invalidateQueries({ queryKey: ["checkpoint", id] });
      await queries.invalidateQueries({ queryKey: ["trial", trial, "checkpoints"] });
    },
  };
}
