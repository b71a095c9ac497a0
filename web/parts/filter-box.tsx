/** The field for a filter: faults and proposals stand below it while one writes, by the parser that the server has. */
import { Button, TextInput } from "@mantine/core";
import { type FormEvent, useEffect, useId, useState } from "react";
import { FILTER_FIELDS } from "../../src/protocol/experiment-filter/fields.ts";
import { type FilterIssue, parseFilter } from "../../src/protocol/experiment-filter/parse.ts";
import { experimentState } from "../../src/protocol/experiment-filter/states.ts";
import "./filter-box.css";
import { Inert } from "./text.tsx";

const EXAMPLES = ["state:active", "label:vision", "best>0.9", "created>2026-01-01", "-owner:ada"];

export interface FilterBoxProps {
  readonly value: string;
  readonly onChange: (filter: string) => void;
}

export function FilterBox({ value, onChange }: FilterBoxProps) {
  const [text, setText] = useState(value);
  const [hasFocus, setHasFocus] = useState(false);
  const issuesId = useId();
  // The browser's back button changes it, too.
  useEffect(() => setText(value), [value]);
  const reading = parseFilter(text);
  const issues = reading.ok ? [] : reading.issues;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (reading.ok) onChange(text.trim());
  };
  const take = (word: string): void => setText(completed(text, word));
  const proposals = hasFocus || text !== value ? proposalsFor(text) : [];
  return (
    <form className="filter-box" role="search" aria-label="Experiments" onSubmit={submit}>
      <div className="filter-line">
        <TextInput
          size="xs"
          className="filter-text"
          aria-label="Filter"
          aria-describedby={issuesId}
          aria-invalid={issues.length > 0}
          placeholder={EXAMPLES.join("  ")}
          spellCheck={false}
          autoComplete="off"
          maxLength={2000}
          value={text}
          onFocus={() => setHasFocus(true)}
          onBlur={() => setHasFocus(false)}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Button size="xs" variant="default" type="submit" disabled={!reading.ok}>
          Filter
        </Button>
        {value === "" ? null : (
          <Button size="xs" variant="subtle" color="gray" onClick={() => onChange("")}>
            All
          </Button>
        )}
      </div>
      <div id={issuesId} role="status" className="filter-issues">
        {issues.map((issue) => (
          <Issue key={`${issue.column} ${issue.message}`} issue={issue} />
        ))}
      </div>
      {proposals.length === 0 ? null : (
        <div className="filter-proposals">
          {proposals.map(({ word, says }) => (
            <button
              type="button"
              key={word}
              title={says}
              // The field keeps the focus, so that one goes on writing.
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(word)}
            >
              {word}
            </button>
          ))}
        </div>
      )}
    </form>
  );
}

const Issue = ({ issue }: { readonly issue: FilterIssue }) => (
  <div>
    column {issue.column}: <Inert>{issue.message}</Inert>
  </div>
);

const LAST_WORD = /-?[^\s:<>=~]*$/;

/** What could come next: fields, and after `state:` the states. */
function proposalsFor(text: string): { word: string; says: string }[] {
  const state = /(?:^|\s)-?state[:=](?:\w+,)*(\w*)$/i.exec(text);
  if (state)
    return experimentState
      .filter((word) => word.startsWith(state[1] ?? "") && word !== state[1])
      .map((word) => ({ word, says: "a state" }));
  if (/[:<>=~]\S*$/.test(text)) return [];
  const begun = (LAST_WORD.exec(text)?.[0] ?? "").replace(/^-/, "").toLowerCase();
  return Object.entries(FILTER_FIELDS)
    .filter(([name]) => name.startsWith(begun))
    .map(([name, { kind, says }]) => ({
      word: `${name}${kind === "number" || kind === "time" ? ">" : ":"}`,
      says,
    }));
}

function completed(text: string, word: string): string {
  if (/(?:^|\s)-?state[:=](?:\w+,)*\w*$/i.test(text)) return text.replace(/\w*$/, word);
  return text.replace(/[^\s:<>=~-]*$/, word);
}
