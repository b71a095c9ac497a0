/** `contrail whence FILE`: hashes it here, and asks the server what content of that hash was ever saved by. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { isBlobHash } from "../../base/ids.ts";
import type { Whence } from "../../protocol/api.ts";
import type { Cli } from "../cli.ts";
import { EXIT } from "../exit-code.ts";
import { shortHash, versionText } from "../experiment-view.ts";
import { bytes, moment, plural } from "../figures.ts";
import { inert } from "../inert.ts";
import { facts } from "../table.ts";
import { scan } from "../upload.ts";
import { namedPath } from "../user-file.ts";
import { refuseShortHash } from "../values.ts";

export async function whence(cli: Cli, thing: string): Promise<number> {
  const path = namedPath(cli.host.cwd, thing, "The name of the file");
  if (!existsSync(path)) refuseShortHash(thing);
  const hash = isBlobHash(thing) ? thing : await cli.during(`reading ${thing}`, () => hashOf(path));
  const found = await cli.client().whence(hash);
  cli.show(found, () => lines(cli, found, thing));
  const [first] = found.checkpoints;
  if (first) cli.next(`trial show ${first.trial}`, `experiment show ${first.experiment.id}`);
  else if (found.code[0]) cli.next(`experiment show ${found.code[0].experiment.id}`);
  else cli.next("data list");
  return EXIT.ok;
}

/** Of a file its SHA-256; of a folder the name of the snapshot that it would be. */
async function hashOf(path: string): Promise<string> {
  if ((await stat(path)).isDirectory()) {
    const { canonicalTree } = await import("../../store/snapshot.ts");
    const { tree } = await scan(path, { ignoreFile: null, ignore: [] });
    return canonicalTree(tree).hash;
  }
  const digest = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }))
    digest.update(chunk as Buffer);
  return digest.digest("hex");
}

type Maker = Whence["code"][0]["experiment"];

function lines(cli: Cli, found: Whence, thing: string): string[] {
  const size = found.size === null ? "" : `, ${bytes(found.size)}`;
  const shown = [`${inert(thing)} (${shortHash(found.hash)}${size})`];
  for (const { id, trial, run, step, path, created_at, deleted, experiment } of found.checkpoints) {
    const what = path === null ? "" : `${inert(path)} of `;
    shown.push("", cli.paint.bold(`${what}checkpoint ${shortHash(id)} of trial ${trial}`));
    shown.push(
      ...facts([
        ["saved", `at step ${step} of its run ${run}, ${moment(created_at)}`],
        ...(deleted ? [["deleted", `${moment(deleted.at)}: ${inert(deleted.why)}`] as const] : []),
        ...factsOf(experiment),
      ]),
    );
  }
  for (const { path, experiment } of found.code) {
    const what = path === null ? "the code" : `${inert(path)} in the code`;
    shown.push("", cli.paint.bold(`${what} of experiment ${experiment.id}`));
    shown.push(...facts(factsOf(experiment)));
  }
  for (const { name, version, path, created_by, created_at, used_by } of found.datasets) {
    const what = path === null ? "" : `${inert(path)} of `;
    shown.push("", cli.paint.bold(`${what}dataset ${name}@${version}`));
    shown.push(
      ...facts([
        ["added", `by ${inert(created_by)}, ${moment(created_at)}`],
        [
          "used by",
          used_by.length === 0
            ? "no experiment"
            : `${plural(used_by.length, "experiment")}: ${used_by.join(", ")}`,
        ],
      ]),
    );
  }
  return shown;
}

function factsOf(experiment: Maker): (readonly [string, string])[] {
  const data = Object.entries(experiment.data).map(
    ([name, value]) => `${inert(name)}: ${inert(versionText(value) ?? JSON.stringify(value))}`,
  );
  const commit = commitOf(experiment.provenance);
  return [
    ["experiment", `${experiment.id} ${inert(experiment.name)} (${experiment.state})`],
    ["author", inert(experiment.author)],
    ...(experiment.code === null
      ? []
      : [["code", `${shortHash(experiment.code)}${commit}`] as const]),
    ...(data.length === 0 ? [] : [["data", data.join(", ")] as const]),
  ];
}

const commitOf = (provenance: Maker["provenance"]): string => {
  const { git } = provenance as { git?: { commit?: unknown } | null };
  return typeof git?.commit === "string" ? `, git ${inert(git.commit).slice(0, 12)}` : "";
};
