/** An experiment at a glance: how far, how good, what it cost, and the trials that lead. */
import { type ReactNode, useMemo } from "react";
import {
  count,
  duration,
  heldText,
  hyperparametersLine,
  measured,
  moment,
  plural,
  replacementWords,
  steps,
  trialsCounted,
} from "../../../src/cli/figures.ts";
import type { Trial } from "../../../src/protocol/api.ts";
import type { PanelProps } from "../../app/page.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { constantNames } from "../../parts/constant-names.ts";
import { DataTable } from "../../parts/data-table.tsx";
import { Facts, Figures, Progress } from "../../parts/facts.tsx";
import { Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";
import { Ancestry } from "./ancestry.tsx";
import { bestColumns, bestFirst } from "./trial-columns.tsx";

const LEADERS = 8;

export function Overview({ live, children }: PanelProps & { readonly children: ReactNode }) {
  const { experiment, trials } = live;
  const { best, searcher, spent, plan, unit } = experiment;
  const leaders = useMemo(
    () => bestFirst([...trials.values()], searcher.smaller_is_better).slice(0, LEADERS),
    [trials, searcher.smaller_is_better],
  );
  const constant = useMemo(() => constantNames(trials.values()), [trials]);
  const full = plan.steps_without_early_stopping;
  return (
    <>
      <Figures
        items={[
          {
            label: "progress",
            value: <Progress value={experiment.progress} label="Progress" />,
          },
          {
            label: `best ${searcher.smaller_is_better ? "(lowest)" : "(highest)"}`,
            value: measured(best?.objective, 5),
            note: best === null ? "nothing reported yet" : <BestNote live={live} />,
          },
          {
            label: "trials",
            value: `${count(trialsCounted(experiment.trials))} of ${count(plan.trials_max)}`,
            note: tally(experiment.trials),
          },
          {
            label: `${unit} trained`,
            value: count(spent.steps),
            note: full === null ? undefined : `${count(full)} without early stopping`,
          },
          {
            label: "took",
            value: spent.seconds > 0 ? duration(spent.seconds) : "–",
            note: `${duration(spent.slot_seconds)} of slots`,
          },
        ]}
      />
      {children}
      <section>
        <h2>Best trials</h2>
        {leaders.length === 0 ? (
          <p className="dim">No trial has reported {inertMetric(searcher.metric)} yet.</p>
        ) : (
          <DataTable
            label="Best trials"
            rows={leaders}
            columns={bestColumns(experiment, constant)}
            rowKey={({ id }) => id}
            isMarked={({ id }) => id === best?.trial}
          />
        )}
        <CommandLine command={`contrail trial list ${experiment.id} --best`} />
      </section>
      <Ancestry id={experiment.id} />
      <section>
        <h2>What it is</h2>
        <Facts
          rows={[
            [
              "description",
              experiment.description ? <Inert key="d">{experiment.description}</Inert> : undefined,
            ],
            [
              "labels",
              experiment.labels.length > 0 ? (
                <Inert key="l">{experiment.labels.join(", ")}</Inert>
              ) : undefined,
            ],
            ["owner", <Inert key="o">{experiment.owner}</Inert>],
            [
              "metric",
              <span key="m">
                <Inert>{searcher.metric}</Inert>, the{" "}
                {searcher.smaller_is_better ? "lower" : "higher"} the better
              </span>,
            ],
            ["searcher", searcher.name],
            ["chosen because", <Inert key="r">{searcher.reason}</Inert>],
            ["slots", `${plural(plan.slots_per_trial, "slot")} a trial`],
            ["cost of a fixed order", spent.held === null ? undefined : heldText(spent.held)],
            [
              "code",
              experiment.code === null ? (
                "none"
              ) : (
                <code key="c">{experiment.code.slice(0, 12)}</code>
              ),
            ],
            ["created", moment(experiment.created_at)],
            ["started", experiment.started_at === null ? undefined : moment(experiment.started_at)],
            ["ended", experiment.ended_at === null ? undefined : moment(experiment.ended_at)],
            [
              "money",
              spent.money === null
                ? undefined
                : `${spent.money.amount.toFixed(2)} ${spent.money.currency}`,
            ],
            [
              "energy",
              spent.energy_kwh_estimated === null
                ? undefined
                : `${measured(spent.energy_kwh_estimated)} kWh, estimated`,
            ],
          ]}
        />
        <CommandLine command={`contrail experiment show ${experiment.id}`} />
      </section>
    </>
  );
}

const inertMetric = (metric: string): ReactNode => <Inert>{metric}</Inert>;

function BestNote({ live: { experiment, trials } }: PanelProps) {
  const { best, searcher, unit } = experiment;
  if (best === null) return null;
  const trial: Trial | undefined = trials.get(best.trial);
  return (
    <span title={trial ? hyperparametersLine(trial.hyperparameters) : ""}>
      <Inert>{searcher.metric}</Inert>, trial <TrialLink id={best.trial} /> after{" "}
      {steps(best.step, unit)}
    </span>
  );
}

function tally(trials: PanelProps["live"]["experiment"]["trials"]): string {
  const words = (["running", "queued", "paused", "completed", "canceled", "error"] as const)
    .filter((state) => trials[state] > 0)
    .map((state) => `${trials[state]} ${state === "error" ? "failed" : state}`);
  const replaced = replacementWords(trials);
  if (replaced !== undefined) words.push(replaced);
  return words.join(", ") || "none yet";
}
