import { fromWire, type WireNumber } from "../../../src/base/json.ts";
import { duration, hyperparametersLine, measured } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Experiment, Trial } from "../../../src/protocol/api.ts";
import { withoutNames } from "../../parts/constant-names.ts";
import type { Column } from "../../parts/data-table.tsx";
import { TrialState } from "../../parts/silent.tsx";
import { Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";
import { VerdictBadge } from "../../parts/verdict-badge.tsx";

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

/** @param constant names that all trials have alike, left out of the line */
export function bestColumns(
  experiment: Experiment,
  constant: readonly string[],
): readonly Column<Trial>[] {
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
      // A silent runner is flagged beside it.
      width: "158px",
      sort: ({ state }) => state,
      cell: (trial) => <TrialState trial={trial} />,
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
      id: "verdict",
      head: "verdict",
      width: "132px",
      wideOnly: true,
      sort: ({ verdict }) => verdict?.state ?? "",
      cell: ({ verdict }) =>
        verdict === null ? (
          <span className="dim">–</span>
        ) : (
          <VerdictBadge state={verdict.state} text={verdict.text} />
        ),
    },
    {
      id: "time",
      head: "slot time",
      width: "108px",
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
          <span className="mono" title={inert(line)}>
            <Inert>{hyperparametersLine(withoutNames(hyperparameters, constant))}</Inert>
          </span>
        );
      },
    },
  ];
}

/** Those of the long list, with why each is as it is. */
export function trialColumns(
  experiment: Experiment,
  constant: readonly string[],
): readonly Column<Trial>[] {
  const columns = bestColumns(experiment, constant);
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
