/** What all trials write, in the order in which it came; or one of them. */
import type { PanelProps } from "../../app/page.ts";
import LogViewer, { Typed } from "../../logs/log-viewer.tsx";
import { Inert } from "../../parts/text.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";

const readView = (raw: RawView) => ({ trial: raw.trial });

export default function LogsPanel({ live: { id, experiment, trials } }: PanelProps) {
  const [{ trial: typed }, change] = useViewState(readView);
  const trial = typed === undefined ? undefined : trials.get(trialId(id, typed));
  return (
    <>
      {typed !== undefined && !trial ? (
        <p role="alert" className="log-bad">
          Experiment {id} has no trial “<Inert>{typed.slice(0, 40)}</Inert>”; all are shown.
        </p>
      ) : null}
      <LogViewer
        subject={trial ? { trial: trial.id } : { experiment: id }}
        isOver={(trial ?? experiment).ended_at !== null}
        ranks={experiment.plan.slots_per_trial}
      >
        <Typed
          name="Trial"
          placeholder="all trials"
          value={typed ?? ""}
          onEnter={(text) =>
            change({ trial: text === "" ? undefined : text, line: undefined }, { push: true })
          }
          className="log-of-trial"
        />
      </LogViewer>
    </>
  );
}

/** "12" and "3.12" are the same trial of experiment 3. */
const trialId = (experiment: number, typed: string): string =>
  typed.includes(".") ? typed : `${experiment}.${typed}`;
