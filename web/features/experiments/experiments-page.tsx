/** All experiments: filtered, sorted and paged by the server, live by push; the whole view is in the address. */
import { Button, Checkbox, Popover, SegmentedControl } from "@mantine/core";
import { type InfiniteData, useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useState } from "react";
import type { Experiment } from "../../../src/protocol/api.ts";
import { SORT_WORDS } from "../../../src/protocol/experiment-filter/fields.ts";
import { parseFilter } from "../../../src/protocol/experiment-filter/parse.ts";
import type { Page } from "../../../src/sdk/client.ts";
import { client } from "../../live/client.ts";
import { onExperiments } from "../../live/experiments.ts";
import { newsOfPages, PAGES_LIVE_MAX, untilAnswered } from "../../live/news.ts";
import { queries } from "../../live/queries.ts";
import { renewal } from "../../live/renewal.ts";
import { CommandLine, quoted } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { FilterBox } from "../../parts/filter-box.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import { BulkActions, type Shown } from "./bulk.tsx";
import { ALWAYS, COLUMNS, SHOWN_AT_FIRST, shownColumns } from "./columns.tsx";
import "./experiments.css";

const PAGE_ROWS = 200;
const NEWEST_FIRST = "-id";
const SHOWN: readonly Shown[] = ["current", "archived", "deleted"];

const readView = (raw: RawView) => {
  const sort = raw.sort ?? NEWEST_FIRST;
  const isSort = (SORT_WORDS as readonly string[]).includes(sort.replace(/^-/, ""));
  return {
    filter: raw.filter ?? "",
    show: choice(raw.show, SHOWN),
    sort: isSort ? sort : NEWEST_FIRST,
    columns: shownColumns(raw.columns),
  };
};

export default function ExperimentsPage() {
  const [view, change] = useViewState(readView);
  const { filter, sort, show } = view;
  const isReadable = useMemo(() => parseFilter(filter).ok, [filter]);
  const key = useMemo(() => ["experiments", "list", filter, sort, show], [filter, sort, show]);
  const list = useInfiniteQuery({
    queryKey: key,
    enabled: isReadable,
    queryFn: ({ pageParam }) =>
      client.experiments({
        filter: filter === "" ? undefined : filter,
        show,
        sort,
        cursor: pageParam,
        limit: PAGE_ROWS,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchOnWindowFocus: false,
    // Of the usual list its stream tells all. Who fits a filter by now, who is ahead, and what is not restorable any more
    // only the server knows.
    refetchInterval:
      filter === "" && sort === NEWEST_FIRST && show === "current" ? untilAnswered : newsOfPages,
  });
  const { hasNews, showNews } = useLiveRows(key);
  // A row that moved between two pages while they were read is shown once.
  const rows = useMemo(() => {
    const byId = new Map<number, Experiment>();
    for (const page of list.data?.pages ?? [])
      for (const row of page.items) if (!byId.has(row.id)) byId.set(row.id, row);
    return [...byId.values()];
  }, [list.data]);
  const selection = useSelection(rows);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const columns = useMemo(
    () => [selection.column, ...COLUMNS.filter(({ id }) => view.columns.includes(id))],
    [selection.column, view.columns],
  );
  const command = `contrail experiment list${filter === "" ? "" : ` --filter ${quoted(filter)}`}${sort === NEWEST_FIRST ? "" : ` --sort ${sort}`}${show === "current" ? "" : ` --${show}`}`;
  return (
    <>
      <header className="page-head">
        <h1>Experiments</h1>
        <Link to={"/create" as string} className="button-link">
          New experiment
        </Link>
      </header>
      <FilterBox
        value={filter}
        onChange={(text) => change({ filter: text || undefined }, { push: true })}
      />
      <div className="table-tools">
        <BulkActions rows={selection.rows} shown={show} onClear={selection.clear} />
        {hasNews ? (
          <Button size="compact-xs" variant="light" onClick={showNews}>
            There are newer ones: show them
          </Button>
        ) : null}
        <SegmentedControl
          size="xs"
          aria-label="Which experiments"
          data={[...SHOWN]}
          value={show}
          onChange={(value) =>
            change({ show: value === "current" ? undefined : value }, { push: true })
          }
        />
        <ColumnChoice
          shown={view.columns}
          onChange={(ids) =>
            change({ columns: ids.join() === SHOWN_AT_FIRST.join() ? undefined : ids.join() })
          }
        />
      </div>
      {!isReadable ? (
        <Empty title="The filter cannot be read">What is wrong with it stands above.</Empty>
      ) : list.isPending ? (
        <Loading what="Asking for the experiments" />
      ) : list.isError && rows.length === 0 ? (
        <Failed error={list.error} again={() => void list.refetch()} />
      ) : rows.length === 0 ? (
        <Nothing filtered={filter !== "" || show !== "current"} />
      ) : (
        <DataTable
          label="Experiments"
          rows={rows}
          columns={columns}
          rowKey={({ id }) => String(id)}
          isMarked={({ id }) => selection.has(id)}
          sorting={{ column: sort.replace(/^-/, ""), descending: sort.startsWith("-") }}
          onSort={({ column, descending }) => {
            const next = `${descending ? "-" : ""}${column}`;
            change({ sort: next === NEWEST_FIRST ? undefined : next }, { push: true });
          }}
          onEnd={onEnd}
          rowsShownMax={40}
        />
      )}
      <footer className="page-foot">
        <CommandLine command={command} />
        <span className="dim" role="status">
          {rows.length} shown{hasNextPage ? ", more below" : ""}
        </span>
      </footer>
    </>
  );
}

function Nothing({ filtered }: { readonly filtered: boolean }) {
  if (filtered) return <Empty title="No experiment matches">Change the filter, or show all.</Empty>;
  return (
    <Empty title="There are no experiments yet">
      <p>Write one here (New experiment), or submit a configuration with the folder of its code:</p>
      <CommandLine command="contrail experiment create config.yaml ." />
    </Empty>
  );
}

/** Which rows are chosen. What is no longer among the rows is not chosen any more: nothing unseen is ever acted on. */
function useSelection(rows: readonly Experiment[]) {
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const selected = useMemo(() => rows.filter(({ id }) => chosen.has(id)), [rows, chosen]);
  const shown = useMemo(() => new Set(selected.map(({ id }) => id)), [selected]);
  const column = useMemo((): Column<Experiment> => {
    const all = rows.length > 0 && shown.size === rows.length;
    return {
      id: "chosen",
      width: "34px",
      pinned: true,
      head: (
        <input
          type="checkbox"
          aria-label={`Select the ${rows.length} that are shown`}
          checked={all}
          onChange={() => setChosen(all ? new Set() : new Set(rows.map(({ id }) => id)))}
        />
      ),
      cell: ({ id }) => (
        <input
          type="checkbox"
          aria-label={`Select experiment ${id}`}
          checked={shown.has(id)}
          onChange={() =>
            setChosen((before) => {
              const next = new Set(before);
              if (!next.delete(id)) next.add(id);
              return next;
            })
          }
        />
      ),
    };
  }, [rows, shown]);
  const clear = useCallback(() => setChosen(new Set()), []);
  return { rows: selected, column, clear, has: (id: number) => shown.has(id) };
}

function ColumnChoice({
  shown,
  onChange,
}: {
  readonly shown: readonly string[];
  readonly onChange: (ids: readonly string[]) => void;
}) {
  return (
    <Popover position="bottom-end" shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <Button size="compact-xs" variant="default">
          Columns
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <div className="column-choice">
          {COLUMNS.map(({ id }) => (
            <Checkbox
              key={id}
              size="xs"
              label={id}
              checked={shown.includes(id)}
              disabled={(ALWAYS as readonly string[]).includes(id)}
              onChange={() => {
                const wanted = new Set(shown);
                if (!wanted.delete(id)) wanted.add(id);
                onChange(COLUMNS.map((column) => column.id).filter((one) => wanted.has(one)));
              }}
            />
          ))}
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

/** In which of the three lists it is, and what filters ask of it most. */
const placeOf = ({ state, archived_at, deleted, verdict }: Experiment): string =>
  [state, archived_at !== null, deleted !== null, verdict?.state].join(" ");

type Pages = InfiniteData<Page<Experiment>, string | undefined>;

/** Puts what changed into the rows that are there; one that is not among them may belong there, so the list is asked again. */
function useLiveRows(key: readonly string[]): { hasNews: boolean; showNews: () => void } {
  const [hasNews, setHasNews] = useState(false);
  const showNews = useCallback(() => {
    setHasNews(false);
    void queries.resetQueries({ queryKey: key });
  }, [key]);
  useEffect(() => {
    setHasNews(false);
    const heard = new Map<number, string>();
    const renew = renewal(queries, key);
    return onExperiments((changed) => {
      const news = new Map(changed.map((experiment) => [experiment.id, experiment]));
      let pagesShown = 0;
      let again = false;
      queries.setQueryData<Pages>(key, (data) => {
        if (!data) return data;
        pagesShown = data.pages.length;
        const pages = data.pages.map((page) => ({
          ...page,
          items: page.items.map((row) => {
            const now = news.get(row.id);
            if (now) news.delete(row.id);
            // Whether it still fits the filter, and where it stands now, only the server knows.
            if (now && placeOf(now) !== placeOf(row)) again = true;
            return now ?? row;
          }),
        }));
        // One that is further down changes all the time; only its place can bring it in or out.
        for (const one of news.values()) {
          if (heard.get(one.id) !== placeOf(one)) again = true;
          heard.set(one.id, placeOf(one));
        }
        return { ...data, pages };
      });
      if (!again) return;
      // Each piece of news would read all pages again: with many they are offered.
      if (pagesShown > PAGES_LIVE_MAX) setHasNews(true);
      else renew();
    });
  }, [key]);
  return { hasNews, showNews };
}
