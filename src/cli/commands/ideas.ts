/** `contrail ideas`: runs as a tree of what was made from what, with the threads that people found to matter. */
import { asideOf, ideaTree, originText } from "../../analysis/ideas.ts";
import type { Idea, Ideas } from "../../protocol/api.ts";
import type { Cli } from "../cli.ts";
import { EXIT } from "../exit-code.ts";
import { count, measured, plural } from "../figures.ts";
import { inert } from "../inert.ts";
import { wholeOf } from "../values.ts";

const AT_ONCE = 100;

export async function tree(
  cli: Cli,
  query: readonly string[],
  options: { readonly limit?: string },
): Promise<number> {
  const found = await ask(cli, query, options);
  cli.show(found, () => lines(cli, found));
  cli.next("ideas mark EXPERIMENT NAME", "lineage EXPERIMENT");
  return EXIT.ok;
}

export async function mark(
  cli: Cli,
  experiment: string,
  name: string,
  options: { readonly note?: string },
): Promise<number> {
  const thread = await cli.client().markThread({
    ...{ experiment: wholeOf("the experiment", experiment, 1, 2_147_483_647), name },
    ...(options.note === undefined ? {} : { note: options.note }),
  });
  cli.show(thread, () => [
    `thread ${thread.id} ${inert(thread.name)}: experiment ${thread.experiment} and all that led there`,
  ]);
  cli.next("ideas", "ideas prune");
  return EXIT.ok;
}

export async function unmark(cli: Cli, thread: string): Promise<number> {
  const gone = await cli.client().unmarkThread(wholeOf("the thread", thread, 1, 2_147_483_647));
  cli.show(gone, () => [
    `${inert(gone.name)} is no thread any more; experiment ${gone.experiment} stays as it is`,
  ]);
  cli.next("ideas");
  return EXIT.ok;
}

/** Archives what lies on no thread. What is archived is only left out of the usual lists. */
export async function prune(
  cli: Cli,
  query: readonly string[],
  options: { readonly limit?: string; readonly apply?: boolean },
): Promise<number> {
  const client = cli.client();
  const found = await ask(cli, query, options);
  const { items, threads } = found;
  const aside = asideOf(found);
  const done: number[] = [];
  if (options.apply === true && threads.length > 0)
    await cli.during("archiving", async (progress) => {
      for (let at = 0; at < aside.length; at += AT_ONCE) {
        const { items } = await client.actOnExperiments("archive", aside.slice(at, at + AT_ONCE));
        done.push(...items.filter(({ problem }) => problem === null).map(({ id }) => id));
        progress.detail(`${count(done.length)} of ${count(aside.length)}`);
      }
    });
  const answer = { threads, aside, archived: done };
  cli.show(answer, () => {
    if (threads.length === 0)
      return ["Nothing is marked, so everything would be aside. Mark what matters first."];
    if (aside.length === 0) return ["Everything that has ended lies on a thread, or is archived."];
    const names = new Map(items.map(({ experiment, name }) => [experiment, name]));
    const listed = aside.map((id) => `  ${id} ${inert(names.get(id) ?? "")}`);
    const what = `${plural(aside.length, "experiment")} on no thread`;
    return options.apply === true
      ? [`archived ${count(done.length)} of ${what}; nothing is deleted:`, ...listed]
      : [`${what} would be archived; nothing would be deleted:`, ...listed];
  });
  if (threads.length === 0) cli.next("ideas mark EXPERIMENT NAME");
  else
    cli.next(...(options.apply === true ? ["experiment unarchive ID"] : ["ideas prune --apply"]));
  return EXIT.ok;
}

function ask(
  cli: Cli,
  query: readonly string[],
  options: { readonly limit?: string },
): Promise<Ideas> {
  return cli.client().ideas({
    ...(query.length === 0 ? {} : { filter: query.join(" ") }),
    limit: wholeOf("--limit", options.limit ?? "300", 1, 1000),
  });
}

function lines(cli: Cli, { items, threads, total }: Ideas): string[] {
  if (items.length === 0) return ["No experiments yet."];
  const names = new Map(threads.map(({ id, name }) => [id, name]));
  const shown = ideaTree(items).map(({ idea, lines }) => `${lines}${text(cli, idea, names)}`);
  if (threads.length > 0) shown.push("", "threads");
  for (const { id, name, experiment, note, by } of threads)
    shown.push(
      `  ${id} ${inert(name)}: to experiment ${experiment}, marked by ${inert(by)}${note === "" ? "" : `; ${inert(note)}`}`,
    );
  if (total > items.length)
    shown.push("", `The newest ${count(items.length)} of ${count(total)}; --limit shows more.`);
  return shown;
}

function text(cli: Cli, one: Idea, names: ReadonlyMap<number, string>): string {
  const { experiment, name, state, best, metric, archived, threads } = one;
  const origin = originText(one);
  const parts = [
    `${experiment} ${inert(name)}`,
    archived ? `${state}, archived` : state,
    ...(best === null ? [] : [`${inert(metric ?? "best")} ${measured(best)}`]),
    ...(origin === undefined ? [] : [inert(origin)]),
    ...threads.map((id) => `★ ${inert(names.get(id) ?? String(id))}`),
  ];
  const line = parts.join(" · ");
  return threads.length > 0 ? cli.paint.bold(line) : line;
}
