/**
 * The same act on many experiments: on exactly those whose numbers are shown, one after the other, and each that
 * refuses is named with its reason. A request that means "all that fit the filter" was refused: what fits it may have
 * changed between looking and clicking.
 */
import { Alert, Button, Group, Modal, Stack } from "@mantine/core";
import { useState } from "react";
import { inert } from "../../../src/cli/inert.ts";
import type { Experiment, ExperimentAct } from "../../../src/protocol/api.ts";
import type { Verb } from "../../../src/sdk/client.ts";
import { client } from "../../live/client.ts";
import { actOn } from "../../live/experiment.ts";
import { queries } from "../../live/queries.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { applyToEach, type Failure } from "./apply-to-each.ts";
import { BulkLabels } from "./bulk-labels.tsx";

/** Which of the three lists the rows are of: each has its own acts. */
export type Shown = "current" | "archived" | "deleted";

interface Act {
  readonly verb: Verb | ExperimentAct;
  readonly label: string;
  readonly meaning: string;
  readonly danger?: boolean;
}

const DELETE: Act = {
  ...{ verb: "delete", label: "Delete", danger: true },
  meaning: "They leave every list. For a while they can be restored from the deleted ones.",
};

const CURRENT: readonly Act[] = [
  { verb: "pause", label: "Pause", meaning: "Their trials save and give their slots back." },
  { verb: "activate", label: "Go on", meaning: "Their trials wait for slots and go on." },
  {
    ...{ verb: "cancel", label: "Cancel", danger: true },
    meaning: "They end, checkpoints saved. They cannot go on afterwards.",
  },
  {
    ...{ verb: "kill", label: "Kill", danger: true },
    meaning: "They end at once. What was done after the last checkpoint is lost.",
  },
  { verb: "archive", label: "Archive", meaning: "Those that are over leave the usual list." },
  DELETE,
];

const ACTS: Readonly<Record<Shown, readonly Act[]>> = {
  current: CURRENT,
  archived: [
    { verb: "unarchive", label: "Unarchive", meaning: "They come back to the usual list." },
    DELETE,
  ],
  deleted: [{ verb: "restore", label: "Restore", meaning: "They are there again, whole." }],
};

const isVerb = (verb: Act["verb"]): verb is Verb =>
  ["pause", "activate", "cancel", "kill"].includes(verb);

interface Outcome {
  readonly label: string;
  readonly done: number;
  readonly failures: readonly Failure[];
}

export interface BulkProps {
  /** The chosen rows. */
  readonly rows: readonly Experiment[];
  readonly shown: Shown;
  readonly onClear: () => void;
}

export function BulkActions({ rows, shown, onClear }: BulkProps) {
  const ids = rows.map(({ id }) => id);
  /** What the labels are put on stays as it was when the dialog opened, whatever is chosen or moves meanwhile. */
  const [labelled, setLabelled] = useState<readonly Experiment[]>();
  const [chosen, setChosen] = useState<{ readonly act: Act; readonly ids: readonly number[] }>();
  const [done, setDone] = useState<number>();
  const [outcome, setOutcome] = useState<Outcome>();
  const run = async (
    label: string,
    meant: readonly number[],
    apply: (id: number) => Promise<unknown>,
  ): Promise<void> => {
    setDone(0);
    const failures = await applyToEach(meant, apply, setDone);
    setDone(undefined);
    setChosen(undefined);
    setLabelled(undefined);
    setOutcome({ label, done: meant.length - failures.length, failures });
    void queries.invalidateQueries({ queryKey: ["experiments"] });
  };
  return (
    <div className="bulk" role="group" aria-label="Selected experiments">
      <Group gap={6}>
        <span aria-live="polite">
          {ids.length === 0 ? "None selected" : `${ids.length} selected`}
        </span>
        {ACTS[shown].map((act) => (
          <Button
            key={act.verb}
            size="compact-xs"
            variant="default"
            disabled={ids.length === 0}
            {...(act.danger && ids.length > 0 ? { c: "var(--bad)" } : {})}
            onClick={() => setChosen({ act, ids })}
          >
            {act.label}
          </Button>
        ))}
        {shown === "deleted" ? null : (
          <Button
            size="compact-xs"
            variant="default"
            disabled={ids.length === 0}
            onClick={() => setLabelled(rows)}
          >
            Labels
          </Button>
        )}
        {ids.length === 0 ? null : (
          <Button size="compact-xs" variant="subtle" color="gray" onClick={onClear}>
            Select none
          </Button>
        )}
      </Group>
      {outcome ? <OutcomeShown outcome={outcome} onClose={() => setOutcome(undefined)} /> : null}
      {labelled === undefined ? null : (
        <BulkLabels
          ids={labelled.map(({ id }) => id)}
          there={[...new Set(labelled.flatMap(({ labels }) => labels))].toSorted()}
          done={done}
          onClose={() => setLabelled(undefined)}
          run={(apply) =>
            void run(
              "Labels",
              labelled.map(({ id }) => id),
              apply,
            )
          }
        />
      )}
      <Modal
        opened={chosen !== undefined}
        onClose={() => (done === undefined ? setChosen(undefined) : undefined)}
        title={chosen ? `${chosen.act.label}: ${chosen.ids.length} experiments` : ""}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {chosen ? (
          <Stack gap="xs">
            <div>{chosen.act.meaning}</div>
            <div className="bulk-ids">{chosen.ids.join(", ")}</div>
            <CommandLine
              command={`contrail experiment ${chosen.act.verb} ${chosen.ids.join(" ")}`}
            />
            <Group gap="xs" justify="flex-end">
              {done === undefined ? null : (
                <span role="status">
                  {done} of {chosen.ids.length}
                </span>
              )}
              <Button
                size="xs"
                loading={done !== undefined}
                {...(chosen.act.danger ? { color: "red.9" } : {})}
                onClick={() =>
                  void run(chosen.act.label, chosen.ids, (id) => act(id, chosen.act.verb))
                }
                data-autofocus
              >
                {chosen.act.label} these {chosen.ids.length}
              </Button>
            </Group>
          </Stack>
        ) : null}
      </Modal>
    </div>
  );
}

function OutcomeShown({
  outcome: { label, done, failures },
  onClose,
}: {
  readonly outcome: Outcome;
  readonly onClose: () => void;
}) {
  return (
    <Alert
      color={failures.length > 0 ? "red" : "green"}
      variant="light"
      p="xs"
      role={failures.length > 0 ? "alert" : "status"}
      withCloseButton
      closeButtonLabel="Close"
      onClose={onClose}
      title={`${label}: done for ${done}${failures.length > 0 ? `, refused for ${failures.length}` : ""}`}
    >
      {failures.map(({ id, reason }) => (
        <div key={id}>
          {id}: {inert(reason)}
        </div>
      ))}
    </Alert>
  );
}

async function act(id: number, verb: Act["verb"]): Promise<void> {
  if (isVerb(verb)) await client.changeExperiment(id, verb);
  else await actOn(id, verb);
}
