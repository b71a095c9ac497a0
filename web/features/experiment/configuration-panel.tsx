/** The configuration: as it was written, and as it was resolved. */
import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { inertJson, inertLines } from "../../../src/cli/inert.ts";
import type { PanelProps } from "../../app/page.ts";
import { client } from "../../live/client.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";

const FORMS = ["written", "resolved"] as const;
const readView = (raw: RawView) => ({ form: choice(raw.form, FORMS) });

export default function ConfigurationPanel({ live: { id } }: PanelProps) {
  const [{ form }, change] = useViewState(readView);
  const detail = useQuery({
    queryKey: ["experiment", id, "detail"],
    queryFn: () => client.experiment(id),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (detail.isPending) return <Loading what="Asking for the configuration" />;
  if (detail.isError) return <Failed error={detail.error} again={() => void detail.refetch()} />;
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
            { value: "written", label: "as written" },
            { value: "resolved", label: "as resolved" },
          ]}
          value={form}
          onChange={(value) => change({ form: value === "written" ? undefined : value })}
        />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className="code" tabIndex={0}>
        <bdi>{text}</bdi>
      </pre>
      <CommandLine command={`contrail experiment show ${id} --json`} />
    </>
  );
}
