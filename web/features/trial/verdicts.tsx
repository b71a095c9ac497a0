/** Each time a trial was run again from its record: what came of it, when, and what has to be known to read it. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { count, moment, plural } from "../../../src/cli/figures.ts";
import type { Verdict } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { VerdictBadge } from "../../parts/verdict-badge.tsx";
import type { TrialPanelProps } from "./use-trial.ts";

const LEFT_OUT_SHOWN = 5;

/** Nothing for a trial that was never run again, but how one does it. */
export function Verdicts({ live: { id, trial, isOver } }: TrialPanelProps) {
  const { verdict } = trial;
  const asked = useQuery({
    queryKey: ["trial", id, "verdicts", verdict?.at ?? null],
    queryFn: () => client.verdicts(id),
    placeholderData: (before) => before,
    enabled: verdict !== null,
  });
  if (verdict === null && !isOver) return null;
  return (
    <section aria-label="Verdicts">
      <h2>Run again from its record</h2>
      {verdict === null ? (
        <p className="dim">Not yet: whether the same parameters come out is not known.</p>
      ) : asked.isPending ? (
        <Loading what="Asking for the verdicts" />
      ) : asked.data === undefined ? (
        <Failed error={asked.error} again={() => void asked.refetch()} />
      ) : (
        <ol className="verdicts" aria-label="Verdicts, the newest first">
          {asked.data.map((one) => (
            <One key={one.at} verdict={one} />
          ))}
        </ol>
      )}
      <CommandLine
        command={verdict === null ? `contrail replay ${id}` : `contrail trial show ${id}`}
      />
    </section>
  );
}

function One({
  verdict: { state, text, at, asked_by: by, replay, detail },
}: {
  readonly verdict: Verdict;
}) {
  const { left_out: leftOut, notes, metric } = detail;
  const more = leftOut.length - LEFT_OUT_SHOWN;
  return (
    <li>
      <div className="verdict-head">
        <VerdictBadge state={state} text={text} /> <Inert>{text}</Inert>
      </div>
      <div className="dim">
        <time dateTime={at}>{moment(at)}</time>, asked for by <Inert>{by}</Inert>
        {replay === null ? null : (
          <>
            , by{" "}
            <Link to={`/experiments/${replay}` as string} className="row-link">
              experiment {replay}
            </Link>
          </>
        )}
      </div>
      {metric !== null && state !== "not_comparable" ? (
        <div className="dim">
          <Inert>{metric.name}</Inert> is another number from step {count(metric.step)} on
        </div>
      ) : null}
      {leftOut.slice(0, LEFT_OUT_SHOWN).map(({ step, why }) => (
        <div key={step} className="dim">
          step {count(step)} is left out: <Inert>{why}</Inert>
        </div>
      ))}
      {more > 0 ? <div className="dim">and {plural(more, "more step")}</div> : null}
      {notes.map((note) => (
        <div key={note} className="dim">
          <Inert>{note}</Inert>
        </div>
      ))}
    </li>
  );
}
