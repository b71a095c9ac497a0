/** Labels put on many experiments, or taken off them, whatever other labels each one has. */
import { Button, Checkbox, Modal, Stack, TagsInput } from "@mantine/core";
import { useState } from "react";
import { client } from "../../live/client.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { labelFields, labelOptions } from "../../parts/label-change.ts";
import { Inert } from "../../parts/text.tsx";

export interface BulkLabelsProps {
  /** Exactly these. */
  readonly ids: readonly number[];
  /** That any of them has. */
  readonly there: readonly string[];
  readonly onClose: () => void;
  /** How many are through; undefined while nothing is done. */
  readonly done: number | undefined;
  readonly run: (act: (id: number) => Promise<unknown>) => void;
}

export function BulkLabels({ ids, there, onClose, done, run }: BulkLabelsProps) {
  const [added, setAdded] = useState<string[]>([]);
  const [removed, setRemoved] = useState<string[]>([]);
  const change = labelFields({ added, removed });
  const nothing = added.length + removed.length === 0;
  const options = labelOptions({ added, removed });
  return (
    <Modal
      opened
      onClose={() => (done === undefined ? onClose() : undefined)}
      title={`Labels: ${ids.length} experiments`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Stack gap="xs">
        <div className="bulk-ids">{ids.join(", ")}</div>
        <TagsInput
          size="xs"
          label="Put on"
          description="Enter or a comma ends one; other labels stay"
          value={added}
          onChange={setAdded}
          maxTags={100}
          data-autofocus
        />
        {there.length === 0 ? null : (
          <fieldset className="bulk-labels">
            <legend>Take off</legend>
            {there.map((label) => (
              <Checkbox
                key={label}
                size="xs"
                label={<Inert>{label}</Inert>}
                checked={removed.includes(label)}
                onChange={() =>
                  setRemoved((before) =>
                    before.includes(label)
                      ? before.filter((one) => one !== label)
                      : [...before, label],
                  )
                }
              />
            ))}
          </fieldset>
        )}
        <CommandLine
          command={`contrail experiment update ${ids.join(" ")} ${nothing ? "--add-label LABEL" : options.join(" ")}`}
        />
        <div className="bulk-run">
          {done === undefined ? null : (
            <span role="status">
              {done} of {ids.length}
            </span>
          )}
          <Button
            size="xs"
            disabled={nothing}
            loading={done !== undefined}
            onClick={() => run((id) => client.updateExperiment(id, change))}
          >
            Change these {ids.length}
          </Button>
        </div>
      </Stack>
    </Modal>
  );
}
