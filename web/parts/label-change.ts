/** Labels put on and taken off, whatever others there are: as the API and the command take it. */
import { quoted } from "./command-line.tsx";

export interface LabelChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export const labelFields = ({ added, removed }: LabelChange) => ({
  ...(added.length === 0 ? {} : { add_labels: [...added] }),
  ...(removed.length === 0 ? {} : { remove_labels: [...removed] }),
});

export const labelOptions = ({ added, removed }: LabelChange): string[] => [
  ...(added.length === 0 ? [] : ["--add-label", ...added.map(quoted)]),
  ...(removed.length === 0 ? [] : ["--remove-label", ...removed.map(quoted)]),
];
