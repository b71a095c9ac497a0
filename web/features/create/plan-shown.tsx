/** What a configuration would do, before it does: trials by rung, the least and most work, and what was chosen for one. */
import { Alert } from "@mantine/core";
import { inert } from "../../../src/cli/inert.ts";
import { layerLines } from "../../../src/cli/layer-view.ts";
import type { CreateExperimentReply, Plan } from "../../../src/protocol/api.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Facts } from "../../parts/facts.tsx";
import { Inert } from "../../parts/text.tsx";

type RungPlan = Plan["rungs"][number];

const columns: readonly Column<RungPlan>[] = [
  { id: "bracket", head: "bracket", width: "72px", align: "right", cell: ({ bracket }) => bracket },
  { id: "rung", head: "rung", width: "64px", align: "right", cell: ({ rung }) => rung },
  { id: "step", head: "up to step", width: "84px", align: "right", cell: ({ step }) => step },
  {
    id: "trials",
    head: "trials",
    width: "minmax(64px, 1fr)",
    align: "right",
    cell: ({ trials }) => trials,
  },
] as readonly Column<RungPlan>[];

export function PlanShown({ reply }: { readonly reply: CreateExperimentReply }) {
  const { plan, searcher_reason: reason, warnings, layers } = reply;
  return (
    <>
      <Facts
        rows={[
          ["searcher", <Inert key="searcher">{reason}</Inert>],
          ["trials at most", String(plan.trials_max)],
          ["steps", stepsOf(plan)],
          ["slots", `${plan.slots_per_trial} for each trial, of ${plan.slots}`],
        ]}
      />
      {layerLines(layers).map((line) => (
        <p key={line}>{line}</p>
      ))}
      {plan.rungs.length === 0 ? null : (
        <DataTable
          label="Trials by rung"
          rows={plan.rungs}
          columns={columns}
          rowKey={({ bracket, rung }) => `${bracket}.${rung}`}
        />
      )}
      {warnings.map(({ message, line }) => (
        <Alert key={`${line} ${message}`} color="yellow" variant="light" p="xs">
          {line === undefined ? "" : `line ${line}: `}
          {inert(message)}
        </Alert>
      ))}
    </>
  );
}

function stepsOf({ steps_min: least, steps_max: most }: Plan): string {
  if (most === null) return "no limit";
  return least === most ? String(most) : `${least} to ${most}`;
}
