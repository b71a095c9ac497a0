/** `contrail why THING`: why it is as it is. The answer is the server's; here it is only laid out. */
import { parseId } from "../../base/ids.ts";
import type { Why, WhyKind, WhyReason } from "../../protocol/api.ts";
import type { Cli } from "../cli.ts";
import { EXIT, usageError } from "../exit-code.ts";
import { inert } from "../inert.ts";
import { asideLines } from "./trial.ts";

const KINDS: readonly WhyKind[] = ["experiment", "trial", "allocation", "slot", "searcher"];

export async function why(cli: Cli, words: readonly string[]): Promise<number> {
  const { kind, id } = thingOf(words);
  const client = cli.client();
  const answer = await client.why(kind, id);
  const aside = kind === "slot" ? [] : await asideLines(cli, client, id);
  cli.show(answer, () => [...lines(cli, answer), ...aside]);
  cli.next(...nextOf(kind, id));
  return EXIT.ok;
}

/** `3`, `3.12`, `3.12.2`, `cpu:0`, or with the kind in front: `searcher 3`, `slot cpu:0`, `trial 3.12`. */
export function thingOf(words: readonly string[]): { kind: WhyKind; id: string } {
  const [first = "", second] = words;
  if (words.length === 2 && second !== undefined) {
    const kind = KINDS.find((word) => word === first.toLowerCase());
    if (kind !== undefined) return { kind, id: second };
  }
  const parsed = parseId(first);
  if (words.length === 1 && parsed !== undefined) {
    if (parsed.run !== undefined) return { kind: "allocation", id: first };
    return { kind: parsed.trial === undefined ? "experiment" : "trial", id: first };
  }
  if (words.length === 1 && first.includes(":")) return { kind: "slot", id: first };
  throw usageError(
    `"${words.join(" ")}" names nothing that could be asked about.`,
    "Ask about an experiment (3), a trial (3.12), an allocation (3.12.2), a slot (cpu:0), or `why searcher 3`.",
  );
}

function lines(cli: Cli, answer: Why): string[] {
  const [first, ...rest] = answer.reasons;
  const shown: string[] = [];
  if (first) shown.push(cli.paint.bold(inert(first.text)), ...stamp(cli, first));
  if (rest.length > 0) shown.push("");
  for (const reason of rest) shown.push(`- ${inert(reason.text)}`, ...stamp(cli, reason));
  if (answer.last_lines.length > 0) {
    shown.push("", cli.paint.bold("last lines of its output"));
    for (const line of answer.last_lines) shown.push(`  ${inert(line)}`);
  }
  return shown;
}

/** When, who, and which events say so. */
function stamp(cli: Cli, reason: WhyReason): string[] {
  const parts = [
    ...(reason.at === null ? [] : [`${reason.at.slice(0, 19).replace("T", " ")} UTC`]),
    ...(reason.actor === null ? [] : [inert(reason.actor)]),
    ...(reason.events.length === 0 ? [] : [`event ${reason.events.join(", ")}`]),
  ];
  return parts.length === 0 ? [] : [cli.paint.dim(`  ${parts.join(" · ")}`)];
}

function nextOf(kind: WhyKind, id: string): string[] {
  switch (kind) {
    case "experiment":
      return [`experiment show ${id}`, `audit list ${id} --oldest`];
    case "searcher":
      return [`experiment show ${id}`];
    case "trial":
      return [`trial show ${id}`, `audit list ${id} --oldest`, `logs ${id}`];
    case "allocation":
      return [`logs ${id}`, `why ${id.split(".").slice(0, 2).join(".")}`];
    case "slot":
      return ["slot list", "job list"];
  }
}
