import { fromWire, type WireNumber } from "../../../src/base/json.ts";
import { duration, hyperparametersLine, measured } from "../../../src/cli/figures.ts";
import type { Experiment, Trial } from "../../../src/protocol/api.ts";
import type { Column } from "../../parts/data-table.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";

/** NaN is worst, as in the search. */
const key = (value: WireNumber | undefined): number | null => {
  const number = value === undefined ? Number.NaN : fromWire(value);
  return Number.isNaN(number) ? null : number;
};

/** Those with an objective, the best first. */
export function bestFirst(trials: readonly Trial[], smallerIsBetter: boolean): Trial[] {
  const sign = smallerIsBetter ? 1 : -1;
  const of = ({ best }: Trial): number => {
    const value = key(best?.objective);
    return value === null ? Number.POSITIVE_INFINITY : sign * value;
  };
  return trials
    .filter(({ best }) => best !== null)
    .toSorted((a, b) => of(a) - of(b) || a.number - b.number);
}

export function bestColumns(experiment: Experiment): readonly Column<Trial>[] {
  const { unit, searcher } = experiment;
  return [
    {
      id: "trial",
      head: "trial",
      width: "72px",
      pinned: true,
      sort: ({ number }) => number,
      cell: ({ id }) => <TrialLink id={id} />,
    },
    {
      id: "state",
      head: "state",
      width: "118px",
      sort: ({ state }) => state,
      cell: ({ state }) => <StateBadge state={state} />,
    },
    {
      id: "best",
      head: <Inert>{`best ${searcher.metric}`}</Inert>,
      width: "minmax(110px, 150px)",
      align: "right",
      sort: ({ best }) => key(best?.objective),
      cell: ({ best }) => measured(best?.objective, 5),
    },
    {
      id: "step",
      head: <Inert>{unit}</Inert>,
      width: "92px",
      align: "right",
      sort: ({ step }) => step,
      cell: ({ step, target }) =>
        target === null || target === step ? step : `${step} of ${target}`,
    },
    {
      id: "time",
      head: "slot time",
      width: "96px",
      align: "right",
      wideOnly: true,
      sort: (trial) => trial.slot_seconds,
      cell: (trial) => duration(trial.slot_seconds),
    },
    {
      id: "hyperparameters",
      head: "hyperparameters",
      width: "minmax(200px, 3fr)",
      cell: ({ hyperparameters }) => {
        const line = hyperparametersLine(hyperparameters);
        return (
          <span className="mono" title={line}>
            <Inert>{line}</Inert>
          </span>
        );
      },
    },
  ];
}

/** Those of the long list, with why each is as it is. */
export function trialColumns(experiment: Experiment): readonly Column<Trial>[] {
  const columns = bestColumns(experiment);
  const why: Column<Trial> = {
    id: "why",
    head: "why",
    width: "minmax(140px, 2fr)",
    cell: ({ reason }) => (
      <span title={reason}>
        <Inert>{reason}</Inert>
      </span>
    ),
  };
  return [...columns.slice(0, -1), why, ...columns.slice(-1)];
}
