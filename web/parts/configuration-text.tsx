/** A configuration to read: as it was resolved, or as it was written, and who gave what its author did not write. */
import { SegmentedControl } from "@mantine/core";
import { inertJson, inertLines } from "../../src/cli/inert.ts";
import { layerLines } from "../../src/cli/layer-view.ts";
import type { ExperimentDetail } from "../../src/protocol/api.ts";
import { CommandLine } from "./command-line.tsx";
import { type RawView, useViewState } from "./view-state.ts";

const FORMS = ["written", "resolved"] as const;
type Form = (typeof FORMS)[number];
const LABELS: Readonly<Record<Form, string>> = { written: "as written", resolved: "as resolved" };
const readView = (raw: RawView) => ({ form: FORMS.find((form) => form === raw.form) });

/** @param props.first the form that is shown where the address names none */
export function ConfigurationText(props: { detail: ExperimentDetail; first: Form }) {
  const { detail, first } = props;
  const [{ form = first }, change] = useViewState(readView);
  const text =
    form === "written" ? inertLines(detail.config_text).join("\n") : inertJson(detail.config, 2);
  const order = first === "written" ? FORMS : FORMS.toReversed();
  return (
    <>
      <div className="filters">
        <SegmentedControl
          size="xs"
          aria-label="Form"
          data={order.map((value) => ({ value, label: LABELS[value] }))}
          value={form}
          onChange={(value) => change({ form: value === first ? undefined : value })}
        />
      </div>
      {layerLines(detail.layers).map((line) => (
        <p key={line}>{line}</p>
      ))}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className="code" tabIndex={0}>
        <bdi>{text}</bdi>
      </pre>
      <CommandLine command={`contrail experiment show ${detail.id} --config`} />
    </>
  );
}
