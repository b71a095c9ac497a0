/** All experiments, the newest first: paged by the server, live by push. */
import { SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { type InfiniteData, useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback, useEffect, useState } from "react";
import { duration, measured } from "../../../src/cli/figures.ts";
import type { Experiment } from "../../../src/protocol/api.ts";
import type { Page } from "../../../src/sdk/client.ts";
import { client } from "../../live/client.ts";
import { onExperiments } from "../../live/experiments.ts";
import { queries } from "../../live/queries.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Progress } from "../../parts/facts.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";

const STATES = ["all", "active", "paused", "completed", "canceled", "error"] as const;
const PAGE_ROWS = 100;
const COMMAND = { all: "", state: " --state " };

const readView = (raw: RawView) => ({ state: choice(raw.state, STATES), label: raw.label ?? "" });

const columns: readonly Column<Experiment>[] = [
  { id: "id", head: "id", width: "56px", align: "right", pinned: true, cell: ({ id }) => id },
  {
    id: "name",
    head: "name",
    width: "minmax(150px, 2fr)",
    pinned: true,
    cell: ({ id, name, labels }) => (
      <>
        <Link to="/experiments/$id" params={{ id: String(id) }} className="row-link">
          <Inert>{name}</Inert>
        </Link>
        {labels.map((label) => (
          <span key={label} className="label">
            <Inert>{label}</Inert>
          </span>
        ))}
      </>
    ),
  },
  {
    id: "state",
    head: "state",
    width: "118px",
    cell: ({ state }) => <StateBadge state={state} />,
  },
  {
    id: "progress",
    head: "progress",
    width: "116px",
    cell: ({ progress, id }) => (
      <Progress value={progress} label={`Progress of experiment ${id}`} />
    ),
  },
  {
    id: "trials",
    head: "trials",
    width: "84px",
    align: "right",
    cell: ({ trials, plan }) => `${trials.total}/${plan.trials_max}`,
  },
  {
    id: "best",
    head: "best",
    width: "minmax(110px, 1fr)",
    cell: ({ best, searcher }) =>
      best === null ? (
        <span className="dim">–</span>
      ) : (
        <>
          {measured(best.objective)}{" "}
          <span className="dim">
            <Inert>{searcher.metric}</Inert>
          </span>
        </>
      ),
  },
  {
    id: "searcher",
    head: "searcher",
    width: "minmax(90px, 1fr)",
    wideOnly: true,
    cell: ({ searcher }) => searcher.name,
  },
  {
    id: "owner",
    head: "owner",
    width: "minmax(70px, 1fr)",
    wideOnly: true,
    cell: ({ owner }) => <Inert>{owner}</Inert>,
  },
  {
    id: "took",
    head: "took",
    width: "88px",
    align: "right",
    wideOnly: true,
    cell: ({ spent }) => (spent.seconds > 0 ? duration(spent.seconds) : "–"),
  },
  {
    id: "created",
    head: "created",
    width: "96px",
    align: "right",
    cell: ({ created_at }) => <Ago time={created_at} />,
  },
];

export default function ExperimentsPage() {
  const [view, change] = useViewState(readView);
  const [label, setLabel] = useState(view.label);
  const later = useDebouncedCallback((text: string) => change({ label: text || undefined }), 300);
  const state = view.state === "all" ? undefined : view.state;
  const key = ["experiments", "list", state ?? "", view.label];
  const list = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) =>
      client.experiments({
        state,
        label: view.label || undefined,
        cursor: pageParam,
        limit: PAGE_ROWS,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  useLiveRows(key, state);
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const filters = `${state ? `${COMMAND.state}${state}` : ""}${view.label ? ` --label '${view.label.replaceAll("'", "'\\''")}'` : ""}`;
  return (
    <>
      <header className="page-head">
        <h1>Experiments</h1>
      </header>
      <div className="filters">
        <SegmentedControl
          size="xs"
          aria-label="State"
          data={[...STATES]}
          value={view.state}
          onChange={(value) => change({ state: value === "all" ? undefined : value })}
        />
        <TextInput
          size="xs"
          aria-label="Label"
          placeholder="Label"
          value={label}
          onChange={(event) => {
            setLabel(event.currentTarget.value);
            later(event.currentTarget.value.trim());
          }}
        />
      </div>
      {list.isPending ? (
        <Loading what="Asking for the experiments" />
      ) : list.isError && rows.length === 0 ? (
        <Failed error={list.error} again={() => void list.refetch()} />
      ) : rows.length === 0 ? (
        <Nothing filtered={state !== undefined || view.label !== ""} />
      ) : (
        <DataTable
          label="Experiments"
          rows={rows}
          columns={columns}
          rowKey={({ id }) => String(id)}
          onEnd={onEnd}
          rowsShownMax={40}
        />
      )}
      <footer className="page-foot">
        <CommandLine command={`contrail experiment list${filters}`} />
        <span className="dim">
          {rows.length} shown{hasNextPage ? ", more below" : ""}
        </span>
      </footer>
    </>
  );
}

function Nothing({ filtered }: { readonly filtered: boolean }) {
  if (filtered) return <Empty title="No experiment matches">Choose another state or label.</Empty>;
  return (
    <Empty title="There are no experiments yet">
      <p>Submit a configuration, with the folder that holds the code:</p>
      <CommandLine command="contrail experiment create config.yaml ." />
    </Empty>
  );
}

type Pages = InfiniteData<Page<Experiment>, string | undefined>;

/** Puts what changed into the rows that are there; a new or a leaving one asks for the list again. */
function useLiveRows(key: readonly string[], state: string | undefined): void {
  const id = key.join("\n");
  useEffect(() => {
    const queryKey = id.split("\n");
    return onExperiments((changed) => {
      const news = new Map(changed.map((experiment) => [experiment.id, experiment]));
      let again = false;
      queries.setQueryData<Pages>(queryKey, (data) => {
        if (!data) return data;
        const pages = data.pages.map((page) => ({
          ...page,
          items: page.items.map((row) => {
            const now = news.get(row.id);
            if (now) news.delete(row.id);
            if (now && state !== undefined && now.state !== state) again = true;
            return now ?? row;
          }),
        }));
        const newest = pages[0]?.items[0]?.id ?? 0;
        for (const row of news.values())
          if (row.id > newest || (state !== undefined && row.state === state)) again = true;
        return { ...data, pages };
      });
      if (again) void queries.invalidateQueries({ queryKey });
    });
  }, [id, state]);
}
