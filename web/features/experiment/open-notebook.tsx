/** The button on a notebook's page that opens the notebook itself. */
import { Button } from "@mantine/core";
import { useState } from "react";
import type { Experiment } from "../../../src/protocol/api.ts";
import { openTaskWindow } from "../../parts/task-window.ts";
import { Inert } from "../../parts/text.tsx";

export function OpenNotebook({ experiment }: { readonly experiment: Experiment }) {
  const [trouble, setTrouble] = useState<string | null>(null);
  if (experiment.task?.kind !== "notebook" || experiment.trials.running === 0) return null;
  const open = (): void => {
    setTrouble(null);
    openTaskWindow(experiment.id).catch((error: Error) => setTrouble(error.message));
  };
  return (
    <>
      <Button size="xs" onClick={open}>
        Open notebook
      </Button>
      {trouble === null ? null : (
        <span role="alert" className="reason">
          <Inert>{trouble}</Inert>
        </span>
      )}
    </>
  );
}
