/** Copies that can be run: a fork of anything, and a trial run again to be compared. Both lead to what they made. */
import { useNavigate } from "@tanstack/react-router";
import { client } from "../live/client.ts";
import type { Action } from "./actions.tsx";
import { useIntent } from "./intent.ts";

export interface CopyActions {
  readonly fork: (of: number | string) => Action;
  readonly replay: (trial: string) => Action;
}

export function useCopyActions(): CopyActions {
  const navigate = useNavigate();
  const intent = useIntent();
  const go = (experiment: number): Promise<void> =>
    navigate({ to: "/experiments/$id" as string, params: { id: String(experiment) } as never });
  const edit = (of: number | string): Promise<void> =>
    navigate({ to: "/create" as string, search: { fork: String(of) } as never });
  return {
    fork: (of) => ({
      label: "Fork",
      meaning:
        "A runnable copy with its code, data, settings and seeds. It starts at once, unless something is to be changed in it first.",
      command: `contrail fork ${of}`,
      other: { label: "Change it first", run: () => edit(of) },
      run: async () => {
        const { experiment } = await intent.once(["fork", of], (key) =>
          client.fork({ of: String(of) }, key),
        );
        if (experiment) await go(experiment.id);
      },
    }),
    replay: (trial) => ({
      label: "Replay",
      meaning:
        "It is run again from its record, and its checkpoints are compared with the new ones, parameter by parameter.",
      command: `contrail replay ${trial}`,
      run: async () => {
        const { experiment, reasons } = await intent.once(["replay", trial], (key) =>
          client.replay(trial, {}, key),
        );
        if (experiment === null) throw new Error(`It is not comparable: ${reasons.join("; ")}`);
        await go(experiment.id);
      },
    }),
  };
}
