/**
 * What people change of an experiment while it lives and after it: its name, words about it, its place in the queue. None
 * of it touches the search. Each field that really changes is one entry in the log of changes, with what it was before,
 * in the transaction that changes it.
 */
import { LABELS_MAX, type UpdateExperiment } from "../protocol/api.ts";
import { ContrailError } from "../protocol/errors.ts";
import { changeDescription, type DescriptionColumns } from "../store/experiment-description.ts";
import { storable } from "../store/storable.ts";
import type { RouteContext } from "./http/context.ts";

const SHOWN_CHARS_MAX = 120;

/** @throws ContrailError conflict where a priority is set of one that is over, before anything is changed */
export async function updateExperiment(
  { loop }: Pick<RouteContext, "loop">,
  { id, body, actor }: { id: number; body: UpdateExperiment; actor: string },
): Promise<void> {
  const columns = columnsOf(body);
  await loop.submit({
    name: "update experiment",
    run: (world, turn) => {
      const live = world.experiments.get(id);
      const relabel = relabelling(body);
      if (columns.priority !== undefined && (!live || live.x.core.endedAtMs !== null))
        throw new ContrailError(
          "conflict",
          `experiment ${id} is over; only one that still runs or waits has a place in the queue`,
          { hint: "See what waits: contrail job list." },
        );
      if (live) {
        Object.assign(live.row, columns, relabel && { labels: relabel(live.row.labels) });
        live.priority = columns.priority ?? live.priority;
        // Its watchers hear of it, and where the commit fails it is loaded again as it was.
        turn.touched.add(id);
      } else turn.shown.set(id, new Set());
      const at = new Date(turn.nowMs);
      turn.batch.work(async (client) => {
        const changed = await changeDescription(client, id, columns, relabel);
        return changed.map(({ column, from, to }) => ({
          ...{ at, actor: storable(actor), experimentId: id, subject: `experiment ${id}` },
          what: `changed ${column}`,
          cause: storable(`asked for by ${actor}: ${shown(from)} became ${shown(to)}`),
        }));
      });
    },
  });
}

/** @returns what becomes of the labels that there are; undefined = nothing */
function relabelling(
  body: UpdateExperiment,
): ((labels: readonly string[]) => string[]) | undefined {
  if (body.add_labels === undefined && body.remove_labels === undefined) return undefined;
  const added = (body.add_labels ?? []).map(storable);
  const removed = new Set((body.remove_labels ?? []).map(storable));
  return (labels) => [...new Set([...labels.filter((one) => !removed.has(one)), ...added])];
}

/** @throws ContrailError invalid_request where the experiment would have more labels than it may */
export function assertLabelsFit(
  id: number,
  labels: readonly string[],
  body: UpdateExperiment,
): void {
  const after = relabelling(body)?.(labels) ?? [];
  if (after.length > LABELS_MAX)
    throw new ContrailError(
      "invalid_request",
      `experiment ${id} would have ${after.length} labels; it may have ${LABELS_MAX}`,
      { hint: "Take some away in the same request: remove_labels." },
    );
}

/** As the database holds them. */
function columnsOf(body: UpdateExperiment): DescriptionColumns {
  const { name, description, notes, labels, priority } = body;
  return {
    ...(name === undefined ? {} : { name: storable(name) }),
    ...(description === undefined
      ? {}
      : { description: description === null ? null : storable(description) }),
    ...(notes === undefined ? {} : { notes: storable(notes) }),
    ...(labels === undefined ? {} : { labels: [...new Set(labels.map(storable))] }),
    ...(priority === undefined ? {} : { priority }),
  };
}

/** Long texts are named by their beginning: the log is for what was done, not a second place to keep them. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  if (text.length <= SHOWN_CHARS_MAX) return text;
  return `${text.slice(0, SHOWN_CHARS_MAX)}… (${text.length} characters)`;
}
