/** `contrail template …` and `contrail workspace …`: parts of configurations that the server keeps, by version. */
import { readFileSync } from "node:fs";
import type { Layer } from "../../protocol/api.ts";
import type { KeptKind } from "../../sdk/client.ts";
import { RemoteError } from "../../sdk/remote-error.ts";
import { type Cli, shellWord } from "../cli.ts";
import { EXIT, inFile } from "../exit-code.ts";
import { ago, moment } from "../figures.ts";
import { inert, inertLines } from "../inert.ts";
import { gather, type ListOptions, limitOf } from "../listing.ts";
import { table } from "../table.ts";
import { requireFile } from "../user-file.ts";
import { wholeOf } from "../values.ts";

const WORDS = {
  template: {
    ...{ none: "No templates yet.", of: "template" },
    ...{ holds: "holds from now on", held: "says so already" },
    removed: "is removed; what was submitted with it stays as it is",
  },
  workspace: {
    ...{ none: "No workspace has defaults yet.", of: "the defaults of workspace" },
    ...{ holds: "hold from now on", held: "say so already" },
    removed: "are removed; what was submitted with them stays as it is",
  },
} as const;

const fullName = ({ name, version }: Pick<Layer, "name" | "version">): string =>
  `${name}@${version}`;

export async function set(cli: Cli, kind: KeptKind, name: string, file: string): Promise<number> {
  const path = requireFile(cli.host.cwd, file, {
    wanted: "what is kept is a file",
    instead: (inner) => `${kind} set ${shellWord(name)} ${inner}`,
  });
  const text = readFileSync(path, "utf8");
  const kept = await cli
    .client()
    .setLayer(kind, name, text)
    .catch((error: unknown) => {
      throw error instanceof RemoteError && error.code === "invalid_config"
        ? inFile(error, file)
        : error;
    });
  const { of, holds, held } = WORDS[kind];
  cli.show(kept, () => [`${of} ${inert(fullName(kept))} ${kept.created ? holds : held}`]);
  cli.next(
    kind === "template"
      ? `experiment create CONFIG . --template ${kept.name}`
      : `workspace show ${shellWord(kept.name)}`,
  );
  return EXIT.ok;
}

export async function list(
  cli: Cli,
  kind: KeptKind,
  name: string | undefined,
  options: ListOptions,
): Promise<number> {
  const client = cli.client();
  const only = name === undefined ? {} : { name };
  const page = await gather(
    (query) => client.layers(kind, { ...query, ...only }),
    limitOf(options),
  );
  const nowMs = cli.host.clock.nowMs();
  cli.show(page, () =>
    page.items.length === 0
      ? [name === undefined ? WORDS[kind].none : `There are no versions of ${inert(name)}.`]
      : table(
          [
            { head: kind, flexible: true },
            { head: "version", align: "right" },
            { head: "set by", drop: 1 },
            { head: "set" },
            { head: "removed", flexible: true, drop: 2 },
          ],
          page.items.map((item) => [
            item.name,
            item.version,
            item.created_by,
            ago(item.created_at, nowMs),
            item.removed && `by ${item.removed.by} ${ago(item.removed.at, nowMs)}`,
          ]),
          { width: cli.width, headPaint: cli.paint.dim },
        ),
  );
  const first = page.items[0];
  cli.next(first === undefined ? `${kind} set NAME FILE` : `${kind} show ${shellWord(first.name)}`);
  return EXIT.ok;
}

export async function show(cli: Cli, kind: KeptKind, reference: string): Promise<number> {
  // As the configuration names it, and as lists and records do.
  const [, name = reference, behind] = /^(.*)@([1-9][0-9]{0,8})$/.exec(reference) ?? [];
  const version = behind === undefined ? undefined : wholeOf("the version", behind, 1, 2 ** 31 - 1);
  const kept = await cli.client().layer(kind, name, version);
  cli.show(kept, () => [
    cli.paint.dim(
      inert(
        `# ${WORDS[kind].of} ${fullName(kept)}, set by ${kept.created_by} at ${moment(kept.created_at)}`,
      ),
    ),
    ...(kept.removed === null
      ? []
      : [cli.paint.yellow(inert(`# removed by ${kept.removed.by} at ${moment(kept.removed.at)}`))]),
    ...inertLines(kept.config.trimEnd()),
  ]);
  cli.next(`${kind} list ${shellWord(name)}`);
  return EXIT.ok;
}

export async function remove(cli: Cli, kind: KeptKind, name: string): Promise<number> {
  const removed = await cli.client().removeLayer(kind, name);
  const { of, removed: words } = WORDS[kind];
  cli.show(removed, () => [`${of} ${inert(removed.name)} ${words}`]);
  cli.next(`${kind} show ${shellWord(fullName(removed))}`);
  return EXIT.ok;
}
