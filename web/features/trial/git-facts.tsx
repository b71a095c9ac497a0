/** What the submitting side could tell of git: pointers for people, read with care, because a client wrote them. */
import type { ReactNode } from "react";
import type { Json } from "../../../src/base/json.ts";
import { plural } from "../../../src/cli/figures.ts";
import { Inert } from "../../parts/text.tsx";

type Facts = { readonly [name: string]: Json };

export function gitFacts(provenance: Facts): (readonly [string, ReactNode])[] {
  const { git } = provenance;
  if (typeof git !== "object" || git === null || Array.isArray(git)) return [];
  const { commit, branch, remote, changed_files: changed, clean } = git as Facts;
  const text = (name: string, value: Json | undefined): [string, ReactNode][] =>
    typeof value === "string" ? [[name, <Inert key={name}>{value}</Inert>]] : [];
  const state: [string, ReactNode][] =
    clean === true
      ? [["working tree", "clean: the snapshot is that commit, but for what is ignored"]]
      : typeof changed === "number"
        ? [["working tree", `${plural(changed, "file")} changed since that commit`]]
        : [];
  return [
    ...text("git commit", commit),
    ...text("branch", branch),
    ...state,
    ...text("remote", remote),
  ];
}
