/** `contrail pool list`, `contrail slot list`, `contrail runner list` and `contrail job list`: what there is, and who waits for it. */
import type { Slot } from "../../protocol/api.ts";
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
        slot.allocation ??
          (slot.withheld === null
            ? { text: "free", paint: cli.paint.green }
            : { text: "held back", paint: cli.paint.yellow }),
        slot.since === null ? null : ago(slot.since, nowMs),
      ]),
      { width: cli.width, headPaint: cli.paint.dim },
    ),
    `${items.filter((slot) => slot.allocation !== null).length} of ${plural(items.length, "slot")} in use`,
    ...heldBack(items).map((why) => inert(why)),
  ]);
  cli.next("job list");
  return EXIT.ok;
}

export async function pools(cli: Cli): Promise<number> {
  const items = await cli.client().pools();
  const { paint } = cli;
  cli.show({ items }, () => [
    ...table(
      [
        { head: "pool" },
        { head: "engine" },
        { head: "slots", align: "right" },
        { head: "held", align: "right" },
        { head: "waiting", align: "right" },
        { head: "a trial at most", align: "right", drop: 1 },
        { head: "what it is", flexible: true, drop: 2 },
      ],
      items.map((pool) => [
        pool.default ? `${pool.name} (default)` : pool.name,
        pool.trouble === null ? pool.engine : { text: pool.engine, paint: paint.yellow },
        pool.slots,
        pool.held,
        pool.waiting,
        pool.slots_per_trial_max,
        pool.description ?? pool.reason,
      ]),
      { width: cli.width, headPaint: paint.dim },
    ),
    ...items
      .filter(({ trouble }) => trouble !== null)
      .map(({ name, trouble }) => inert(`the engine of ${name} does not answer: ${trouble}`)),
  ]);
  cli.next("slot list", "job list");
  return EXIT.ok;
}

/** Each reason once, with the slots that it holds for. */
function heldBack(items: readonly Slot[]): string[] {
  const kept = items.filter((slot) => slot.withheld !== null);
  return [...Map.groupBy(kept, (slot) => slot.withheld)].map(
    ([why, slots]) => `nothing is granted on ${slots.map(({ id }) => id).join(" ")}: ${why}`,
  );
}

export async function runners(cli: Cli): Promise<number> {
  const items = await cli.client().runners();
  const nowMs = cli.host.clock.nowMs();
  const { paint } = cli;
  cli.show({ items }, () => [
    ...table(
      [
        { head: "runner" },
        { head: "node", flexible: true, drop: 2 },
        { head: "state" },
        { head: "heard" },
        { head: "lease until (UTC)", drop: 1 },
        { head: "slots", align: "right" },
        { head: "allocations", flexible: true },
        { head: "why", flexible: true },
      ],
      items.map((runner) => [
        runner.id,
        runner.node,
        { text: runner.state, paint: runner.state === "heard" ? paint.green : paint.yellow },
        runner.heard_at === null ? "never" : ago(runner.heard_at, nowMs),
        runner.lease_until?.slice(0, 19).replace("T", " ") ?? null,
        runner.slots.length,
        runner.allocations.join(" "),
        runner.reason,
      ]),
      { width: cli.width, headPaint: paint.dim },
    ),
  ]);
  cli.next("slot list", "job list");
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
        { head: "silent", align: "right", drop: 3 },
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
        job.silent === 0 ? null : job.silent,
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
