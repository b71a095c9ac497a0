/** The output of a trial, or of all trials of an experiment: follow it, search it, go to any line of it. */
import { Button, Checkbox, Select, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { count, plural } from "../../src/cli/figures.ts";
import type { LogEntry } from "../../src/protocol/api.ts";
import { client } from "../live/client.ts";
import { CommandLine } from "../parts/command-line.tsx";
import { DownloadIcon } from "../parts/icons.tsx";
import { Empty, Failed, Loading } from "../parts/states.tsx";
import { type RawView, useViewState } from "../parts/view-state.ts";
import { LogList } from "./log-list.tsx";
import {
  isFiltered,
  type LogFilter,
  type LogModel,
  type LogSubject,
  MATCHES_MAX,
} from "./log-model.ts";
import { type LogView, logCommand, readLogView, subjectName } from "./log-view-state.ts";
import "./logs.css";
import { useLog } from "./use-log.ts";
import { WholeLine } from "./whole-line.tsx";

export interface LogViewerProps {
  readonly subject: LogSubject;
  readonly isOver: boolean;
  /** Processes of a trial; more than one can be told apart by rank. */
  readonly ranks: number;
  /** Further choices, before the others. */
  readonly children?: ReactNode;
}

export default function LogViewer({ subject, isOver, ranks, children }: LogViewerProps) {
  const [view, change] = useViewState(readLogView);
  const [opened, setOpened] = useState<LogEntry>();
  const { filter, follow } = view;
  const filtered = isFiltered(filter);
  const [model, version] = useLog(subject, filter, filtered && follow);
  return (
    <div className="log-viewer">
      <Controls view={view} change={change} ranks={ranks} subject={subject} isOver={isOver}>
        {children}
      </Controls>
      {view.badTimes.length === 0 ? null : (
        <p role="alert" className="log-bad">
          “{view.badTimes.join("”, “")}” is no time. Write it in UTC, such as 2026-01-31 08:00.
        </p>
      )}
      <div className="log-frame">
        {model.failure === undefined ? null : (
          <Failed error={model.failure} again={() => void model.again()} />
        )}
        {model.failure !== undefined && !model.ready ? null : !model.ready ? (
          <Loading what={filtered ? "Searching the whole output" : "Asking for the output"} />
        ) : model.total === 0 ? (
          <Empty title={emptyTitle(model, filtered, isOver)} />
        ) : (
          <LogList
            label={`Output of ${subjectName(subject)}`}
            trials={"experiment" in subject}
            model={model}
            version={version}
            follow={follow}
            times={view.times}
            marked={view.line}
            onFollow={(on) => change({ follow: on ? "yes" : "no" })}
            onLine={({ run, line }) =>
              // Out of the lines that match, into the place where it stands.
              change(
                {
                  ...{ line: `${run}.${line}`, follow: undefined, contains: undefined },
                  ...{ rank: undefined, stream: undefined, since: undefined, until: undefined },
                },
                { push: filtered },
              )
            }
            onOpen={setOpened}
          />
        )}
      </div>
      <footer className="page-foot">
        <CommandLine command={logCommand(subject, view, isOver)} />
        <span className="dim" role="status">
          {tally(model, filtered, follow)}
        </span>
      </footer>
      <WholeLine entry={opened} onClose={() => setOpened(undefined)} />
    </div>
  );
}

function emptyTitle(model: LogModel, filtered: boolean, isOver: boolean): string {
  if (filtered) return model.complete ? "No line matches" : "No line matches so far";
  return isOver ? "It wrote nothing" : "It has written nothing yet";
}

function tally(model: LogModel, filtered: boolean, follow: boolean): string {
  if (!model.ready) return "";
  if (!filtered) return plural(model.total, "line");
  if (model.isFull) return `the first ${count(MATCHES_MAX)} lines that match: narrow the search`;
  if (follow) return `the last ${count(model.total)} that match, and new ones`;
  return model.complete
    ? `${plural(model.total, "line")} match${model.total === 1 ? "es" : ""}`
    : `${count(model.total)} lines match so far; scroll down for more`;
}

interface ControlsProps {
  readonly view: LogView;
  readonly change: (patch: RawView, options?: { readonly push?: boolean }) => void;
  readonly ranks: number;
  readonly subject: LogSubject;
  readonly isOver: boolean;
  readonly children: ReactNode;
}

function Controls({ view, change, ranks, subject, isOver, children }: ControlsProps) {
  const { filter, follow, times } = view;
  const set = (name: string) => (value: string | null) =>
    change({ [name]: value === null || value === "" ? undefined : value, line: undefined });
  return (
    <form className="log-controls" onSubmit={(event) => event.preventDefault()}>
      <Button
        size="xs"
        variant={follow ? "light" : "default"}
        aria-pressed={follow}
        onClick={() => change({ follow: follow ? "no" : "yes", line: undefined })}
      >
        {isOver ? "End" : "Follow"}
      </Button>
      {children}
      <Typed
        name="Search"
        placeholder="Search all lines, then Enter"
        value={filter.contains ?? ""}
        onEnter={set("contains")}
        className="log-search"
      />
      <Select
        size="xs"
        aria-label="Stream"
        placeholder="both streams"
        data={["stdout", "stderr"]}
        value={filter.stream ?? null}
        onChange={set("stream")}
        clearable
        clearButtonProps={{ "aria-label": "Both streams" }}
        w={130}
      />
      {ranks > 1 ? (
        <Select
          size="xs"
          aria-label="Rank"
          placeholder="all ranks"
          data={Array.from({ length: ranks }, (_, i) => String(i))}
          value={filter.rank === undefined ? null : String(filter.rank)}
          onChange={set("rank")}
          clearable
          clearButtonProps={{ "aria-label": "All ranks" }}
          w={110}
        />
      ) : null}
      <Typed
        name="From (UTC)"
        placeholder="from 2026-01-31 08:00"
        value={shownTime(filter.since)}
        onEnter={set("since")}
      />
      <Typed
        name="Before (UTC)"
        placeholder="before, in UTC"
        value={shownTime(filter.until)}
        onEnter={set("until")}
      />
      <Checkbox
        size="xs"
        label="Times"
        checked={times}
        onChange={(event) => change({ times: event.currentTarget.checked ? "yes" : undefined })}
      />
      {"trial" in subject ? <Raw trial={subject.trial} filter={filter} /> : null}
    </form>
  );
}

function Raw({ trial, filter }: { readonly trial: string; readonly filter: LogFilter }) {
  const query = new URLSearchParams(
    Object.entries(filter).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    ),
  ).toString();
  return (
    <Button
      component="a"
      size="xs"
      variant="default"
      href={`${client.url}/api/v1/trials/${trial}/logs/raw${query === "" ? "" : `?${query}`}`}
      download={`trial-${trial}.log`}
      leftSection={<DownloadIcon />}
      title="The bytes as the program wrote them"
    >
      Raw
    </Button>
  );
}

const shownTime = (time: string | undefined): string =>
  time === undefined ? "" : time.replace("T", " ").replace(/(?::00)?\.000Z$|Z$/, "");

/** Text that holds once it is entered: a search of a million lines is not begun at every key. */
export function Typed(props: {
  readonly name: string;
  readonly placeholder: string;
  readonly value: string;
  readonly onEnter: (text: string) => void;
  readonly className?: string;
}) {
  const [text, setText] = useState(props.value);
  const [last, setLast] = useState(props.value);
  if (last !== props.value) {
    setLast(props.value);
    setText(props.value);
  }
  const enter = (): void => {
    if (text.trim() !== props.value) props.onEnter(text.trim());
  };
  return (
    <TextInput
      size="xs"
      type="search"
      aria-label={props.name}
      placeholder={props.placeholder}
      maxLength={200}
      value={text}
      {...(props.className === undefined ? {} : { className: props.className })}
      onChange={(event) => setText(event.currentTarget.value)}
      onBlur={enter}
      onKeyDown={(event) => {
        if (event.key === "Enter") enter();
      }}
    />
  );
}
