/**
 * Where a submission comes from, as far as this side can tell: folder, command line, host, user, and the
 * git facts when there are any. Nothing here is required and nothing asks for a commit: the snapshot is
 * the truth, these are pointers for people.
 */
import { hostname, userInfo } from "node:os";
import { maskedText, maskedValue } from "../base/secrets.ts";
import type { CreateExperiment } from "../sdk/client.ts";
import { VERSION } from "../sdk/version.ts";
import type { Host } from "./cli.ts";

type Facts = NonNullable<CreateExperiment["provenance"]>;

export async function provenanceOf(host: Host, folder: string): Promise<Facts> {
  const git = await gitFacts(host, folder);
  return {
    cwd: host.cwd,
    folder,
    ...forkerOf(host),
    ...(git === undefined ? {} : { git }),
  };
}

/** Of a copy that is made on the server: no folder is read, so there is nothing to say of one. */
export const forkerOf = (host: Host): Facts => ({
  argv: withoutSecrets(host.argv),
  host: hostname(),
  user: userName(),
  platform: `${process.platform} ${process.arch}`,
  client: `contrail ${VERSION}`,
  node: process.version,
});

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
  const [commit, branch, status, remote, unpushed] = await Promise.all([
    git("rev-parse", "HEAD"),
    git("rev-parse", "--abbrev-ref", "HEAD"),
    git("--no-optional-locks", "status", "--porcelain=v2", "--untracked-files=normal"),
    git("remote", "get-url", "origin"),
    git("rev-list", `--max-count=${UNPUSHED_MAX}`, "HEAD", "--not", "--remotes"),
  ]);
  if (commit === undefined && status === undefined) return undefined;
  const changed = linesOf(status);
  const commits = linesOf(unpushed);
  return {
    commit: commit ?? null,
    branch: branch === undefined || branch === "HEAD" ? null : branch,
    changed_files: changed.length,
    ...countChanges(changed),
    clean: changed.length === 0,
    unpushed: commits.length,
    // The snapshot holds the content; by these it is found again where they were pushed later.
    ...(commits.length > 0 ? { unpushed_commits: commits.slice(0, NAMED_MAX).join(" ") } : {}),
    remote: remote === undefined ? null : withoutSecret(remote),
  };
}

/** Beyond this nobody counts. */
const UNPUSHED_MAX = 10_000;
const NAMED_MAX = 50;

const linesOf = (text: string | undefined): string[] =>
  text === undefined || text === "" ? [] : text.split("\n");

/** @param lines as `git status --porcelain=v2` writes them: `1 XY …`, X in the index and Y in the folder, `?` untracked */
export function countChanges(lines: readonly string[]): {
  staged: number;
  modified: number;
  untracked: number;
} {
  const counts = { staged: 0, modified: 0, untracked: 0 };
  for (const line of lines) {
    const [kind, change = ".."] = line.split(" ");
    if (kind === "?") counts.untracked += 1;
    else if (kind === "1" || kind === "2" || kind === "u") {
      if (change[0] !== ".") counts.staged += 1;
      if (change[1] !== ".") counts.modified += 1;
    }
  }
  return counts;
}

/** A command line as others may read it. What `--env` names has its value in the configuration, where the program gets it from. */
export function withoutSecrets(words: readonly string[]): string[] {
  let isVariable = false;
  return words.map((word) => {
    if (word.startsWith("-")) isVariable = word === "--env" || word === "-e";
    const equals = word.indexOf("=");
    if (!isVariable || equals === -1) return maskedText(withoutSecret(word));
    const name = word.slice(0, equals);
    return `${name}=${maskedValue(name, word.slice(equals + 1))}`;
  });
}

/** An address may carry a password or token before its host; other words stay as they are. */
function withoutSecret(word: string): string {
  if (!URL.canParse(word)) return word;
  const url = new URL(word);
  if (url.username === "" && url.password === "") return word;
  url.username = "";
  url.password = "";
  return url.href;
}
