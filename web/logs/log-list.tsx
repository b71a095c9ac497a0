/**
 * The lines in sight, of any number. All rows are equally high, so a place in the log is a place on the scroll bar; beyond
 * what a browser can make high, the bar stands for the log in proportion.
 */
import { Link } from "@tanstack/react-router";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { count } from "../../src/cli/figures.ts";
import type { LogEntry } from "../../src/protocol/api.ts";
import { trialAddress } from "../parts/trial-link.tsx";
import { shownLine } from "./ansi.ts";
import type { LinePlace, LogModel } from "./log-model.ts";

const ROW_PX = 19;
/** Firefox goes to about 17.8 million, and adds up what stands above. */
const HEIGHT_PX_MAX = 12_000_000;
const LINE_CHARS_MAX = 600;
const OVERSCAN = 12;

export interface LogListProps {
  readonly model: LogModel;
  readonly version: number;
  readonly follow: boolean;
  readonly times: boolean;
  /** Name the trial beside each line. */
  readonly trials: boolean;
  readonly marked: LinePlace | undefined;
  readonly onFollow: (follow: boolean) => void;
  readonly onLine: (place: LinePlace) => void;
  readonly onOpen: (entry: LogEntry) => void;
  readonly label: string;
}

export function LogList(props: LogListProps) {
  const { model, follow, marked, version, onFollow } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(480);
  const { total } = model;
  const full = Math.max(height, Math.min(total * ROW_PX, HEIGHT_PX_MAX));
  const rowsInSight = height / ROW_PX;
  const reach = Math.max(0, full - height);
  const firstShown =
    reach === 0 ? 0 : (Math.min(top, reach) / reach) * Math.max(0, total - rowsInSight);
  const first = Math.max(0, Math.floor(firstShown) - OVERSCAN);
  const last = Math.min(total - 1, Math.ceil(firstShown + rowsInSight) + OVERSCAN);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of the model may make room for what is missing
  useEffect(() => model.want(first, last), [model, first, last, version]);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (follow && scroller.current) scroller.current.scrollTop = full;
  }, [follow, full]);
  const scrollTo = useCallback(
    (index: number) => {
      const wanted = Math.min(
        Math.max(0, index - Math.floor(rowsInSight / 3)),
        total - rowsInSight,
      );
      if (scroller.current && total > rowsInSight)
        scroller.current.scrollTop = (wanted / (total - rowsInSight)) * reach;
    },
    [rowsInSight, reach, total],
  );
  const target = marked && model.indexOf(marked);
  const shownTarget = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const key = marked && `${marked.run}.${marked.line}`;
    if (target === undefined || shownTarget.current === key) return;
    shownTarget.current = key;
    scrollTo(target);
  }, [target, marked, scrollTo]);
  const lastTop = useRef(0);
  const onScroll = (): void => {
    const now = scroller.current?.scrollTop ?? 0;
    // Whoever goes up wants to read there. The list itself goes up only when it becomes shorter.
    if (follow && now < lastTop.current - 2 && now < reach - ROW_PX) onFollow(false);
    lastTop.current = now;
    setTop(now);
  };
  const rows: number[] = [];
  for (let i = first; i <= last; i++) rows.push(i);
  return (
    <section
      className="log"
      ref={scroller}
      onScroll={onScroll}
      aria-label={props.label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
    >
      <div className="log-whole" style={{ height: `${full}px` }}>
        <div
          className="log-rows"
          style={{
            transform: `translateY(${Math.min(top, reach) - (firstShown - first) * ROW_PX}px)`,
          }}
        >
          {rows.map((index) => (
            <Row key={index} entry={model.line(index)} {...props} />
          ))}
        </div>
      </div>
    </section>
  );
}

function Row(props: LogListProps & { readonly entry: LogEntry | null | undefined }) {
  const { entry, model, marked, times, trials, onLine, onOpen } = props;
  if (!entry)
    return (
      <div className="log-row log-missing">
        <span className="log-number">·</span>
        {entry === null ? <span className="dim">this line is not in store</span> : null}
      </div>
    );
  const { pieces, overwritten, cut } = shownLine(entry.text, LINE_CHARS_MAX);
  const at = model.placeOf(entry);
  const place = `${at.run}.${at.line}`;
  const isMarked = marked?.run === at.run && marked.line === at.line;
  return (
    <div
      className={`log-row log-${entry.stream}${isMarked ? " log-marked" : ""}`}
      data-line={place}
    >
      <a
        className="log-number"
        href={lineAddress(place)}
        tabIndex={-1}
        aria-label={`Line ${place}`}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          onLine(at);
        }}
      >
        {at.run > 1 ? `${at.run}.` : ""}
        {at.line}
      </a>
      {trials ? (
        <Link
          className="log-trial"
          to={trialAddress(entry.trial) as string}
          search={{ tab: "logs", line: `${entry.run}.${entry.line}` } as never}
          title={`Line ${entry.run}.${entry.line} of trial ${entry.trial}`}
          tabIndex={-1}
        >
          {entry.trial}
        </Link>
      ) : null}
      {times ? <time className="log-time">{entry.at.slice(11, 23)}</time> : null}
      {entry.rank > 0 ? <span className="log-rank">[{entry.rank}]</span> : null}
      <bdi className="log-text">
        {pieces.map(({ text, look }, i) =>
          look === "" ? (
            text
          ) : (
            // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of a line never move
            <span key={i} className={look}>
              {text}
            </span>
          ),
        )}
      </bdi>
      {cut > 0 || overwritten > 0 || !entry.complete ? (
        <button type="button" className="log-more" tabIndex={-1} onClick={() => onOpen(entry)}>
          {cut > 0
            ? `${count(cut)} more characters`
            : overwritten > 0
              ? `${count(overwritten)} earlier states`
              : "goes on in the next row"}
        </button>
      ) : null}
    </div>
  );
}

/** Whose log it is stays in the address; what was looked for in it does not: the line is shown where it stands. */
function lineAddress(place: string): string {
  const query = new URLSearchParams(location.search);
  for (const name of ["contains", "rank", "stream", "since", "until", "follow"]) query.delete(name);
  query.set("line", place);
  return `?${query}`;
}
