/** `contrail experiment update`: its name, the words about it, its place in the queue. */
import type { UpdateExperiment } from "../../sdk/client.ts";
import type { Cli } from "../cli.ts";
import { actOnEach } from "../each-id.ts";
import { usageError } from "../exit-code.ts";
import { inert } from "../inert.ts";
import { experimentOf, wholeOf } from "../values.ts";

export interface UpdateOptions {
  readonly name?: string;
  readonly description?: string;
  readonly notes?: string;
  readonly label?: readonly string[];
  readonly addLabel?: readonly string[];
  readonly removeLabel?: readonly string[];
  /** False where --no-labels was given. */
  readonly labels?: boolean;
  readonly priority?: string;
}

export async function update(
  cli: Cli,
  ids: readonly string[],
  options: UpdateOptions,
): Promise<number> {
  const numbers = ids.map(experimentOf);
  const body = bodyOf(options);
  if (numbers.length > 1 && body.name !== undefined)
    throw usageError("--name is the name of one experiment.", "Name one, or leave --name out.");
  const client = cli.client();
  return actOnEach(cli, {
    noun: "experiment",
    ids: numbers,
    act: (id) => client.updateExperiment(id, body),
    lines: ({ id, name }) => [
      `experiment ${id} ${inert(name)}: ${fieldWords(Object.keys(body))} changed`,
    ],
    next: ({ id }) => [body.priority === undefined ? `experiment show ${id}` : "job list"],
  });
}

const fieldWords = (fields: readonly string[]): string =>
  [...new Set(fields.map((field) => field.replace(/^(?:add|remove)_/, "")))].join(", ");

function bodyOf(options: UpdateOptions): UpdateExperiment {
  const { name, description, notes, label, labels, addLabel, removeLabel, priority } = options;
  if (label !== undefined && labels === false)
    throw usageError("--label and --no-labels contradict each other.", "Give one of them.");
  if ((label !== undefined || labels === false) && (addLabel ?? removeLabel) !== undefined)
    throw usageError(
      `${label === undefined ? "--no-labels" : "--label"} replaces all labels, so nothing is left to add or take away.`,
      "Give --add-label and --remove-label alone.",
    );
  const body: UpdateExperiment = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description: description === "" ? null : description }),
    ...(notes === undefined ? {} : { notes }),
    ...(label === undefined ? {} : { labels: [...label] }),
    ...(labels === false ? { labels: [] } : {}),
    ...(addLabel === undefined ? {} : { add_labels: [...addLabel] }),
    ...(removeLabel === undefined ? {} : { remove_labels: [...removeLabel] }),
    ...(priority === undefined ? {} : { priority: wholeOf("--priority", priority, 1, 99) }),
  };
  if (Object.keys(body).length > 0) return body;
  throw usageError(
    "There is nothing to change.",
    "Give --name, --description, --notes, --label, --add-label, --remove-label, --no-labels or --priority.",
  );
}
