/** `contrail data list` and `data rm`. */
import type { Cli } from "../../cli.ts";
import { EXIT } from "../../exit-code.ts";
import { ago, bytes, count, plural } from "../../figures.ts";
import { gather, type ListOptions, limitOf } from "../../listing.ts";
import { table } from "../../table.ts";
import { checkedName, exactName, referenceOf } from "./names.ts";

export async function list(
  cli: Cli,
  name: string | undefined,
  options: ListOptions & { readonly removed?: boolean },
): Promise<number> {
  const client = cli.client();
  const only = {
    ...(name === undefined ? {} : { name: checkedName(name) }),
    ...(options.removed === true ? { removed: true } : {}),
  };
  const page = await gather((query) => client.datasets({ ...query, ...only }), limitOf(options));
  const nowMs = cli.host.clock.nowMs();
  cli.show(page, () =>
    page.items.length === 0
      ? [name === undefined ? "No datasets yet." : `There are no versions of ${name}.`]
      : table(
          [
            { head: "dataset", flexible: true },
            { head: "files", align: "right" },
            { head: "size", align: "right" },
            { head: "kept", flexible: true, drop: 2 },
            { head: "by", drop: 1 },
            { head: "created" },
          ],
          page.items.map((item) => [
            referenceOf(item),
            count(item.files),
            bytes(item.bytes),
            item.removed === null ? (item.place ?? "here") : `removed by ${item.removed.by}`,
            item.created_by,
            ago(item.created_at, nowMs),
          ]),
          { width: cli.width, headPaint: cli.paint.dim },
        ),
  );
  const first = page.items[0];
  cli.next(first === undefined ? "data add NAME PATH" : `data show ${referenceOf(first)}`);
  return EXIT.ok;
}

export async function remove(
  cli: Cli,
  text: string,
  options: { readonly force?: string },
): Promise<number> {
  const removed = await cli.client().removeDataset(exactName(text), options.force);
  const { used_by: uses } = removed;
  cli.show(removed, () => [
    `${referenceOf(removed)} is removed; its number is not given again` +
      (removed.kind === "stored" ? `, and its bytes go with the next run of gc.` : "."),
    ...(uses.length === 0
      ? []
      : [
          `${plural(uses.length, "experiment")} that used it cannot be run again: ${uses.map(({ experiment }) => experiment).join(", ")}.`,
        ]),
  ]);
  if (removed.kind === "stored") cli.next("gc");
  return EXIT.ok;
}
