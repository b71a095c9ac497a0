/**
 * Blanks everything in a TypeScript source that is not code: comments, and what stands inside
 * strings, templates and regular expressions. The length, the quotes and the lines stay, so a
 * position in the result is the same position in the source, and a plain search over the result
 * cannot be fooled by a word in a comment.
 *
 * A hundred lines, because TypeScript 7 offers no parser to JavaScript and another parser would be a
 * dependency for two checks. What it cannot know (whether `/` divides or opens a regular
 * expression) it takes from the token before; a string never runs past its line, so a wrong guess
 * or two apostrophes in JSX text spoil that line and no more.
 */
const REGEX_AFTER_WORD =
  /(?:^|[^\w$.])(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield)$/;

export function codeOnly(source: string): string {
  const out = source.split("");
  const blank = (from: number, to: number): void => {
    for (let i = from; i < to && i < out.length; i++) if (out[i] !== "\n") out[i] = " ";
  };
  /** For each template whose `${…}` is open: how many `{` are open inside it. */
  const templates: number[] = [];
  let last = "";
  let i = 0;
  while (i < source.length) {
    const char = source[i] as string;
    const two = source.slice(i, i + 2);
    if (two === "//" || two === "/*") {
      const end = two === "//" ? source.indexOf("\n", i) : source.indexOf("*/", i + 2);
      const to = end < 0 ? source.length : end + (two === "//" ? 0 : 2);
      blank(i, to);
      i = to;
      continue;
    }
    if (char === '"' || char === "'") {
      const end = endOfString(source, i);
      if (end !== undefined) blank(i + 1, end - 1);
      i = end ?? i + 1;
      last = char;
      continue;
    }
    if (char === "`" || (char === "}" && templates.at(-1) === 0)) {
      if (char === "}") templates.pop();
      const end = endOfTemplateText(source, i + 1);
      const opens = source[end - 1] === "{";
      blank(i + 1, end - (opens ? 2 : 1));
      if (opens) templates.push(0);
      last = opens ? "{" : "`";
      i = end;
      continue;
    }
    if (char === "/" && opensRegex(source, i, last)) {
      const end = endOfRegex(source, i);
      blank(i + 1, end - 1);
      last = "/";
      i = Math.max(end, i + 1);
      continue;
    }
    if (templates.length > 0 && char === "{") templates[templates.length - 1]!++;
    if (templates.length > 0 && char === "}") templates[templates.length - 1]!--;
    if (!/\s/.test(char)) last = char;
    i++;
  }
  return out.join("");
}

/** @returns undefined when the line ends first, and this quote opens no string */
function endOfString(source: string, start: number): number | undefined {
  for (let i = start + 1; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === source[start]) return i + 1;
    else if (source[i] === "\n") return undefined;
  }
  return undefined;
}

/** @returns the position after the closing backtick or after the `${` that interrupts the text */
function endOfTemplateText(source: string, start: number): number {
  for (let i = start; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === "`") return i + 1;
    else if (source[i] === "$" && source[i + 1] === "{") return i + 2;
  }
  return source.length;
}

function opensRegex(source: string, at: number, last: string): boolean {
  if (last === "" || "(,=:[!&|?{};+-*%~^<>".includes(last)) {
    // `</div>` closes a JSX element.
    return source[at - 1] !== "<";
  }
  return REGEX_AFTER_WORD.test(source.slice(Math.max(0, at - 16), at).trimEnd());
}

function endOfRegex(source: string, start: number): number {
  let inClass = false;
  for (let i = start + 1; i < source.length && source[i] !== "\n"; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === "[") inClass = true;
    else if (source[i] === "]") inClass = false;
    else if (source[i] === "/" && !inClass) return i + 1;
  }
  return start + 1;
}
