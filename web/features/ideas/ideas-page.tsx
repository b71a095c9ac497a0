/**
 * All runs as a tree of what was made from what, by ancestry where somebody recorded it and by likeness where nobody did;
 * and the threads in it that people found to matter afterwards.
 */
import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { asideOf, type IdeaRow, ideaTree, originText } from "../../../src/analysis/ideas.ts";
import { count, measured, plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Idea, Ideas } from "../../../src/protocol/api.ts";
import { parseFilter } from "../../../src/protocol/experiment-filter/parse.ts";
import { client } from "../../live/client.ts";
import { usePaced } from "../../live/paced.ts";
import { queries } from "../../live/queries.ts";
import { type Action, Actions } from "../../parts/actions.tsx";
import { CommandLine, quoted } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { FilterBox } from "../../parts/filter-box.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import "./ideas.css";
import { MarkDialog } from "./mark-dialog.tsx";
import { Threads } from "./threads.tsx";

const SHOWN = 300;
const SHOWN_MAX = 1000;
/** Experiments in one request to archive. */
const AT_ONCE = 100;

const readView = (raw: RawView) => ({
  filter: raw.filter ?? "",
  limit: raw.limit === String(SHOWN_MAX) ? SHOWN_MAX : SHOWN,
  thread: /^[1-9]\d{0,8}$/.test(raw.thread ?? "") ? Number(raw.thread) : undefined,
});

export default function IdeasPage() {
  const [{ filter, limit, thread }, change] = useViewState(readView);
  const isReadable = useMemo(() => parseFilter(filter).ok, [filter]);
  const asked = usePaced({
    key: ["ideas", filter, limit],
    isOver: false,
    ask: () => client.ideas({ ...(filter === "" ? {} : { filter }), limit }),
    enabled: isReadable,
  });
  const ideas = asked.data?.value;
  const words = filter === "" ? "" : ` ${quoted(filter)}`;
  const option = limit === SHOWN ? "" : ` --limit ${limit}`;
  return (
    <>
      <header className="page-head">
        <div className="page-title">
          <h1>Ideas</h1>
          <span className="dim">
            runs, each below what it was made from, or else below what it is most alike
          </span>
        </div>
        {ideas ? <Actions actions={putAside(ideas, `${words}${option}`)} /> : null}
      </header>
      <FilterBox
        value={filter}
        onChange={(text) => change({ filter: text || undefined }, { push: true })}
      />
      {!isReadable ? (
        <Empty title="The filter cannot be read">What is wrong with it stands above.</Empty>
      ) : ideas === undefined ? (
        asked.isPending ? (
          <Loading what="Asking for the tree" />
        ) : (
          <Failed error={asked.error} again={() => void asked.refetch()} />
        )
      ) : ideas.items.length === 0 ? (
        <Empty title={filter === "" ? "There are no experiments yet" : "No experiment matches"}>
          {filter === "" ? (
            <CommandLine command="contrail experiment create config.yaml ." />
          ) : (
            "Change the filter, or show all."
          )}
        </Empty>
      ) : (
        <Tree
          ideas={ideas}
          thread={thread}
          onThread={(id) => change({ thread: id?.toString() }, { push: true })}
        />
      )}
      <footer className="page-foot">
        <CommandLine command={`contrail ideas${words}${option}`} />
        {ideas === undefined ? null : (
          <span className="dim" role="status">
            {ideas.total > ideas.items.length
              ? `the newest ${count(ideas.items.length)} of ${plural(ideas.total, "run")}`
              : plural(ideas.total, "run")}{" "}
            {ideas.total > ideas.items.length && limit === SHOWN ? (
              <Button
                size="compact-xs"
                variant="default"
                onClick={() => change({ limit: String(SHOWN_MAX) }, { push: true })}
              >
                Show {count(Math.min(SHOWN_MAX, ideas.total))}
              </Button>
            ) : null}
          </span>
        )}
      </footer>
    </>
  );
}

const again = (): Promise<void> => queries.invalidateQueries({ queryKey: ["ideas"] });

function Tree(props: {
  readonly ideas: Ideas;
  readonly thread: number | undefined;
  readonly onThread: (id: number | undefined) => void;
}) {
  const { ideas, thread, onThread } = props;
  const [marked, setMarked] = useState<Idea>();
  const chosen = ideas.threads.find(({ id }) => id === thread);
  const rows = useMemo(() => {
    const onIt = ({ threads }: Idea): boolean =>
      chosen === undefined || threads.includes(chosen.id);
    return ideaTree(ideas.items.filter(onIt));
  }, [ideas, chosen]);
  const columns = useMemo(
    () => columnsOf(new Map(ideas.threads.map(({ id, name }) => [id, name])), setMarked),
    [ideas],
  );
  return (
    <>
      {ideas.threads.length === 0 ? null : (
        <Threads threads={ideas.threads} chosen={chosen?.id} onChoose={onThread} again={again} />
      )}
      <DataTable
        label="Ideas"
        rows={rows}
        columns={columns}
        rowKey={({ idea }) => String(idea.experiment)}
        isMarked={({ idea }) => idea.threads.length > 0}
        rowsShownMax={30}
      />
      {ideas.threads.length === 0 ? (
        <p className="dim">
          No thread is marked. Mark a run that turned out to matter: it and the way that led there
          stand out, and what lies on no thread can be put aside.
        </p>
      ) : null}
      {marked === undefined ? null : (
        <MarkDialog
          idea={marked}
          onClose={() => setMarked(undefined)}
          onMarked={() => {
            setMarked(undefined);
            void again();
          }}
        />
      )}
    </>
  );
}

const columnsOf = (
  names: ReadonlyMap<number, string>,
  onMark: (idea: Idea) => void,
): readonly Column<IdeaRow>[] => [
  {
    id: "run",
    head: "run",
    width: "minmax(240px, 3fr)",
    cell: ({ idea: { experiment, name, threads }, lines }) => (
      <span title={inert(`${experiment} ${name}`)}>
        <span className="idea-lines" aria-hidden="true">
          {lines}
        </span>
        <Link to={`/experiments/${experiment}` as string} className="row-link">
          {experiment} <Inert>{name}</Inert>
        </Link>
        {threads.map((id) => (
          <span key={id} className="label">
            ★ <Inert>{names.get(id) ?? String(id)}</Inert>
          </span>
        ))}
      </span>
    ),
  },
  {
    id: "state",
    head: "state",
    width: "108px",
    cell: ({ idea }) => <StateBadge state={idea.state} />,
  },
  {
    id: "best",
    head: "best",
    width: "minmax(110px, 1fr)",
    cell: ({ idea: { best, metric } }) =>
      best === null ? (
        <span className="dim">–</span>
      ) : (
        <>
          {measured(best)}{" "}
          <span className="dim">
            <Inert>{metric ?? ""}</Inert>
          </span>
        </>
      ),
  },
  {
    id: "origin",
    head: "how it came about",
    width: "minmax(220px, 3fr)",
    cell: ({ idea }) => <Origin idea={idea} />,
  },
  {
    id: "owner",
    head: "owner",
    width: "minmax(70px, 1fr)",
    wideOnly: true,
    cell: ({ idea: { owner } }) => <Inert>{owner}</Inert>,
  },
  {
    id: "created",
    head: "created",
    width: "104px",
    align: "right",
    wideOnly: true,
    cell: ({ idea }) => <Ago time={idea.created_at} />,
  },
  {
    id: "mark",
    head: "",
    width: "72px",
    align: "right",
    cell: ({ idea }) => (
      <button
        type="button"
        className="plain-link"
        aria-label={`Mark experiment ${idea.experiment}`}
        onClick={() => onMark(idea)}
      >
        mark
      </button>
    ),
  },
];

function Origin({ idea }: { readonly idea: Idea }) {
  const text = originText(idea);
  const archived = idea.archived ? "archived" : undefined;
  if (text === undefined) return <span className="dim">{archived ?? "an idea of its own"}</span>;
  const words = archived === undefined ? text : `${text}; ${archived}`;
  const all = idea.changed?.settings.join("\n") ?? "";
  return (
    <span title={inert(all || words)} className={idea.by === "likeness" ? "dim" : undefined}>
      <Inert>{words}</Inert>
    </span>
  );
}

/** Offered once something is marked: without, everything would lie aside. */
function putAside(ideas: Ideas, query: string): Action[] {
  const ids = asideOf(ideas);
  if (ideas.threads.length === 0 || ids.length === 0) return [];
  return [
    {
      label: `Put ${count(ids.length)} aside`,
      meaning: `Ended and on no thread: ${ids.join(", ")}. They are archived, which leaves them out of the usual lists and deletes nothing.`,
      command: `contrail ideas prune${query} --apply`,
      run: async () => {
        const refused: string[] = [];
        for (let at = 0; at < ids.length; at += AT_ONCE) {
          const { items } = await client.actOnExperiments("archive", ids.slice(at, at + AT_ONCE));
          refused.push(...items.flatMap(({ problem }) => problem?.detail ?? []));
        }
        await again();
        if (refused.length > 0) throw new Error(refused.join(" "));
      },
    },
  ];
}
