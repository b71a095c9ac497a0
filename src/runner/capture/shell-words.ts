/**
 * A shell's text as simple commands of words, as far as that can be known without running it. Enough to find the
 * programs that a command line starts; what only running could tell (`$(…)`, unknown variables) is marked and not guessed.
 * A whole shell grammar was refused: here nothing is executed by it, and what it cannot read is listed as missing.
 */

export interface ShellWord {
  readonly text: string;
  /** Holds something that only a shell that runs it would know. */
  readonly unclear: boolean;
}

/** Words of each simple command, in order. Keywords and brackets at a command's beginning are left out. */
export function simpleCommands(
  script: string,
  variables: Readonly<Record<string, string | undefined>>,
): ShellWord[][] {
  const commands: ShellWord[][] = [];
  let words: ShellWord[] = [];
  const end = (): void => {
    while (words[0] !== undefined && KEYWORDS.has(words[0].text)) words.shift();
    if (words.length > 0) commands.push(words);
    words = [];
  };
  for (const token of tokens(script, variables)) {
    if (token === "end") end();
    else words.push(token);
  }
  end();
  return commands;
}

const KEYWORDS: ReadonlySet<string> = new Set([
  ...["if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac"],
  ...["!", "{", "}", "(", ")", "time", "exec", "command", "builtin", "nohup"],
]);
const ENDS: ReadonlySet<string> = new Set([";", "&", "|", "\n", "(", ")"]);

function* tokens(
  script: string,
  variables: Readonly<Record<string, string | undefined>>,
): Generator<ShellWord | "end"> {
  let text = "";
  let begun = false;
  let unclear = false;
  const word = (): ShellWord[] => {
    if (!begun) return [];
    const done = { text, unclear };
    [text, begun, unclear] = ["", false, false];
    return [done];
  };
  let at = 0;
  const expand = (): void => {
    if (script[at + 1] === "(") {
      [begun, unclear] = [true, true];
      at = afterBrackets(script, at + 1);
      return;
    }
    const match = /^\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/.exec(
      script.slice(at, at + 200),
    );
    const value = match ? variables[match[1] ?? match[2] ?? ""] : undefined;
    begun = true;
    if (match === null || value === undefined) unclear = true;
    else text += value;
    at += match?.[0].length ?? 1;
  };
  while (at < script.length) {
    const char = script[at] as string;
    if (char === "'") {
      const close = script.indexOf("'", at + 1);
      text += script.slice(at + 1, close === -1 ? undefined : close);
      begun = true;
      at = close === -1 ? script.length : close + 1;
    } else if (char === '"') {
      begun = true;
      for (at += 1; at < script.length && script[at] !== '"'; ) {
        if (script[at] === "\\" && '"\\$`\n'.includes(script[at + 1] ?? "")) {
          text += script[at + 1];
          at += 2;
        } else if (script[at] === "$") expand();
        else {
          if (script[at] === "`") unclear = true;
          text += script[at];
          at += 1;
        }
      }
      at += 1;
    } else if (char === "\\") {
      if (script[at + 1] !== "\n") {
        text += script[at + 1] ?? "";
        begun = true;
      }
      at += 2;
    } else if (char === "$") expand();
    else if (char === "`") {
      [begun, unclear] = [true, true];
      at += 1;
    } else if (char === "#" && !begun) {
      const line = script.indexOf("\n", at);
      at = line === -1 ? script.length : line;
    } else if (ENDS.has(char)) {
      yield* word();
      yield "end";
      at += 1;
    } else if (char === " " || char === "\t" || char === "\r") {
      yield* word();
      at += 1;
    } else {
      text += char;
      begun = true;
      at += 1;
    }
  }
  yield* word();
}

/** @param at where a bracket opens @returns behind the one that closes it, or the end */
function afterBrackets(script: string, at: number): number {
  let open = 0;
  for (let i = at; i < script.length; i++) {
    if (script[i] === "(") open += 1;
    if (script[i] === ")") open -= 1;
    if (open === 0) return i + 1;
  }
  return script.length;
}
