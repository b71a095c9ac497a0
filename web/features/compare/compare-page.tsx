/** Two to ten trials of any experiments, side by side: only what differs, and their curves on one axis. */
import { Button, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { inert } from "../../../src/cli/inert.ts";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { COMPARED_MAX, COMPARED_MIN } from "../../parts/trial-link.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import { CodeDifferences } from "./code-differences.tsx";
import "./compare.css";
import { ComparedCurves } from "./compared-curves.tsx";
import { trialsOf } from "./differences.ts";
import { RecordDifferences } from "./record-differences.tsx";
import { DifferenceTables, Results } from "./tables.tsx";
import { useCompared } from "./use-compared.ts";

const readView = (raw: RawView) => trialsOf(raw.trials);

export default function ComparePage() {
  const [{ trials, strange }, change] = useViewState(readView);
  const ids = trials.slice(0, COMPARED_MAX);
  const { pending, compared, failures } = useCompared(ids);
  const set = (next: readonly string[]): void =>
    change({ trials: next.length === 0 ? undefined : next.join(",") }, { push: true });
  return (
    <>
      <header className="page-head">
        <div className="page-title">
          <h1>Compare trials</h1>
          <span className="dim">
            only what differs; the first one is what the others are held against
          </span>
        </div>
      </header>
      <Chosen ids={ids} set={set} />
      {strange.length === 0 ? null : (
        <p role="alert" className="bad">
          No ids of trials: {inert(strange.join(", "))}. They are written EXPERIMENT.NUMBER, such as
          3.12.
        </p>
      )}
      {trials.length > COMPARED_MAX ? (
        <p role="alert" className="bad">
          At most {COMPARED_MAX} trials are compared; the first {COMPARED_MAX} of {trials.length}{" "}
          are shown.
        </p>
      ) : null}
      {failures.map(({ id, error }) => (
        <Failed key={id} error={error} />
      ))}
      {ids.length < COMPARED_MIN ? (
        <Empty title={`Name ${COMPARED_MIN} to ${COMPARED_MAX} trials`}>
          Write their ids above, or choose them in the tab “Compare” of an experiment.{" "}
          <Link to={"/experiments" as string} className="row-link">
            All experiments
          </Link>
        </Empty>
      ) : pending ? (
        <Loading what="Asking for the trials" />
      ) : compared.length < COMPARED_MIN ? null : (
        <div className="compared">
          <Results compared={compared} />
          <ComparedCurves compared={compared} />
          <DifferenceTables compared={compared} />
          <RecordDifferences compared={compared} />
          <CodeDifferences compared={compared} />
        </div>
      )}
    </>
  );
}

function Chosen({
  ids,
  set,
}: {
  readonly ids: readonly string[];
  readonly set: (ids: readonly string[]) => void;
}) {
  const [text, setText] = useState("");
  const found = trialsOf(text).trials;
  const add = (event: FormEvent): void => {
    event.preventDefault();
    if (found.length === 0) return;
    set([...new Set([...ids, ...found])]);
    setText("");
  };
  return (
    <form className="chosen" onSubmit={add}>
      {ids.map((id, i) => (
        <span key={id} className="chip">
          <i className={`swatch swatch-${i < 6 ? i : "quiet"}`} aria-hidden="true" />
          {id}
          {i === 0 ? null : (
            <button
              type="button"
              title="Hold the others against this one"
              aria-label={`Put ${id} first`}
              onClick={() => set([id, ...ids.filter((one) => one !== id)])}
            >
              ⇤
            </button>
          )}
          <button
            type="button"
            aria-label={`Take ${id} out`}
            onClick={() => set(ids.filter((one) => one !== id))}
          >
            ×
          </button>
        </span>
      ))}
      <TextInput
        size="xs"
        aria-label="Add a trial"
        placeholder="add a trial, such as 3.12"
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Button
        type="submit"
        size="xs"
        variant="default"
        disabled={found.length === 0 || ids.length >= COMPARED_MAX}
      >
        Add
      </Button>
    </form>
  );
}
