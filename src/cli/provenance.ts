/**
 * Where a submission comes from, as far as this side can tell: folder, command line, host, user, and the
 * git facts when there are any. Nothing here is required and nothing asks for a commit: the snapshot is
 * the truth, these are pointers for people.
 */
import { hostname, userInfo } from "node:os";
import type { CreateExperiment } from "../sdk/client.ts";
import { VERSION } from "../sdk/version.ts";
import type { Host } from "./cli.ts";

type Facts = NonNullable<CreateExperiment["provenance"]>;

export async function provenanceOf(host: Host, folder: string): Promise<Facts> {
  const git = await gitFacts(host, folder);
  return {
    cwd: host.cwd,
    folder,
    argv: host.argv.map(withoutSecret),
    host: hostname(),
    user: userName(),
    platform: `${process.platform} ${process.arch}`,
    client: `contrail ${VERSION}`,
    node: process.version,
    ...(git === undefined ? {} : { git }),
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

async function gitFacts(host: Host, folder: string): Promise<Facts | undefined> {
  const git = async (...args: string[]): Promise<string | undefined> => {
    const result = await host.capture("git", ["-C", folder, ...args]);
    return result?.code === 0 ? result.stdout.trim() : undefined;
  };
  const [commit, branch, status, remote] = await Promise.all([
    git("rev-parse", "HEAD"),
    git("rev-parse", "--abbrev-ref", "HEAD"),
    git("--no-optional-locks", "status", "--porcelain", "--untracked-files=normal"),
    git("remote", "get-url", "origin"),
  ]);
  if (commit === undefined && status === undefined) return undefined;
  const changed = status === undefined || status === "" ? [] : status.split("\n");
  return {
    commit: commit ?? null,
    branch: branch === undefined || branch === "HEAD" ? null : branch,
    changed_files: changed.length,
    clean: changed.length === 0,
    remote: remote === undefined ? null : withoutSecret(remote),
  };
}

/** An address may carry a password or token before its host; other words stay as they are. */
export function withoutSecret(word: string): string {
  if (!URL.canParse(word)) return word;
  const url = new URL(word);
  if (url.username === "" && url.password === "") return word;
  url.username = "";
  url.password = "";
  return url.href;
}
