/** `contrail import FOLDER`: a bundle that was made elsewhere becomes an experiment here. */
import { join } from "node:path";
import type { ImportedData } from "../../protocol/api.ts";
import { readBundle } from "../bundle/read-bundle.ts";
import type { Cli } from "../cli.ts";
import { EXIT } from "../exit-code.ts";
import { plural } from "../figures.ts";
import { inert } from "../inert.ts";
import { upload } from "../upload.ts";
import { namedPath } from "../user-file.ts";

export async function importBundle(cli: Cli, from: string): Promise<number> {
  const folder = namedPath(cli.host.cwd, from, "The name of the folder");
  const client = cli.client();
  const { manifest, reply } = await cli.during(`importing ${from}`, async (progress) => {
    const bundle = await readBundle(folder, progress);
    const sourceOf = (path: string): string => join(folder, path);
    await upload(client, { tree: bundle.tree, sourceOf }, progress);
    progress.detail("the server checks and stores it");
    return { ...bundle, reply: await client.importBundle(bundle.text) };
  });
  const { experiment, created } = reply;
  const { origin, counts } = manifest;
  cli.show(reply, () => [
    created
      ? `experiment ${experiment.id} ${inert(experiment.name)}: ${plural(counts.trial ?? 0, "trial")}, ` +
        `${plural(counts.points ?? 0, "point")}; it was experiment ${origin.experiment} of ${inert(origin.server)}`
      : `this bundle is experiment ${experiment.id} already; nothing was changed`,
    ...reply.data.map(dataLine),
  ]);
  cli.next(`experiment show ${experiment.id}`);
  return EXIT.ok;
}

function dataLine({ as, origin, dataset, created }: ImportedData): string {
  const what = `data ${inert(as)}: ${inert(origin)} of there`;
  if (dataset === null)
    return `${what} did not come along (export --with-data), so it cannot be forked or replayed here`;
  return created
    ? `${what} is ${dataset} here, under a name of its own: what @latest means is as before`
    : `${what} was here already, as ${dataset}`;
}
