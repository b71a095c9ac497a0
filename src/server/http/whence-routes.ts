/** `GET /whence/:hash`: from a bare file to the run, code, data and person that it comes from. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import { usesOf } from "../../store/dataset-store.ts";
import { readTree } from "../../store/read-tree.ts";
import { readWhence, type WhenceCode } from "../../store/whence-reads.ts";
import { markForeign } from "../datasets/items.ts";
import type { App } from "./app.ts";
import type { RouteContext } from "./context.ts";

const USES_MAX = 100;

export function whenceRoutes(app: App, { readPool, blobs }: RouteContext): void {
  app.get(
    "/whence/:hash",
    {
      config: { access: ["read"] },
      schema: {
        params: z.object({ hash: api.hash }),
        response: { 200: api.whence },
        tags: ["audit"],
      },
    },
    async (request): Promise<api.Whence> => {
      const { hash } = request.params;
      const found = await readWhence(readPool, hash);
      const { checkpoints, code, datasets, size } = found;
      if (checkpoints.length + code.length + datasets.length === 0)
        throw new ContrailError("not_found", `no file with the content ${hash} is known here`, {
          hint: "A file that was changed in any byte is another file. contrail checkpoint list shows the checkpoints of an experiment.",
        });
      const entryIn = await entriesOf(hash, [...checkpoints, ...code, ...datasets]);
      const pathIn = (tree: string): string | null => entryIn(tree)?.path ?? null;
      // A file in parts is no blob, and only its list knows how large it is.
      const whole =
        size === 0 ? datasets.map(({ tree }) => entryIn(tree)).find(Boolean) : undefined;
      const isStored = async (blob: string) => (await blobs.size(blob)) !== undefined;
      const parts = await Promise.all(
        (whole?.chunks ?? [{ hash }]).map((part) => isStored(part.hash)),
      );
      const uses = await Promise.all(
        datasets.map((row) => usesOf(readPool, { ...row, snapshot: row.tree }, USES_MAX)),
      );
      const given = [...checkpoints, ...code];
      const marked = await markForeign(
        readPool,
        given.map(({ data }) => data),
      );
      const dataOf = new Map(given.map(({ experiment }, i) => [experiment, marked[i] ?? {}]));
      const maker = (row: WhenceCode | Omit<WhenceCode, "tree">) =>
        makerOf({ ...row, data: dataOf.get(row.experiment) ?? {} });
      return {
        ...{ hash, size: whole?.size ?? size, stored: parts.every(Boolean) },
        checkpoints: checkpoints.map((row) => ({
          ...{ id: row.tree, trial: `${row.experiment}.${row.trial}`, run: row.run },
          ...{ step: row.step, path: pathIn(row.tree), created_at: row.created_at.toISOString() },
          deleted: row.deleted_at && {
            ...{ at: row.deleted_at.toISOString(), why: row.deleted_why ?? "" },
          },
          experiment: maker(row),
        })),
        code: code.map((row) => ({
          ...{ path: pathIn(row.tree), created_at: row.created_at.toISOString() },
          experiment: maker(row),
        })),
        datasets: datasets.map((row, i) => ({
          used_by: (uses[i] ?? []).map(({ id }) => id),
          ...{ name: row.name, version: row.version, snapshot: row.tree, path: pathIn(row.tree) },
          ...{ created_by: row.created_by, created_at: row.created_at.toISOString() },
        })),
      };
    },
  );

  /** Each list of files is read once, whatever speaks of it. */
  async function entriesOf(
    hash: string,
    rows: readonly { readonly tree: string }[],
  ): Promise<(tree: string) => TreeEntry | undefined> {
    const entries = new Map<string, TreeEntry | undefined>();
    for (const { tree } of rows) {
      if (entries.has(tree)) continue;
      const read = tree === hash ? undefined : await readTree(blobs, tree);
      entries.set(
        tree,
        read?.entries.find((entry) => entry.hash === hash),
      );
    }
    return (tree) => entries.get(tree);
  }
}

/** Of one that was purged only what the log of changes knows, too. */
const makerOf = (
  row: WhenceCode | Omit<WhenceCode, "tree">,
): api.Whence["code"][0]["experiment"] => ({
  ...{ id: row.experiment, name: row.experiment_name, state: row.state },
  ...{ owner: row.owner, author: row.author },
  code: row.purged ? null : row.code,
  data: (row.purged ? {} : row.data) as api.Whence["code"][0]["experiment"]["data"],
  provenance: (row.purged ? {} : row.provenance) as api.Whence["code"][0]["experiment"]["data"],
});
