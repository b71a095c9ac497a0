/** Where a trial came from, as it was recorded: what submitted it, the data it was given, the seeds. */
import type { Json } from "../../../src/base/json.ts";
import { inert } from "../../../src/cli/inert.ts";
import { useExperimentDetail } from "../../live/experiment-detail.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { Facts } from "../../parts/facts.tsx";
import { flatten, word } from "../../parts/paths.ts";
import { Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import type { TrialPanelProps } from "./use-trial.ts";

export default function EnvironmentPanel({ live: { experiment, trial } }: TrialPanelProps) {
  const detail = useExperimentDetail(experiment.id);
  if (detail.isPending) return <Loading what="Asking for the record" />;
  if (!detail.data) return <Failed error={detail.error} again={() => void detail.refetch()} />;
  const { provenance, data, seed, config } = detail.data;
  const { environment, resources } = config as { environment?: Json; resources?: Json };
  return (
    <>
      <section>
        <h2>Submitted from</h2>
        <Recorded value={provenance} none="The client that submitted it told nothing." />
      </section>
      <section>
        <h2>Data</h2>
        <Recorded value={data} none="It was given no dataset by name and version." />
      </section>
      <section>
        <h2>Environment of its processes</h2>
        <Recorded value={environment ?? {}} none="Nothing beyond what the runner has." />
      </section>
      <section>
        <h2>Resources and seeds</h2>
        <Recorded
          value={{
            ...(resources === undefined ? {} : { resources }),
            seed_of_experiment: seed,
            seed_of_trial: trial.seed,
          }}
          none=""
        />
      </section>
      <CommandLine command={`contrail experiment show ${experiment.id} --json`} />
    </>
  );
}

function Recorded({ value, none }: { readonly value: Json; readonly none: string }) {
  const rows = [...flatten(value)].filter(([path, one]) => path !== "" && !isNothing(one));
  if (rows.length === 0) return <p className="dim">{none}</p>;
  return (
    <div className="recorded">
      <Facts
        rows={rows.map(([path, one]) => [
          inert(path),
          <span key="v" className="mono">
            <Inert>{word(one)}</Inert>
          </span>,
        ])}
      />
    </div>
  );
}

/** Empty groups say nothing here. */
const isNothing = (value: Json): boolean =>
  value === null || (typeof value === "object" && Object.keys(value).length === 0);
