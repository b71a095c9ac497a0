/**
 * How a trial came to be, as it was recorded: what could not be had first, because that is what has to be known, then
 * section by section. Long sections are folded, unless something is looked for in them.
 */
import { NativeSelect, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { percentText, sectionTitle } from "../../../src/analysis/record-words.ts";
import { count, plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { TrialRecord } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { NEWS_MS, untilAnswered } from "../../live/news.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Facts, Figures } from "../../parts/facts.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import { stamp, type TrialPanelProps } from "./use-trial.ts";

/** While the runner has not told yet; what the program tells besides, it may tell at any time. */
const EVERY_MS = 2_000;
/** A section of more fields than this is folded. */
const OPEN_MAX = 24;
/** A longer value is folded. */
const VALUE_CHARS_MAX = 160;

const readView = (raw: RawView) => ({
  run: /^[1-9]\d{0,8}$/.test(raw.run ?? "") ? Number(raw.run) : undefined,
  find: raw.find ?? "",
});

type Fields = readonly (readonly [name: string, value: string])[];
type Gap = TrialRecord["missing"][number];

export default function EnvironmentPanel({ live: { id, trial, isOver } }: TrialPanelProps) {
  const [{ run, find }, change] = useViewState(readView);
  const record = useQuery({
    queryKey: ["trial", id, "record", run, stamp(trial)],
    queryFn: () => client.trialRecord(id, { run }),
    placeholderData: (before) => before,
    refetchInterval: ({ state }) =>
      isOver ? untilAnswered({ state }) : state.data?.captured_at ? NEWS_MS : EVERY_MS,
  });
  if (record.isPending) return <Loading what="Asking for the record" />;
  if (!record.data) return <Failed error={record.error} again={() => void record.refetch()} />;
  return (
    <>
      <Head record={record.data} />
      <div className="filters record-tools">
        <Find value={find} onChange={(text) => change({ find: text || undefined })} />
        {record.data.runs.length < 2 ? null : (
          <NativeSelect
            size="xs"
            aria-label="Allocation"
            value={String(record.data.run)}
            data={record.data.runs.map((one) => ({
              value: String(one.run),
              label: `allocation ${one.allocation}`,
            }))}
            onChange={(event) => change({ run: event.currentTarget.value }, { push: true })}
          />
        )}
      </div>
      <Gaps
        title="Could not be captured"
        none="Nothing that applies to this run is missing."
        gaps={record.data.missing}
      />
      <Sections record={record.data} find={find} />
      <Gaps title="Does not apply" none="Everything applies." gaps={record.data.not_applicable} />
      <CommandLine
        command={`contrail trial show ${id} --record${run === undefined ? "" : ` --run ${run}`} --all`}
      />
    </>
  );
}

function Head({ record }: { readonly record: TrialRecord }) {
  const { completeness, items, missing, captured_at: at, allocation, environment } = record;
  return (
    <Figures
      items={[
        {
          label: "complete to",
          value: percentText(completeness),
          note: `${items.captured} of ${plural(items.applicable, "item")} that apply`,
        },
        {
          label: "could not be captured",
          value: count(missing.length),
          note: missing.length === 0 ? "nothing is missing" : "listed below, each with its reason",
        },
        {
          label: "captured",
          value: at === null ? "nothing beside it" : <Ago time={at} />,
          note:
            allocation === null ? "it was never given slots" : `beside allocation ${allocation}`,
        },
        {
          label: "environment",
          value:
            environment === null ? (
              "–"
            ) : (
              <span className="mono" title={environment}>
                {environment.slice(0, 12)}
              </span>
            ),
          note: "names machine, system, interpreter and packages by content",
        },
      ]}
    />
  );
}

function Find(props: { readonly value: string; readonly onChange: (text: string) => void }) {
  const [text, setText] = useState(props.value);
  const later = useDebouncedCallback(props.onChange, 200);
  return (
    <TextInput
      size="xs"
      w={260}
      aria-label="Find in the record"
      placeholder="find a package, variable, value …"
      spellCheck={false}
      autoComplete="off"
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        later(event.currentTarget.value.trim());
      }}
    />
  );
}

function Gaps(props: {
  readonly title: string;
  readonly none: string;
  readonly gaps: readonly Gap[];
}) {
  const { title, none, gaps } = props;
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {gaps.length === 0 ? (
        <p className="dim">{none}</p>
      ) : (
        <div className="recorded gaps">
          <Facts
            rows={gaps.map(({ what, why }) => [inert(what), <Inert key="why">{why}</Inert>])}
          />
        </div>
      )}
    </section>
  );
}

function Sections({ record, find }: { readonly record: TrialRecord; readonly find: string }) {
  const sections = useMemo(() => sectionsWith(record, find), [record, find]);
  if (sections.length === 0)
    return <p className="dim">Nothing in the record has “{inert(find)}” in its name or value.</p>;
  return sections.map(({ name, all, fields }) => (
    <Section key={name} name={name} all={all} fields={fields} isSearched={find !== ""} />
  ));
}

/** Those with a field whose path or value has the words in it, in the order of the record. */
function sectionsWith(
  { captured }: TrialRecord,
  find: string,
): { readonly name: string; readonly all: number; readonly fields: Fields }[] {
  const wanted = find.toLowerCase();
  return Object.entries(captured).flatMap(([name, values]) => {
    const all = Object.entries(values ?? {})
      .map(([field, value]) => [field, String(value)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    const fields = all.filter(([field, value]) =>
      `${name}.${field}\n${value}`.toLowerCase().includes(wanted),
    );
    return fields.length === 0 ? [] : [{ name, all: all.length, fields }];
  });
}

const PAIRS: readonly Column<Fields[number]>[] = [
  {
    id: "name",
    head: "name",
    width: "minmax(170px, 1fr)",
    cell: ([name]) => (
      <span title={inert(name)}>
        <Inert>{name}</Inert>
      </span>
    ),
  },
  {
    id: "value",
    head: "value",
    width: "minmax(170px, 2fr)",
    cell: ([, value]) => (
      <span className="mono" title={inert(value)}>
        <Inert>{value}</Inert>
      </span>
    ),
  },
];

function Section(props: {
  readonly name: string;
  readonly all: number;
  readonly fields: Fields;
  readonly isSearched: boolean;
}) {
  const { name, all, fields, isSearched } = props;
  const [isOpen, setOpen] = useState(false);
  const title = inert(sectionTitle(name).replaceAll("_", " "));
  const counted = isSearched ? `${count(fields.length)} of ${count(all)}` : count(all);
  if (fields.length <= OPEN_MAX && (isSearched || all <= OPEN_MAX))
    return (
      <section aria-label={title}>
        <h2>{title}</h2>
        <div className="recorded">
          <Facts
            rows={fields.map(([field, value]) => [inert(field), <Value key="v" text={value} />])}
          />
        </div>
      </section>
    );
  return (
    <details
      className="record-section"
      open={isOpen || isSearched}
      onToggle={(event) => {
        if (!isSearched) setOpen(event.currentTarget.open);
      }}
    >
      <summary>
        <h2>{title}</h2> <span className="dim">{counted}</span>
      </summary>
      {isOpen || isSearched ? (
        <DataTable
          label={title}
          rows={fields}
          columns={PAIRS}
          rowKey={([field]) => field}
          rowsShownMax={14}
        />
      ) : null}
    </details>
  );
}

function Value({ text }: { readonly text: string }) {
  const whole = (
    <span className="mono">
      <Inert>{text}</Inert>
    </span>
  );
  if (text.length <= VALUE_CHARS_MAX) return whole;
  return (
    <details>
      <summary className="mono">
        <Inert>{`${text.slice(0, VALUE_CHARS_MAX)} …`}</Inert>
      </summary>
      {whole}
    </details>
  );
}
