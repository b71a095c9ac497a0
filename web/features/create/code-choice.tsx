/** Which code runs: that of the experiment one began with, a folder of one's own machine, or none. */
import { Alert, Button, Group, Progress } from "@mantine/core";
import { useRef, useState } from "react";
import { bytes } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Tree } from "../../../src/protocol/runner-wire.ts";
import { type FolderProgress, snapshotOf } from "./folder.ts";

export type CodeChosen =
  | { readonly kind: "none" }
  | { readonly kind: "reused" | "folder"; readonly tree: Tree };

export interface CodeChoiceProps {
  readonly chosen: CodeChosen;
  readonly reusable: { readonly hash: string; readonly tree: Tree } | null;
  readonly from: number | undefined;
  readonly onChange: (chosen: CodeChosen) => void;
}

export function CodeChoice({ chosen, reusable, from, onChange }: CodeChoiceProps) {
  const input = useRef<HTMLInputElement>(null);
  const [progress, setProgress] = useState<FolderProgress>();
  const [failure, setFailure] = useState<string>();
  const pick = async (files: readonly File[]): Promise<void> => {
    if (files.length === 0) return;
    setFailure(undefined);
    setProgress({ what: "reading", done: 0, total: files.length });
    try {
      onChange({ kind: "folder", tree: await snapshotOf(files, setProgress) });
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    } finally {
      setProgress(undefined);
      // The same folder can be chosen again after a change in it.
      if (input.current) input.current.value = "";
    }
  };
  return (
    <>
      <div>{describe(chosen, from)}</div>
      <Group gap="xs">
        <input
          ref={input}
          type="file"
          multiple
          hidden
          aria-label="Folder of the code"
          {...{ webkitdirectory: "" }}
          onChange={(event) => void pick([...(event.currentTarget.files ?? [])])}
        />
        <Button
          size="compact-xs"
          variant="default"
          loading={progress !== undefined}
          onClick={() => input.current?.click()}
        >
          Choose a folder
        </Button>
        {reusable && chosen.kind !== "reused" ? (
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => onChange({ kind: "reused", tree: reusable.tree })}
          >
            Code of experiment {from}
          </Button>
        ) : null}
        {chosen.kind === "none" ? null : (
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            onClick={() => onChange({ kind: "none" })}
          >
            No code
          </Button>
        )}
      </Group>
      <div role="status">
        {progress ? (
          <>
            {progress.what === "reading" ? "Reading" : "Sending"} {progress.done} of{" "}
            {progress.total} files
            <Progress
              size="sm"
              value={(100 * progress.done) / Math.max(1, progress.total)}
              aria-label="Upload of the folder"
            />
          </>
        ) : null}
      </div>
      {failure === undefined ? null : (
        <Alert color="red" variant="light" p="xs" role="alert">
          {inert(failure)}
        </Alert>
      )}
    </>
  );
}

function describe(chosen: CodeChosen, from: number | undefined): string {
  if (chosen.kind === "none")
    return "None: the command in entrypoint must find what it needs by itself.";
  const size = bytes(chosen.tree.reduce((sum, entry) => sum + entry.size, 0));
  const count = chosen.tree.length;
  const what = `${count} ${count === 1 ? "file" : "files"}, ${size}`;
  return chosen.kind === "reused"
    ? `That of experiment ${from}: ${what}.`
    : `The folder that you chose: ${what}.`;
}
