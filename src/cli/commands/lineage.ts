/** `contrail lineage THING`: what it was made from and what was made from it, as two trees. */
import { isBlobHash, parseId } from "../../base/ids.ts";
import type { Lineage, LineageEdge, LineageNode } from "../../protocol/api.ts";
import type { Client } from "../../sdk/client.ts";
import { RemoteError } from "../../sdk/remote-error.ts";
import type { Cli } from "../cli.ts";
import { EXIT, usageError } from "../exit-code.ts";
import { shortHash } from "../experiment-view.ts";
import { count } from "../figures.ts";
import { inert } from "../inert.ts";
import { refuseShortHash, wholeOf } from "../values.ts";

const KINDS = ["experiment", "trial", "checkpoint", "code", "dataset"];

export async function lineage(
  cli: Cli,
  words: readonly string[],
  options: { readonly depth?: string },
): Promise<number> {
  const things = thingsOf(words);
  const depth = wholeOf("--depth", options.depth ?? "4", 1, 20);
  const found = await firstOf(cli.client(), things, depth);
  cli.show(found, () => lines(cli, found));
  cli.next(...nextOf(found.root));
  return EXIT.ok;
}

/** @returns what the words can mean, the likeliest first */
export function thingsOf(words: readonly string[]): string[] {
  const [first = "", second] = words;
  const kind = KINDS.find((word) => word === first.toLowerCase());
  if (words.length === 2 && kind !== undefined && second !== undefined)
    return [`${kind}:${second}`];
  const parsed = parseId(first);
  if (words.length === 1 && parsed !== undefined && parsed.run === undefined)
    return [`${parsed.trial === undefined ? "experiment" : "trial"}:${first}`];
  if (words.length === 1 && isBlobHash(first)) return [`checkpoint:${first}`, `code:${first}`];
  if (words.length === 1 && /^[a-z0-9][a-z0-9._-]*@[0-9]+$/.test(first))
    return [`dataset:${first}`];
  if (words.length === 1) refuseShortHash(first);
  throw usageError(
    `"${words.join(" ")}" names nothing that has a lineage.`,
    "Name an experiment (3), a trial (3.12), a dataset (digits@2), or the hash of a checkpoint or of code; whence FILE finds the hash of a file.",
  );
}

async function firstOf(client: Client, things: readonly string[], depth: number): Promise<Lineage> {
  for (const [index, thing] of things.entries())
    try {
      return await client.lineage(thing, { depth });
    } catch (error) {
      const isLast = index === things.length - 1;
      if (isLast || !(error instanceof RemoteError) || error.code !== "not_found") throw error;
    }
  throw new Error("nothing was asked for");
}

function lines(cli: Cli, { root, nodes, edges }: Lineage): string[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const at = byId.get(root) as LineageNode;
  const before = treeOf(cli, root, byId, (id) =>
    edges.filter(({ to }) => to === id).map((edge) => [edge, edge.from]),
  );
  const after = treeOf(cli, root, byId, (id) =>
    edges.filter(({ from }) => from === id).map((edge) => [edge, edge.to]),
  );
  const shown = [cli.paint.bold(thingText(at)) + moreText(cli, at)];
  if (before.length > 0) shown.push("", "comes from", ...before);
  if (after.length > 0) shown.push("", "came of it", ...after);
  if (before.length + after.length === 0) shown.push("nothing else has to do with it");
  return shown;
}

/** In one direction, each thing where it is met first. */
function treeOf(
  cli: Cli,
  root: string,
  nodes: ReadonlyMap<string, LineageNode>,
  next: (id: string) => (readonly [LineageEdge, string])[],
): string[] {
  const shown: string[] = [];
  const seen = new Set([root]);
  const visit = (id: string, indent: number): void => {
    for (const [{ relation, note }, other] of next(id)) {
      const node = nodes.get(other);
      if (node === undefined) continue;
      const again = seen.has(other);
      const said = note === null ? "" : `, ${inert(note)}`;
      const text = `${cli.paint.dim(`${relation}${said}:`)} ${thingText(node)}`;
      shown.push(`${"  ".repeat(indent)}${text}${again ? " (above)" : moreText(cli, node)}`);
      if (again) continue;
      seen.add(other);
      visit(other, indent + 1);
    }
  };
  visit(root, 1);
  return shown;
}

function thingText({ id, kind, label, state }: LineageNode): string {
  const name = id.slice(id.indexOf(":") + 1);
  const ends = state === null ? "" : ` (${state})`;
  if (kind === "experiment") return `experiment ${name} ${inert(label)}${ends}`;
  if (kind === "trial") return `trial ${name}${ends}`;
  if (kind === "dataset")
    return `dataset ${inert(label)}${isBlobHash(name) ? ` ${shortHash(name)}` : ""}${ends}`;
  return `${kind === "code" ? "code" : inert(label)} ${shortHash(name)}${ends}`;
}

const moreText = (cli: Cli, { more }: LineageNode): string =>
  more === 0 ? "" : cli.paint.dim(`  and ${count(more)} more`);

function nextOf(root: string): string[] {
  const name = root.slice(root.indexOf(":") + 1);
  if (root.startsWith("trial:")) return [`trial show ${name}`];
  if (root.startsWith("experiment:")) return [`experiment show ${name}`];
  if (root.startsWith("dataset:") && !isBlobHash(name)) return [`data show ${name}`];
  return [`whence ${name}`];
}
