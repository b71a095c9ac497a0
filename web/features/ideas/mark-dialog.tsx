/** A thread is made: a run that turned out to matter gets a name, and why. */
import { Button, Modal, Stack, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { inert } from "../../../src/cli/inert.ts";
import type { Idea } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { CommandLine, quoted } from "../../parts/command-line.tsx";
import { failureText, Told } from "../../parts/told.tsx";

export function MarkDialog(props: {
  readonly idea: Idea;
  readonly onClose: () => void;
  readonly onMarked: () => void;
}) {
  const { idea, onClose, onMarked } = props;
  const [name, setName] = useState("");
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string>();
  const { experiment } = idea;
  const mark = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setFailure(undefined);
    try {
      await client.markThread({ experiment, name: name.trim(), note: note.trim() });
      onMarked();
    } catch (error) {
      setFailure(failureText(error));
    } finally {
      setBusy(false);
    }
  };
  const option = note.trim() === "" ? "" : ` --note ${quoted(note.trim())}`;
  return (
    <Modal
      opened
      onClose={onClose}
      title={`Mark ${experiment} ${inert(idea.name)}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form onSubmit={(event) => void mark(event)}>
        <Stack gap="xs">
          <div>It and the way that led there are a thread from then on.</div>
          <TextInput
            size="xs"
            label="Name of the thread"
            maxLength={200}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
          <Textarea
            size="xs"
            label="Why it matters"
            autosize
            minRows={2}
            maxRows={8}
            maxLength={10_000}
            value={note}
            onChange={(event) => setNote(event.currentTarget.value)}
          />
          <CommandLine
            command={`contrail ideas mark ${experiment} ${quoted(name.trim() || "NAME")}${option}`}
          />
          <Told outcome={failure === undefined ? undefined : { text: failure, failed: true }} />
          <div className="mark-run">
            <Button size="xs" type="submit" loading={busy} disabled={name.trim() === ""}>
              Mark
            </Button>
          </div>
        </Stack>
      </form>
    </Modal>
  );
}
