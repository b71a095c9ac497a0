/**
 * An editor for configurations: a text area, so that everything a browser and assistive technology know about text works,
 * with line numbers and faults drawn behind it and proposals beside the cursor. An editor library was refused: it is ten
 * times the weight, and what is asked of it here is this file.
 */
import { type KeyboardEvent, useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import type { JsonObject } from "../../../src/base/json.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { ProblemIssue } from "../../../src/protocol/errors.ts";
import { type Completion, completionAt } from "./completion.ts";

const LINE_PX = 20;
const LINES_LEAST = 18;

export interface EditorProps {
  readonly text: string;
  readonly onChange: (text: string) => void;
  readonly issues: readonly ProblemIssue[];
  readonly schema: JsonObject | undefined;
}

export function Editor({ text, onChange, issues, schema }: EditorProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const behind = useRef<HTMLDivElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  const listId = useId();
  const issuesId = useId();
  const [open, setOpen] = useState<Completion & { readonly at: number }>();
  const [chosen, setChosen] = useState(0);
  const cursor = useRef<number | undefined>(undefined);
  // A cursor that was asked for is set once the new text is there.
  useLayoutEffect(() => {
    if (cursor.current === undefined) return;
    area.current?.setSelectionRange(cursor.current, cursor.current);
    cursor.current = undefined;
  });
  useEffect(() => area.current?.focus(), []);
  const lines = text.split("\n");
  const byLine = Map.groupBy(issues, ({ line }) => line ?? 0);

  const propose = (now: string, at: number): void => {
    const found = schema ? completionAt(now, at, schema) : undefined;
    setOpen(found ? { ...found, at } : undefined);
    setChosen(0);
  };
  const replace = (from: number, to: number, by: string): void => {
    cursor.current = from + by.length;
    onChange(text.slice(0, from) + by + text.slice(to));
  };
  const take = (index: number): void => {
    const proposal = open?.proposals[index];
    if (!open || !proposal) return;
    replace(open.from, open.at, proposal.insert);
    setOpen(undefined);
    area.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    const { selectionStart: start, selectionEnd: end } = event.currentTarget;
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      propose(text, start);
    } else if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const count = open.proposals.length;
      setChosen((now) => (now + (event.key === "ArrowDown" ? 1 : count - 1)) % count);
    } else if (open && (event.key === "Enter" || event.key === "Tab")) {
      event.preventDefault();
      take(chosen);
    } else if (open && event.key === "Escape") {
      event.preventDefault();
      setOpen(undefined);
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const line = text.slice(text.lastIndexOf("\n", start - 1) + 1, start);
      const indent = /^\s*/.exec(line)?.[0] ?? "";
      replace(start, end, `\n${indent}${/:\s*$/.test(line) ? "  " : ""}`);
    }
  };
  const place = open ? placeOf(text, open.from) : undefined;
  const scrolled = area.current;
  const goTo = (issue: ProblemIssue): void => {
    const before = lines
      .slice(0, (issue.line ?? 1) - 1)
      .reduce((sum, line) => sum + line.length + 1, 0);
    const at = before + (issue.column ?? 1) - 1;
    area.current?.focus();
    area.current?.setSelectionRange(at, at);
  };
  return (
    <div className="editor">
      <div className="editor-frame">
        <div className="editor-gutter" aria-hidden="true" ref={gutter}>
          {lines.map((_, i) => (
            <div
              // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number
              key={i}
              className={byLine.has(i + 1) ? "editor-number editor-wrong" : "editor-number"}
            >
              {byLine.has(i + 1) ? "✗ " : ""}
              {i + 1}
            </div>
          ))}
        </div>
        <div className="editor-body">
          <div className="editor-behind" aria-hidden="true" ref={behind}>
            {lines.map((line, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number
              <MarkedLine key={i} line={line} issues={byLine.get(i + 1) ?? []} />
            ))}
          </div>
          <textarea
            ref={area}
            className="editor-text"
            aria-label="Configuration (YAML)"
            aria-autocomplete="list"
            aria-controls={open ? listId : undefined}
            aria-activedescendant={open ? `${listId}-${chosen}` : undefined}
            aria-describedby={issuesId}
            aria-invalid={issues.length > 0}
            spellCheck={false}
            autoCapitalize="off"
            autoComplete="off"
            wrap="off"
            rows={Math.max(LINES_LEAST, Math.min(lines.length + 1, 36))}
            value={text}
            onKeyDown={onKeyDown}
            onBlur={() => setOpen(undefined)}
            onClick={() => setOpen(undefined)}
            onScroll={(event) => {
              const { scrollTop, scrollLeft } = event.currentTarget;
              if (gutter.current) gutter.current.scrollTop = scrollTop;
              if (behind.current) behind.current.scrollTo(scrollLeft, scrollTop);
              setOpen(undefined);
            }}
            onChange={(event) => {
              const { value, selectionStart } = event.currentTarget;
              onChange(value);
              if (value.length > text.length) propose(value, selectionStart);
              else setOpen(undefined);
            }}
          />
          {open && place ? (
            <div
              id={listId}
              role="listbox"
              aria-label="Proposals"
              className="editor-proposals"
              style={{
                top: `${(place.line + 1) * LINE_PX + 8 - (scrolled?.scrollTop ?? 0)}px`,
                left: `min(calc(${place.column}ch + 8px - ${scrolled?.scrollLeft ?? 0}px), 100% - 16rem)`,
              }}
            >
              {open.proposals.map(({ label, says }, i) => (
                // biome-ignore lint/a11y/useKeyWithClickEvents: keys are heard in the text
                <div
                  key={label}
                  id={`${listId}-${i}`}
                  role="option"
                  tabIndex={-1}
                  aria-selected={i === chosen}
                  className="editor-proposal"
                  ref={
                    i === chosen ? (element) => element?.scrollIntoView({ block: "nearest" }) : null
                  }
                  onMouseDown={(event) => event.preventDefault()}
                  onClick={() => take(i)}
                >
                  <b>{label}</b> <span className="dim">{says}</span>
                </div>
              ))}
            </div>
          ) : null}
        </div>
      </div>
      <ul id={issuesId} className="editor-issues" aria-label="Faults" aria-live="polite">
        {issues.map((issue) => (
          <li key={`${issue.line} ${issue.column} ${issue.message}`}>
            <button type="button" className="plain-link" onClick={() => goTo(issue)}>
              {issue.line === undefined ? "whole" : `line ${issue.line}, column ${issue.column}`}
            </button>{" "}
            {inert(issue.message)}
          </li>
        ))}
      </ul>
    </div>
  );
}

function MarkedLine({
  line,
  issues,
}: {
  readonly line: string;
  readonly issues: readonly ProblemIssue[];
}) {
  const from =
    issues.length === 0 ? line.length : Math.min(...issues.map(({ column }) => (column ?? 1) - 1));
  return (
    <div className="editor-line">
      {line.slice(0, from)}
      {issues.length === 0 ? null : <mark>{line.slice(from) || " "}</mark>}
    </div>
  );
}

function placeOf(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at).split("\n");
  return { line: before.length - 1, column: before.at(-1)?.length ?? 0 };
}
