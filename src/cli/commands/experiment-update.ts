/** `contrail experiment update`: its name, the words about it, its place in the queue. */
import type { UpdateExperiment } from "../../sdk/client.ts";
import type { Cli } from "../cli.ts";
import { EXIT, usageError } from "../exit-code.ts";
import { inert } from "../inert.ts";
import { experimentOf, wholeOf } from "../values.ts";

export interface UpdateOptions {
  readonly name?: string;
  readonly description?: string;
  readonly notes?: string;
  readonly label?: readonly string[];
  /** False where --no-labels was given. */
  readonly labels?: boolean;
  readonly priority?: string;
}

export async function update(cli: Cli, id: string, options: UpdateOptions): Promise<number> {
  const number = experimentOf(id);
  const body = bodyOf(options);
  const experiment = await cli.client().updateExperiment(number, body);
  cli.show(experiment, () => [
    `experiment ${experiment.id} ${inert(experiment.name)}: ${Object.keys(body).join(", ")} changed`,
  ]);
  cli.next(body.priority === undefined ? `experiment show ${number}` : "job list");
  return EXIT.ok;
}

function bodyOf(options: UpdateOptions): UpdateExperiment {
  const { name, description, notes, label, labels, priority } = options;
  if (label !== undefined && labels === false)
    throw usageError("--label and --no-labels contradict each other.", "Give one of them.");
  const body: UpdateExperiment = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description: description === "" ? null : description }),
    ...(notes === undefined ? {} : { notes }),
    ...(label === undefined ? {} : { labels: [...label] }),
    ...(labels === false ? { labels: [] } : {}),
    ...(priority === undefined ? {} : { priority: wholeOf("--priority", priority, 1, 99) }),
  };
  if (Object.keys(body).length > 0) return body;
  throw usageError(
    "There is nothing to change.",
    "Give --name, --description, --notes, --label, --no-labels or --priority.",
  );
}
