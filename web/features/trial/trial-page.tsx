/** One trial: how it stands and why, what it reported, wrote and saved, and everything that it came from. */
import { Tabs } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { type ComponentType, lazy, Suspense, useEffect } from "react";
import { silentText } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import { Actions } from "../../parts/actions.tsx";
import { useCopyActions } from "../../parts/copy-actions.ts";
import { TrialState } from "../../parts/silent.tsx";
import { Boundary, Empty, Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { VerdictBadge } from "../../parts/verdict-badge.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import { trialActions } from "./trial-actions.ts";
import "./trial.css";
import { type TrialPanelProps, useTrial } from "./use-trial.ts";

interface Panel {
  readonly id: string;
  readonly label: string;
  readonly Content: ComponentType<TrialPanelProps>;
}

const panel = (
  id: string,
  label: string,
  load: () => Promise<{ readonly default: ComponentType<TrialPanelProps> }>,
): Panel => ({ id, label, Content: lazy(load) });

const PANELS: readonly Panel[] = [
  panel("overview", "Overview", () => import("./overview.tsx")),
  panel("metrics", "Metrics", () => import("./metrics-panel.tsx")),
  panel("logs", "Logs", () => import("./logs-panel.tsx")),
  panel("checkpoints", "Checkpoints", () => import("./checkpoints-panel.tsx")),
  panel("code", "Code", () => import("./code-panel.tsx")),
  panel("configuration", "Configuration", () => import("./configuration-panel.tsx")),
  panel("environment", "Environment", () => import("./environment-panel.tsx")),
  panel("events", "Events", () => import("./events-panel.tsx")),
];

const readView = (raw: RawView) => ({ tab: raw.tab ?? "overview" });

export default function TrialPage() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  if (!/^[1-9]\d{0,9}\.[1-9]\d{0,9}$/.test(id))
    return (
      <Empty title={`“${inert(id.slice(0, 60))}” is not the id of a trial`}>
        Trials are written EXPERIMENT.NUMBER, such as 3.12.{" "}
        <Link to={"/experiments" as string}>All experiments</Link>
      </Empty>
    );
  return <OneTrial key={id} id={id} />;
}

function OneTrial({ id }: { readonly id: string }) {
  const state = useTrial(id);
  const experiment = Number(id.split(".")[0]);
  useEffect(() => {
    document.title = `Trial ${id} · Contrail`;
  }, [id]);
  if (state.status === "loading") return <Loading what={`Asking for trial ${id}`} />;
  if (state.status === "failed") return <Failed error={state.error} again={state.again} />;
  if (state.status === "missing")
    return (
      <Empty title={`There is no trial ${id}`}>
        <Link to={`/experiments/${experiment}` as string} search={{ tab: "trials" } as never}>
          The trials of experiment {experiment}
        </Link>
      </Empty>
    );
  return <Shown live={state.live} />;
}

/** What belongs to one tab is gone from the address with it. */
const OF_TABS = [
  ...["line", "follow", "contains", "stream", "rank", "since", "until", "times"],
  ...["file", "checkpoint", "form", "scale", "superseded", "metric", "order"],
  ...["run", "find"],
];

function Shown({ live }: TrialPanelProps) {
  const [{ tab }, change] = useViewState(readView);
  const copies = useCopyActions();
  const { trial, experiment } = live;
  const chosen = PANELS.find(({ id }) => id === tab) ?? (PANELS[0] as Panel);
  const go = (value: string | null): void => {
    const cleared = Object.fromEntries(OF_TABS.map((name) => [name, undefined]));
    const to = value === null || value === "overview" ? undefined : value;
    change({ ...cleared, tab: to }, { push: true });
  };
  return (
    <>
      <header className="page-head">
        <div className="page-title">
          <h1>
            <span className="dim">Trial</span> {trial.id}
          </h1>
          <span className="trial-of">
            of{" "}
            <Link to={`/experiments/${experiment.id}` as string} className="row-link">
              {experiment.id} <Inert>{experiment.name}</Inert>
            </Link>
            ,{" "}
            <Link to={`/lineage/trial:${trial.id}` as string} className="plain-link">
              lineage
            </Link>
          </span>
          <TrialState trial={trial} />
          {trial.verdict === null ? null : (
            <VerdictBadge state={trial.verdict.state} text={trial.verdict.text} />
          )}
          <span className="dim reason">
            <Inert>{trial.silent ? silentText(trial.silent) : trial.reason}</Inert>
          </span>
        </div>
        <Actions actions={trialActions(trial, copies)} />
      </header>
      <Tabs value={chosen.id} onChange={go} keepMounted={false}>
        <Tabs.List>
          {PANELS.map(({ id, label }) => (
            <Tabs.Tab key={id} value={id}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={chosen.id} pt="md">
          <Boundary what={chosen.label} key={chosen.id}>
            <Suspense fallback={<Loading what={`Loading ${chosen.label.toLowerCase()}`} />}>
              <chosen.Content live={live} />
            </Suspense>
          </Boundary>
        </Tabs.Panel>
      </Tabs>
    </>
  );
}
