/** What an experiment was made from and what differs from that, and what was made of it. */
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { count } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Override } from "../../../src/protocol/api.ts";
import { useAncestry } from "../../live/experiment-detail.ts";
import { Facts } from "../../parts/facts.tsx";
import { word } from "../../parts/paths.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";

const SHOWN_MAX = 10;

/** Nothing for one that was written from nothing and that nothing was made of. */
export function Ancestry({ id }: { readonly id: number }) {
  const { ancestry, descendants } = useAncestry(id);
  if (!ancestry && !descendants?.total) return null;
  return (
    <section>
      <h2>Where it comes from, and what came of it</h2>
      <Facts
        rows={[
          [
            `${ancestry?.kind ?? ""} of`,
            ancestry ? (
              <Origin key="o" {...ancestry}>
                {ancestry.label === null ? null : <Inert>{` ${ancestry.label}`}</Inert>}
              </Origin>
            ) : undefined,
          ],
          ["changed", ancestry ? <Overrides key="c" overrides={ancestry.overrides} /> : undefined],
          ...(descendants?.items ?? []).slice(0, SHOWN_MAX).map((one): [string, ReactNode] => [
            `${one.kind}${one.trial === null ? "" : ` of ${one.trial}`}`,
            <span key={one.experiment}>
              <ExperimentLink id={one.experiment} name={one.name} />{" "}
              <StateBadge state={one.state} /> <Overrides overrides={one.overrides} />
            </span>,
          ]),
        ]}
      />
      {(descendants?.total ?? 0) > SHOWN_MAX ? (
        <p className="dim">
          {count(descendants?.total ?? 0)} were made of it; these are the newest.
        </p>
      ) : null}
    </section>
  );
}

function Origin({
  experiment,
  trial,
  children,
}: {
  readonly experiment: number | null;
  readonly trial: string | null;
  readonly children: ReactNode;
}) {
  return (
    <span>
      {trial !== null ? (
        <>
          trial <TrialLink id={trial} />
        </>
      ) : experiment !== null ? (
        <ExperimentLink id={experiment} name="" />
      ) : (
        "what is not here"
      )}
      {children}
    </span>
  );
}

function ExperimentLink({ id, name }: { readonly id: number; readonly name: string }) {
  return (
    <Link to={`/experiments/${id}` as string} className="row-link">
      experiment {id} <Inert>{name}</Inert>
    </Link>
  );
}

function Overrides({ overrides }: { readonly overrides: readonly Override[] }) {
  if (overrides.length === 0) return <span className="dim">nothing changed</span>;
  const words = overrides
    .slice(0, SHOWN_MAX)
    .map(({ path, from, to }) => `${path}: ${word(from) || "nothing"} → ${word(to) || "nothing"}`);
  const more = overrides.length - words.length;
  return (
    <span className="mono" title={inert(words.join("\n"))}>
      <Inert>{words.join(", ")}</Inert>
      {more > 0 ? ` and ${more} more` : ""}
    </span>
  );
}
