/** The log of changes: who changed what, when and why, the newest first; and whether it is whole. */
import { TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useState } from "react";
import { moment } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { AuditChange } from "../../../src/protocol/api.ts";
import type { AuditQuery } from "../../../src/sdk/client.ts";
import { client } from "../../live/client.ts";
import { onExperiments } from "../../live/experiments.ts";
import { newsOfPages, PAGES_LIVE_MAX } from "../../live/news.ts";
import { queries } from "../../live/queries.ts";
import { renewal } from "../../live/renewal.ts";
import { CommandLine, quoted } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Facts } from "../../parts/facts.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import { Verify } from "./verify.tsx";
import "./audit.css";

const PAGE_ROWS = 200;

interface AuditView {
  readonly actor: string;
  readonly thing: string;
  readonly what: string;
  readonly since: string;
  readonly until: string;
  readonly event: number | undefined;
}

const readView = (raw: RawView): AuditView => ({
  actor: raw.actor ?? "",
  thing: raw.thing ?? "",
  what: raw.what ?? "",
  since: raw.since ?? "",
  until: raw.until ?? "",
  event: /^\d{1,15}$/.test(raw.event ?? "") ? Number(raw.event) : undefined,
});

const THING = /^(?<experiment>[1-9]\d{0,8})(?:\.(?<trial>[1-9]\d{0,8}))?$/;
const DAY = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d)?$/;

/** @returns the query, or what is wrong with the fields */
function queryOf(view: AuditView): AuditQuery | { readonly faults: readonly string[] } {
  const faults: string[] = [];
  const thing = THING.exec(view.thing)?.groups;
  if (view.thing !== "" && !thing)
    faults.push("A thing is an experiment, such as 3, or a trial, such as 3.12.");
  const time = (text: string): string | undefined => {
    if (text === "") return undefined;
    const date = DAY.test(text)
      ? new Date(text.length === 10 ? `${text}T00:00Z` : `${text}Z`)
      : undefined;
    if (date && !Number.isNaN(date.getTime())) return date.toISOString();
    faults.push("A time is written 2026-01-31 or 2026-01-31T12:00, in UTC.");
    return undefined;
  };
  const [since, until] = [time(view.since), time(view.until)];
  if (faults.length > 0) return { faults: [...new Set(faults)] };
  return {
    actor: view.actor || undefined,
    what: view.what || undefined,
    ...(thing?.trial === undefined
      ? { experiment: thing ? Number(thing.experiment) : undefined }
      : { trial: view.thing }),
    ...{ since, until },
  };
}

function commandOf({ actor, thing, what, since, until }: AuditView): string {
  const words = ["contrail audit list"];
  if (thing) words.push(quoted(thing));
  if (actor) words.push("--actor", quoted(actor));
  if (what) words.push("--what", quoted(what));
  if (since) words.push("--since", quoted(since));
  if (until) words.push("--until", quoted(until));
  return words.join(" ");
}

export default function AuditPage() {
  const [view, change] = useViewState(readView);
  const query = useMemo(() => queryOf(view), [view]);
  const faults = "faults" in query ? query.faults : [];
  const { event: _event, ...fields } = view;
  const key = useMemo(() => ["audit", JSON.stringify(query)], [query]);
  const list = useInfiniteQuery({
    queryKey: key,
    enabled: !("faults" in query),
    queryFn: ({ pageParam }) => client.audit({ ...query, cursor: pageParam, limit: PAGE_ROWS }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: newsOfPages,
  });
  const pagesShown = list.data?.pages.length ?? 0;
  useEffect(() => {
    // Who has read far down reads on in peace: news are fetched page by page from the top.
    if (pagesShown > PAGES_LIVE_MAX) return;
    return onExperiments(renewal(queries, key));
  }, [key, pagesShown]);
  const rows = useMemo(() => list.data?.pages.flatMap(({ items }) => items) ?? [], [list.data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const columns = useMemo(
    () => columnsWith((seq) => change({ event: String(seq) }, { push: true })),
    [change],
  );
  const chosen = rows.find(({ seq }) => seq === view.event);
  return (
    <>
      <header className="page-head">
        <h1>Log of changes</h1>
        <Verify />
      </header>
      <div className="filters">
        <Field label="Actor" name="actor" view={fields} change={change} />
        <Field label="Experiment or trial" name="thing" view={fields} change={change} />
        <Field label="What begins with" name="what" view={fields} change={change} />
        <Field label="Since (UTC)" name="since" view={fields} change={change} />
        <Field label="Until (UTC)" name="until" view={fields} change={change} />
      </div>
      {faults.length > 0 ? (
        <Empty title="This cannot be asked for">{faults.join(" ")}</Empty>
      ) : list.isPending ? (
        <Loading what="Asking for the log" />
      ) : list.isError && rows.length === 0 ? (
        <Failed error={list.error} again={() => void list.refetch()} />
      ) : rows.length === 0 ? (
        <Empty title="No change matches">Leave one of the fields empty.</Empty>
      ) : (
        <DataTable
          label="Changes"
          rows={rows}
          columns={columns}
          rowKey={({ seq }) => String(seq)}
          isMarked={({ seq }) => seq === view.event}
          onEnd={onEnd}
          rowsShownMax={chosen ? 14 : 24}
        />
      )}
      {view.event === undefined ? null : (
        <Event seq={view.event} onClose={() => change({ event: undefined })} />
      )}
      <footer className="page-foot">
        <CommandLine command={commandOf(view)} />
        <span className="dim">
          {rows.length} shown{hasNextPage ? ", more below" : ""}
        </span>
      </footer>
    </>
  );
}

interface FieldProps {
  readonly label: string;
  readonly name: Exclude<keyof AuditView, "event">;
  readonly view: Omit<AuditView, "event">;
  readonly change: (patch: RawView) => void;
}

function Field({ label, name, view, change }: FieldProps) {
  const [text, setText] = useState(view[name]);
  const later = useDebouncedCallback(
    (value: string) => change({ [name]: value || undefined }),
    300,
  );
  return (
    <TextInput
      size="xs"
      label={label}
      value={text}
      spellCheck={false}
      autoComplete="off"
      onChange={(event) => {
        setText(event.currentTarget.value);
        later(event.currentTarget.value.trim());
      }}
    />
  );
}

const columnsWith = (open: (seq: number) => void): readonly Column<AuditChange>[] =>
  [
    {
      ...{ id: "seq", head: "no.", width: "72px", align: "right", pinned: true },
      cell: ({ seq }) => (
        <button type="button" className="plain-link" onClick={() => open(seq)}>
          {seq}
        </button>
      ),
    },
    { id: "at", head: "when", width: "92px", cell: ({ at }) => <Ago time={at} /> },
    { id: "actor", head: "actor", width: "92px", cell: ({ actor }) => <Inert>{actor}</Inert> },
    {
      ...{ id: "subject", head: "thing", width: "minmax(112px, 1fr)" },
      cell: ({ subject }) => <Subject subject={subject} />,
    },
    {
      ...{ id: "what", head: "what", width: "minmax(120px, 1fr)" },
      cell: ({ what }) => <Cut text={what} />,
    },
    {
      ...{ id: "cause", head: "why", width: "minmax(160px, 3fr)" },
      cell: ({ cause }) => <Cut text={cause} />,
    },
  ] as readonly Column<AuditChange>[];

/** Whole in its title, where the column is too narrow for it. */
const Cut = ({ text }: { readonly text: string }) => (
  <span title={inert(text)}>
    <Inert>{text}</Inert>
  </span>
);

/** Leads to what was changed, where that has a page. */
function Subject({ subject }: { readonly subject: string }) {
  const [, kind, id] = /^(experiment|trial) (\d+(?:\.\d+)?)$/.exec(subject) ?? [];
  if (id === undefined) return <Cut text={subject} />;
  return (
    <Link to={`/${kind}s/${id}` as string} className="row-link">
      {subject}
    </Link>
  );
}

/** One change whole, read by its number, so that its address can be sent to somebody. */
function Event({ seq, onClose }: { readonly seq: number; readonly onClose: () => void }) {
  const asked = useQuery({
    queryKey: ["audit-event", seq],
    queryFn: () => client.auditEvent(seq),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const event = asked.data;
  return (
    <section aria-label={`Change ${seq}`}>
      <h2>
        Change {seq}{" "}
        <button type="button" className="plain-link" onClick={onClose}>
          close
        </button>
      </h2>
      {asked.isError ? (
        <Failed error={asked.error} />
      ) : event === undefined ? (
        <Loading what="Asking for the change" />
      ) : (
        <Facts
          rows={[
            ["when", moment(event.at)],
            ["actor", <Inert key="actor">{event.actor}</Inert>],
            ["thing", <Subject key="thing" subject={event.subject} />],
            ["what", <Inert key="what">{event.what}</Inert>],
            ["why", <Inert key="why">{event.cause}</Inert>],
            [
              "hash",
              <span key="hash" className="mono">
                {event.hash}
              </span>,
            ],
          ]}
        />
      )}
      <CommandLine command={`contrail audit show ${seq}`} />
    </section>
  );
}
