/**
 * Buttons that change something. Each shows the command that does the same; what cannot be undone asks first; a refusal
 * stands beside the button, with what to do about it.
 */
import { Alert, Button, Group, Popover, Stack } from "@mantine/core";
import { useState } from "react";
import { inert } from "../../src/cli/inert.ts";
import type { Verb } from "../../src/sdk/client.ts";
import { RemoteError } from "../../src/sdk/remote-error.ts";
import { CommandLine } from "./command-line.tsx";

export interface Action {
  readonly label: string;
  /** What it will do, in a sentence. */
  readonly meaning: string;
  readonly command: string;
  readonly danger?: boolean;
  readonly run: () => Promise<unknown>;
  /** Another way to do it, such as with changes. */
  readonly other?: { readonly label: string; readonly run: () => Promise<unknown> };
}

/** Of the buttons; the smaller one is for rows of a table. */
type Size = "xs" | "compact-xs";

/** Makes actions of the verbs that experiments and trials have, with the command that does the same. */
export const verbActions =
  (noun: "experiment" | "trial", id: number | string, change: (verb: Verb) => Promise<unknown>) =>
  (verb: Verb, label: string, meaning: string, danger = false): Action => ({
    ...{ label, meaning, danger },
    command: `contrail ${noun} ${verb} ${id}`,
    run: () => change(verb),
  });

export function Actions({
  actions,
  size = "xs",
}: {
  readonly actions: readonly Action[];
  readonly size?: Size;
}) {
  const [failure, setFailure] = useState<unknown>();
  return (
    <Stack gap={6} align="flex-end">
      <Group gap={6}>
        {actions.map((action) => (
          <ActionButton key={action.label} action={action} size={size} onFailure={setFailure} />
        ))}
      </Group>
      {failure === undefined ? null : (
        <Alert
          color="red"
          variant="light"
          p="xs"
          role="alert"
          withCloseButton
          closeButtonLabel="Close"
          onClose={() => setFailure(undefined)}
          title={inert(failure instanceof Error ? failure.message : String(failure))}
        >
          {failure instanceof RemoteError ? inert(failure.hint) : null}
        </Alert>
      )}
    </Stack>
  );
}

function ActionButton({
  action,
  size,
  onFailure,
}: {
  readonly action: Action;
  readonly size: Size;
  readonly onFailure: (error: unknown) => void;
}) {
  const [opened, setOpened] = useState(false);
  const [busy, setBusy] = useState(false);
  const color = action.danger ? "red.9" : undefined;
  const run = async (): Promise<void> => {
    setBusy(true);
    onFailure(undefined);
    try {
      await action.run();
      setOpened(false);
    } catch (error) {
      onFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Popover
      opened={opened}
      onChange={setOpened}
      position="bottom-end"
      withArrow
      shadow="md"
      trapFocus
      returnFocus
    >
      <Popover.Target>
        <Button
          size={size}
          variant="default"
          {...(color ? { c: "var(--bad)" } : {})}
          onClick={() => setOpened((open) => !open)}
        >
          {action.label}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="xs" maw={360}>
          <div>{action.meaning}</div>
          <CommandLine command={action.command} />
          <Group gap="xs" justify="flex-end">
            <Button size="xs" variant="subtle" color="gray" onClick={() => setOpened(false)}>
              Not now
            </Button>
            {action.other === undefined ? null : (
              <Button size="xs" variant="default" onClick={() => void action.other?.run()}>
                {action.other.label}
              </Button>
            )}
            <Button
              size="xs"
              {...(color ? { color } : {})}
              loading={busy}
              onClick={() => void run()}
              data-autofocus
            >
              {action.label}
            </Button>
          </Group>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
