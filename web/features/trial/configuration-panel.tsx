/** The configuration of the trial's experiment: as it was resolved, and as it was written. */
import { SegmentedControl } from "@mantine/core";
import { inertJson, inertLines } from "../../../src/cli/inert.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import { type TrialPanelProps, useExperimentDetail } from "./use-trial.ts";

const FORMS = ["resolved", "written"] as const;
const readView = (raw: RawView) => ({ form: choice(raw.form, FORMS) });

export default function ConfigurationPanel({ live: { experiment } }: TrialPanelProps) {
  const [{ form }, change] = useViewState(readView);
  const detail = useExperimentDetail(experiment.id);
  if (detail.isPending) return <Loading what="Asking for the configuration" />;
  if (!detail.data) return <Failed error={detail.error} again={() => void detail.refetch()} />;
  const text =
    form === "written"
      ? inertLines(detail.data.config_text).join("\n")
      : inertJson(detail.data.config, 2);
  return (
    <>
      <div className="filters">
        <SegmentedControl
          size="xs"
          aria-label="Form"
          data={[
            { value: "resolved", label: "as resolved" },
            { value: "written", label: "as written" },
          ]}
          value={form}
          onChange={(value) => change({ form: value === "resolved" ? undefined : value })}
        />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className="code" tabIndex={0}>
        <bdi>{text}</bdi>
      </pre>
      <CommandLine command={`contrail experiment show ${experiment.id} --json`} />
    </>
  );
}
