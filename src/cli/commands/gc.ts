/** `contrail gc`: shows first, deletes only with --apply. */
import type { GcPlan, GcRun } from "../../protocol/api.ts";
import { KEEP_WORDS } from "../api-words.ts";
import type { Cli } from "../cli.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { shortHash } from "../experiment-view.ts";
import { bytes, count, measured, plural } from "../figures.ts";
import { table } from "../table.ts";
import { experimentOf } from "../values.ts";

const LOOK_EVERY_MS = 500;
const ROWS_SHOWN = 50;

export async function gc(
  cli: Cli,
  options: { apply?: boolean; experiment?: string },
): Promise<number> {
  const experiment =
    options.experiment === undefined ? undefined : experimentOf(options.experiment);
  if (options.apply === true && experiment !== undefined)
    throw usageError(
      "--apply deletes what nothing needs in all experiments, not in one alone.",
      "Look at one with --experiment; apply without it.",
    );
  if (options.apply === true) return apply(cli);
  const plan = await cli.during("looking at what nothing needs", () =>
    cli.client().gcPlan({ experiment }),
  );
  cli.show(plan, () => planLines(cli, plan));
  if (plan.bytes.total > 0 || plan.checkpoints.count > 0 || plan.experiments.length > 0)
    cli.next("gc --apply");
  return EXIT.ok;
}

function planLines(cli: Cli, plan: GcPlan): string[] {
  const { checkpoints, experiments } = plan;
  const lines: string[] = [];
  if (checkpoints.count > 0) {
    const shown = checkpoints.items.slice(0, ROWS_SHOWN);
    lines.push(
      ...table(
        [
          { head: "checkpoint" },
          { head: "objective", align: "right", drop: 1 },
          { head: "size", align: "right" },
          { head: "id", drop: 2 },
          { head: "why it would go", flexible: true },
        ],
        shown.map((item) => [
          `${item.trial}@${item.step}`,
          measured(item.objective),
          bytes(item.bytes),
          shortHash(item.id),
          item.why,
        ]),
        { width: cli.width, headPaint: cli.paint.dim },
      ),
    );
    const more = checkpoints.count - shown.length;
    if (more > 0) lines.push(`… and ${count(more)} more${moreIn(checkpoints)}`);
  }
  for (const { id, deleted_at, deleted_by } of experiments)
    lines.push(
      `experiment ${id}, deleted ${deleted_at.slice(0, 10)} by ${deleted_by}: its time is over`,
    );
  const kept = Object.entries(checkpoints.kept).map(
    ([reason, many]) => `${count(many)} ${KEEP_WORDS[reason as keyof typeof KEEP_WORDS]}`,
  );
  const what = [
    plural(checkpoints.count, "checkpoint"),
    ...(experiments.length > 0 ? [plural(experiments.length, "deleted experiment")] : []),
    ...(plan.bytes.leftovers > 0
      ? [`${bytes(plan.bytes.leftovers)} of uploads that nobody finished`]
      : []),
  ];
  lines.push(
    `would go: ${what.join(", ")}; ${bytes(plan.bytes.total)} in ${plural(plan.blobs, "file")} would come free`,
    ...(kept.length > 0 ? [`stay: ${kept.join("; ")}`] : []),
  );
  return lines;
}

const moreIn = ({ count: all, items }: GcPlan["checkpoints"]): string =>
  all > items.length ? " (look at one experiment: --experiment N)" : " (--json lists them)";

async function apply(cli: Cli): Promise<number> {
  const client = cli.client();
  const asked = await client.startGc();
  const done = await cli.during("deleting what nothing needs", async (progress) => {
    let run = asked;
    while (run.state === "running") {
      progress.detail(progressText(run));
      await new Promise<void>((resolve) => {
        cli.host.clock.after(LOOK_EVERY_MS, resolve);
      });
      run = await client.gcRun();
      if (run.problem !== null) break;
    }
    return run;
  });
  if (done.problem !== null)
    throw new CliError("gc_failed", `It could not go on: ${done.problem}`, {
      hint: "The server tries again by itself. See how it stands: contrail gc",
    });
  // The server was started anew after it was done, and remembers nothing of it.
  const forgotten = asked.requested_at !== done.requested_at;
  cli.show(done, () => [
    forgotten
      ? "done; the server was started anew meanwhile, the figures are in the log of changes"
      : `deleted: ${plural(done.deleted.checkpoints, "checkpoint")}, ${plural(done.deleted.experiments, "experiment")}; ${bytes(done.deleted.bytes)} in ${plural(done.deleted.blobs, "file")} came free`,
  ]);
  cli.next("audit list --what gc");
  return EXIT.ok;
}

function progressText({ phase, done, total, deleted }: GcRun): string {
  const part = total === null || total === 0 ? "" : ` ${count(done)} of ${count(total)}`;
  return `${phase}${part}, ${bytes(deleted.bytes)} free so far`;
}
