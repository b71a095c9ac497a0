/** What things and relations of a lineage are called. */
import type { LineageEdge, LineageNode } from "../../../src/protocol/api.ts";

const HASH_CHARS = 12;

export const nameOf = (id: string): string => id.slice(id.indexOf(":") + 1);

/** `experiment:3` → "experiment 3"; of hashes the first digits. */
export function thingWords(id: string): string {
  const name = nameOf(id);
  const short = /^[0-9a-f]{64}$/.test(name) ? name.slice(0, HASH_CHARS) : name;
  return `${id.slice(0, Math.max(0, id.indexOf(":")))} ${short}`;
}

/** What stands below the name of a thing. */
export function noteOf({ kind, label, state }: LineageNode): string {
  const isNamed = kind === "experiment" || state === "foreign";
  const own = isNamed ? label : kind === "checkpoint" ? label.replace(/^.* of /, "of ") : "";
  return [own, state ?? ""].filter((part) => part !== "").join(" · ");
}

const SENTENCES = {
  code: "is the code of",
  data: "was read by",
  trial: "tried",
  checkpoint: "saved",
  start: "was gone on from by",
  version: "was followed by",
  fork: "was forked as",
  replay: "was run again as",
  copy: "was copied as",
  import: "was imported as",
} as const satisfies Record<LineageEdge["relation"], string>;

/** "experiment 1 was forked as experiment 3 (other name)" */
export function sentenceOf({ from, to, relation, note }: LineageEdge): string {
  const said = note === null ? "" : ` (${note})`;
  return `${thingWords(from)} ${SENTENCES[relation]} ${thingWords(to)}${said}`;
}

/** The command that shows the same. */
export const commandOf = (thing: string): string => `contrail lineage ${thing.replace(":", " ")}`;

/** The page of a thing where there is one, else its lineage. */
export function addressOf({ id, kind }: LineageNode): string {
  if (kind === "experiment") return `/experiments/${nameOf(id)}`;
  if (kind === "trial") return `/trials/${nameOf(id)}`;
  return `/lineage/${encodeURIComponent(id)}`;
}
