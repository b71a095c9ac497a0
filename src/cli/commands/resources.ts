/** `contrail slot list` and `contrail job list`: what there is, and who waits for it. */
import type { Cli } from "../cli.ts";
import { EXIT } from "../exit-code.ts";
import { ago, plural } from "../figures.ts";
import { inert } from "../inert.ts";
import { table } from "../table.ts";

export async function slots(cli: Cli): Promise<number> {
  const items = await cli.client().slots();
  const nowMs = cli.host.clock.nowMs();
  cli.show({ items }, () => [
    ...table(
      [
        { head: "slot" },
        { head: "kind", drop: 2 },
        { head: "node", flexible: true },
        { head: "device", flexible: true },
        { head: "held by" },
        { head: "since", drop: 1 },
      ],
      items.map((slot) => [
        slot.id,
        slot.kind,
        slot.node,
        slot.description,
        slot.allocation ?? { text: "free", paint: cli.paint.green },
        slot.since === null ? null : ago(slot.since, nowMs),
      ]),
      { width: cli.width, headPaint: cli.paint.dim },
    ),
    `${items.filter((slot) => slot.allocation !== null).length} of ${plural(items.length, "slot")} in use`,
  ]);
  cli.next("job list");
  return EXIT.ok;
}

export async function jobs(cli: Cli): Promise<number> {
  const items = await cli.client().jobs();
  const nowMs = cli.host.clock.nowMs();
  cli.show({ items }, () => {
    if (items.length === 0) return ["Nothing runs and nothing waits."];
    const lines = table(
      [
        { head: "experiment", align: "right" },
        { head: "name", flexible: true },
        { head: "owner", drop: 1 },
        { head: "priority", align: "right" },
        { head: "running", align: "right" },
        { head: "queued", align: "right" },
        { head: "slots", align: "right" },
        { head: "submitted", drop: 2 },
      ],
      items.map((job) => [
        job.experiment,
        job.name,
        job.owner,
        job.priority,
        job.running,
        job.queued,
        job.slots_held,
        ago(job.submitted_at, nowMs),
      ]),
      { width: cli.width, headPaint: cli.paint.dim },
    );
    const waiting = items.flatMap((job) => job.waiting);
    if (waiting.length > 0) lines.push("", cli.paint.bold("waiting, in the order of the queue"));
    return [...lines, ...waiting.map(({ trial, reason }) => `  ${trial}  ${inert(reason)}`)];
  });
  const first = items[0];
  cli.next(first === undefined ? "experiment list" : `experiment show ${first.experiment}`);
  return EXIT.ok;
}
