/**
 * Why a trial is as it is, as a history: what explains its state first, then how it came there, oldest first. Under a decision
 * of the search stand the figures that it rested on, and all who raced for the rung.
 */
import { useQuery } from "@tanstack/react-query";
import type { WireNumber } from "../../../src/base/json.ts";
import { count, measured, moment } from "../../../src/cli/figures.ts";
import type { TrialDetail, WhyReason } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { NEWS_MS } from "../../live/news.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";
import { stamp, type TrialPanelProps } from "./use-trial.ts";

type Standing = NonNullable<TrialDetail["decisions"][number]["standing"]>;

export function WhyHistory({ live: { id, trial, experiment } }: TrialPanelProps) {
  const why = useQuery({
    queryKey: ["trial", id, "why", stamp(trial)],
    queryFn: () => client.why("trial", id),
    placeholderData: (before) => before,
    refetchInterval: NEWS_MS,
  });
  return (
    <section>
      <h2>Why it is {trial.state}</h2>
      {why.isPending ? (
        <Loading what="Asking why" />
      ) : why.data === undefined ? (
        <Failed error={why.error} again={() => void why.refetch()} />
      ) : (
        <ol className="why-history">
          {why.data.reasons.map((reason, i) => (
            <Reason
              // biome-ignore lint/suspicious/noArrayIndexKey: a history only grows at its end
              key={i}
              reason={reason}
              isState={i === 0}
              standing={standingOf(reason.figures, id)}
              metric={experiment.searcher.metric}
              unit={experiment.unit}
              own={id}
            />
          ))}
        </ol>
      )}
      <CommandLine command={`contrail why trial ${id}`} />
    </section>
  );
}

/** Where it stood among others when the search decided: among the figures of the reason, if it was such a decision. */
function standingOf(figures: WhyReason["figures"], own: string): Standing | undefined {
  const { bracket, rung, step, rank, of, passing, competitors } = figures;
  const numbers = [bracket, rung, step, rank, of, passing];
  if (!numbers.every((value) => typeof value === "number") || !Array.isArray(competitors))
    return undefined;
  const experiment = own.split(".")[0];
  const others = competitors as { trial: number; objective: WireNumber | null }[];
  return {
    ...(figures as unknown as Standing),
    competitors: others.map(({ trial, objective }) => ({
      trial: `${experiment}.${trial}`,
      objective,
    })),
  };
}

interface ReasonProps {
  readonly reason: WhyReason;
  readonly isState: boolean;
  readonly standing: Standing | undefined;
  readonly metric: string;
  readonly unit: string;
  readonly own: string;
}

function Reason({ reason, isState, standing, metric, unit, own }: ReasonProps) {
  const { text, at, actor, code, events } = reason;
  return (
    <li className={isState ? "why-state" : undefined}>
      <div className="why-head">
        <span className="why-actor">
          <Inert>{actor ?? "contrail"}</Inert>
        </span>
        <span className="dim">{code.replaceAll("_", " ")}</span>
        {at === null ? (
          <span className="dim">now</span>
        ) : (
          <time className="dim" dateTime={at}>
            {moment(at)}
          </time>
        )}
        {events.length === 0 ? null : (
          <span className="dim why-events">event {events.join(", ")}</span>
        )}
      </div>
      <p>
        <Inert>{text}</Inert>
      </p>
      {standing ? <Race standing={standing} metric={metric} unit={unit} own={own} /> : null}
    </li>
  );
}

function Race({
  standing: s,
  metric,
  unit,
  own,
}: Pick<ReasonProps, "metric" | "unit" | "own"> & { readonly standing: Standing }) {
  return (
    <details className="race">
      <summary>
        rank {s.rank} of {s.of} at rung {s.rung}
        {s.threshold === null ? "" : `, threshold ${measured(s.threshold, 5)}`}
        {`, ${s.passing} may pass`}
      </summary>
      <dl className="race-facts">
        <div>
          <dt>bracket</dt>
          <dd>{s.bracket}</dd>
        </div>
        <div>
          <dt>
            <Inert>{`at ${unit}`}</Inert>
          </dt>
          <dd>{count(s.step)}</dd>
        </div>
        <div>
          <dt>
            <Inert>{metric}</Inert>
          </dt>
          <dd>{measured(s.objective, 5)}</dd>
        </div>
      </dl>
      {s.competitors.length === 0 ? (
        <p className="dim">Nobody else had arrived.</p>
      ) : (
        <ul className="race-others" aria-label="Competitors">
          {s.competitors.map(({ trial, objective }) => (
            <li key={trial} className={trial === own ? "race-own" : undefined}>
              <TrialLink id={trial} />{" "}
              <span className="dim">
                {objective === null ? "ended on the way" : measured(objective, 5)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}
