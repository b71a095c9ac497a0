/**
 * Lines of a requirements.txt, as far as a record needs them: name, what is wanted of it, hashes. A line may have millions of
 * characters that nobody meant well: no expression here tries the same ones twice.
 */

export interface Requirement {
  readonly name: string;
  /** Behind the name: versions, extras, a condition, or an address. */
  readonly wanted: string;
  /** Where exactly one is wanted. */
  readonly version: string | undefined;
  /** As `sha256:…`. */
  readonly hashes: readonly string[];
}

const DEPTH_MAX = 8;

/** @param read of a file that is named by `-r`; undefined where there is none */
export function readRequirements(
  text: string,
  read: (path: string) => string | undefined,
  depth = 0,
): Requirement[] {
  const found: Requirement[] = [];
  for (const raw of text.replace(/\\\r?\n/g, " ").split(/\r\n?|[\n\u2028\u2029]/)) {
    const line = raw.replace(/(^|\s)#.*$/, "").trim();
    if (line === "") continue;
    const other = /^(?:-r|--requirement)[ =]*([^\s=]\S*)$/.exec(line)?.[1];
    if (other !== undefined) {
      const inner = depth < DEPTH_MAX ? read(other) : undefined;
      if (inner !== undefined) found.push(...readRequirements(inner, read, depth + 1));
      continue;
    }
    if (line.startsWith("-") && !/^(?:-e|--editable)\b/.test(line)) continue;
    found.push(requirement(line));
  }
  return found;
}

function requirement(line: string): Requirement {
  const hashes = [...line.matchAll(/--hash[= ](\w+:[0-9a-f]+)/g)].map(
    (match) => match[1] as string,
  );
  const bare = line.replace(/\s--[\w-]+[= ]\S+/g, "").trim();
  const match = /^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(.*)$/.exec(bare);
  const target = bare.replace(/^(?:-e|--editable)\s*/, "");
  const isAddress = /[:/]/.test(target) && !/\s/.test(target);
  // `-e git+https://…#egg=name`, `./folder`: the address is all that is known of it.
  if (match === null || (isAddress && !/^[^:/]+@/.test(bare))) {
    const egg = /[#&]egg=([\w.-]+)/.exec(bare)?.[1];
    return {
      name: egg ?? target,
      wanted: bare,
      version: undefined,
      hashes,
    };
  }
  const [, name = "", extras = "", rest = ""] = match;
  const exact = /^={2,3}\s*([^\s,;*]+)\s*(?:;.*)?$/.exec(rest.trim())?.[1];
  return {
    name,
    wanted: `${extras}${extras && rest ? " " : ""}${rest.trim()}`,
    version: exact,
    hashes,
  };
}
