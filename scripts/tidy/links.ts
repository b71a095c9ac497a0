/** Relative links in Markdown: the file must exist in the repository, and so must the heading. */
import { posix } from "node:path";
import { lineAt, type Problem } from "../problem.ts";

/** `[text](target)`, `![text](target "title")` */
const INLINE = /\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g;
/** `[name]: target` at the start of a line */
const DEFINITION = /^ {0,3}\[[^\]^]+\]:\s*<?(\S+?)>?\s*$/gm;
const ELSEWHERE = /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i;

/**
 * @param files path → text, to look for headings
 * @param paths every file of the repository
 */
export function checkLinks(
  path: string,
  text: string,
  files: ReadonlyMap<string, string>,
  paths: ReadonlySet<string>,
): Problem[] {
  const prose = withoutCode(text);
  return [INLINE, DEFINITION].flatMap((pattern) =>
    [...prose.matchAll(pattern)].flatMap((match) => {
      const target = match[1] as string;
      const fault = ELSEWHERE.test(target) ? undefined : faultOf(path, target, files, paths);
      return fault === undefined
        ? []
        : [{ path, line: lineAt(prose, match.index), rule: "link", text: fault }];
    }),
  );
}

function faultOf(
  path: string,
  target: string,
  files: ReadonlyMap<string, string>,
  paths: ReadonlySet<string>,
): string | undefined {
  const [file = "", anchor] = target.split("#");
  const decoded = decodeURIComponent(file);
  const absolute = decoded.startsWith("/")
    ? decoded.slice(1)
    : posix.join(posix.dirname(path), decoded);
  const wanted = decoded === "" ? path : absolute.replace(/\/$/, "");
  const isFolder = [...paths].some((known) => known.startsWith(`${wanted}/`));
  if (!paths.has(wanted) && !isFolder && wanted !== ".") {
    return `${target} leads to ${wanted}, which does not exist`;
  }
  const text = wanted.endsWith(".md") ? files.get(wanted) : undefined;
  if (!anchor || text === undefined || anchorsOf(text).has(anchor.toLowerCase())) return undefined;
  return `${target}: ${wanted} has no heading with the anchor #${anchor}`;
}

/** The anchors that forges give to headings: lower case, spaces to dashes, most signs dropped. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of withoutFences(text).matchAll(/^#{1,6}\s+(.+?)\s*#*\s*$/gm)) {
    const plain = (heading as string).toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "");
    const anchor = plain.replace(/\s/g, "-");
    let unique = anchor;
    for (let copy = 1; anchors.has(unique); copy++) unique = `${anchor}-${copy}`;
    anchors.add(unique);
  }
  return anchors;
}

const blank = (text: string): string => text.replace(/[^\n]/g, " ");
const withoutFences = (text: string): string =>
  text.replace(/^( {0,3})(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^ {0,3}\2[`~]*\s*$|(?![\s\S]))/gm, blank);
const withoutCode = (text: string): string => withoutFences(text).replace(/(`+)[^`\n]+\1/g, blank);
