/** What became of something that a person asked for, beside the form that asked: done, or refused and what to do. */
import { Alert } from "@mantine/core";
import { inert } from "../../src/cli/inert.ts";
import { RemoteError } from "../../src/sdk/remote-error.ts";

export interface Outcome {
  readonly text: string;
  readonly failed: boolean;
}

/** A failure in one line, with the hint of the server where it has one. */
export function failureText(error: unknown): string {
  const hint = error instanceof RemoteError ? ` ${error.hint}` : "";
  return `${error instanceof Error ? error.message : String(error)}${hint}`;
}

export function Told({ outcome }: { readonly outcome: Outcome | undefined }) {
  return (
    <div role="status">
      {outcome ? (
        <Alert color={outcome.failed ? "red" : "green"} variant="light" p="xs">
          {inert(outcome.text)}
        </Alert>
      ) : null}
    </div>
  );
}
