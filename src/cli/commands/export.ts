/** `contrail export TRIAL FOLDER`: everything about it, in a folder that needs no server. */
import { parseId } from "../../base/ids.ts";
import { writeBundle } from "../bundle/write-bundle.ts";
import { type Cli, shellWord } from "../cli.ts";
import { requireEmpty } from "../download.ts";
import { EXIT, usageError } from "../exit-code.ts";
import { bytes, plural } from "../figures.ts";
import { namedPath } from "../user-file.ts";
import { choiceOf } from "../values.ts";

export interface ExportBundleOptions {
  readonly withData?: boolean;
  /** True where no value was given. */
  readonly withCheckpoints?: string | true;
}

export async function exportBundle(
  cli: Cli,
  subject: string,
  into: string,
  options: ExportBundleOptions,
): Promise<number> {
  const id = parseId(subject);
  if (id === undefined || id.run !== undefined)
    throw usageError(
      `"${subject}" is neither a trial nor an experiment.`,
      "Name a trial (3.12), or an experiment (3) for all of its trials.",
    );
  const folder = namedPath(cli.host.cwd, into, "The name of the folder");
  requireEmpty(folder);
  const which = options.withCheckpoints ?? "none";
  const withCheckpoints =
    which === true ? "best" : choiceOf("--with-checkpoints", which, ["none", "best", "all"]);
  const { manifest, bytes: size } = await cli.during(`exporting ${subject}`, (progress) =>
    writeBundle(
      cli.client(),
      folder,
      {
        ...{ experiment: id.experiment, trial: id.trial, withCheckpoints },
        ...{ withData: options.withData === true, nowMs: cli.host.clock.nowMs() },
      },
      progress,
    ),
  );
  const { files, missing, content, counts, origin } = manifest;
  cli.show({ folder, bytes: size, files: files.length, content, counts, missing, origin }, () => [
    `${folder}: ${plural(files.length, "file")}, ${bytes(size)}, content ${content.slice(0, 12)}`,
    ...missing.map((text) => `not in it: ${text}`),
  ]);
  cli.next(`import ${shellWord(into)}`);
  return EXIT.ok;
}
