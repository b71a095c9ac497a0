/** One experiment: its figures, then tabs. Other features add tabs of their own (app/page.ts, ExperimentPanel). */
import { Tabs } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { type ComponentType, lazy, Suspense, useEffect } from "react";
import { moment } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Experiment } from "../../../src/protocol/api.ts";
import type { ExperimentPanel, PanelProps } from "../../app/page.ts";
import { panels } from "../../app/registry.ts";
import { type ExperimentLive, useExperiment } from "../../live/experiment.ts";
import { Actions } from "../../parts/actions.tsx";
import { useCopyActions } from "../../parts/copy-actions.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Boundary, Empty, Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { VerdictBadge } from "../../parts/verdict-badge.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import { experimentActions } from "./experiment-actions.ts";
import { OpenNotebook } from "./open-notebook.tsx";
import { Overview } from "./overview.tsx";

const readView = (raw: RawView) => ({ tab: raw.tab ?? "overview" });

export default function ExperimentPage() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  if (!/^[1-9]\d{0,9}$/.test(id))
    return (
      <Empty title={`“${inert(id.slice(0, 60))}” is not the number of an experiment`}>
        <Link to={"/experiments" as string}>All experiments</Link>
      </Empty>
    );
  return <OneExperiment key={id} id={Number(id)} />;
}

function OneExperiment({ id }: { readonly id: number }) {
  const state = useExperiment(id);
  const [{ tab }] = useViewState(readView);
  // The files of what will be drawn come while the experiment itself is on its way.
  useEffect(() => {
    for (const panel of panels)
      if (panel.id === tab || (panel.onOverview && tab === "overview"))
        void panel.load().catch(() => {});
  }, [tab]);
  const name = state.status === "ready" ? state.live.experiment.name : undefined;
  useEffect(() => {
    if (name !== undefined) document.title = `${id} ${inert(name)} · Contrail`;
  }, [id, name]);
  if (state.status === "loading") return <Loading what={`Asking for experiment ${id}`} />;
  if (state.status === "failed") return <Failed error={state.error} again={state.again} />;
  return <Shown live={state.live} />;
}

function Shown({ live }: PanelProps) {
  const [{ tab }, change] = useViewState(readView);
  const copies = useCopyActions();
  const { experiment } = live;
  const chosen = panels.find(({ id }) => id === tab);
  return (
    <>
      <header className="page-head">
        <div className="page-title">
          <h1>
            <span className="dim">{experiment.id}</span> <Inert>{experiment.name}</Inert>
          </h1>
          <StateBadge state={experiment.state} />
          <PutAway experiment={experiment} />
          {experiment.verdict === null ? null : <VerdictBadge state={experiment.verdict.state} />}
          <OpenNotebook experiment={experiment} />
          <span className="dim reason">
            <Inert>{experiment.reason}</Inert>
          </span>
        </div>
        <Actions actions={experimentActions(experiment, copies)} />
      </header>
      <Tabs
        value={chosen?.id ?? "overview"}
        onChange={(value) =>
          change(
            { tab: value === "overview" || value === null ? undefined : value },
            { push: true },
          )
        }
        keepMounted={false}
      >
        <Tabs.List>
          <Tabs.Tab value="overview">Overview</Tabs.Tab>
          {panels.map(({ id, label }) => (
            <Tabs.Tab key={id} value={id}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="overview" pt="md">
          <Overview live={live}>
            {panels
              .filter(({ onOverview }) => onOverview)
              .map((panel) => (
                <Panel key={panel.id} panel={panel} live={live} />
              ))}
          </Overview>
        </Tabs.Panel>
        {chosen === undefined ? null : (
          <Tabs.Panel value={chosen.id} pt="md">
            <Panel panel={chosen} live={live} />
          </Tabs.Panel>
        )}
      </Tabs>
    </>
  );
}

/** Where it is not in the usual list. */
function PutAway({
  experiment: { archived_at: archived, deleted },
}: {
  readonly experiment: Experiment;
}) {
  if (deleted !== null)
    return (
      <span className="badge badge-bad" title={`by ${inert(deleted.by)}`}>
        deleted, to be restored until {moment(deleted.restorable_until)}
      </span>
    );
  return archived === null ? null : <span className="badge badge-off">archived</span>;
}

const loaded = new Map<string, ComponentType<PanelProps>>();

function Panel({
  panel,
  live,
}: {
  readonly panel: ExperimentPanel;
  readonly live: ExperimentLive;
}) {
  const Loaded = loaded.get(panel.id) ?? lazy(panel.load);
  loaded.set(panel.id, Loaded);
  return (
    <Boundary what={panel.label}>
      <Suspense fallback={<Loading what={`Loading ${panel.label.toLowerCase()}`} />}>
        <Loaded live={live} />
      </Suspense>
    </Boundary>
  );
}
