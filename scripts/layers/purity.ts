/**
 * What the compiler cannot see: reads of the clock, of chance and of the environment. base, core, protocol and
 * analysis must run unchanged in the simulator and in the browser; the server's logic must run on a
 * virtual clock. Real ones are made in main.ts and handed in.
 */
import { lineAt, type Problem } from "../problem.ts";
import { isTest } from "./rooms.ts";

interface Forbidden {
  readonly name: string;
  readonly pattern: RegExp;
  readonly instead: string;
}

const IMPURE: readonly Forbidden[] = [
  { name: "Date.now", pattern: /\bDate\s*\.\s*now\b/g, instead: "take nowMs as an argument" },
  {
    name: "new Date()",
    pattern: /\bnew\s+Date\s*(?:\(\s*\)|(?=[;,)\]}]))/g,
    instead: "take nowMs as an argument",
  },
  {
    name: "performance",
    pattern: /(?<![\w$.])performance\s*\./g,
    instead: "take a Clock (base/clock.ts)",
  },
  {
    name: "Math.random",
    pattern: /\bMath\s*\.\s*random\b/g,
    instead: "use keyed() of base/random.ts",
  },
  {
    name: "timers",
    pattern: /(?<![\w$.])set(?:Timeout|Interval|Immediate)\b/g,
    instead: "take a Clock (base/clock.ts)",
  },
  {
    name: "process.env",
    pattern: /(?<![\w$.])process\s*\.\s*env\b/g,
    instead: "let main.ts read it and hand it in",
  },
];

/** Only in the rooms that do no I/O at all. */
const OUTSIDE_WORLD: readonly Forbidden[] = [
  {
    name: "process",
    pattern: /(?<![\w$.])process\s*\.(?!\s*env\b)/g,
    instead: "let main.ts hand it in",
  },
  {
    name: "fetch",
    pattern: /(?<![\w$.])fetch\s*\(/g,
    instead: "I/O belongs to sdk, server or runner",
  },
  { name: "console", pattern: /(?<![\w$.])console\s*\./g, instead: "return what is to be said" },
  {
    name: "globalThis",
    pattern: /\bglobalThis\b/g,
    instead: "name what is needed and take it as an argument",
  },
];

/** Uses that are right, each with its reason. */
export const allowed: readonly {
  readonly path: string;
  readonly name: string;
  readonly why: string;
}[] = [
  ...["Date.now", "performance", "timers"].map((name) => ({
    path: "src/base/real-clock.ts",
    name,
    why: "somebody has to read the real clock; only the beginnings of processes import it",
  })),
  {
    path: "src/server/http/connections.ts",
    name: "timers",
    why: "a turn of the event loop, after which what has come is read, and no time",
  },
];

const PURE_ROOMS = /^src\/(?:base|core|protocol|analysis)\//;
const SERVER_LOGIC = /^src\/server\//;

/** @param code the file through `codeOnly` */
export function checkPurity(path: string, code: string): Problem[] {
  if (isTest(path) || /(?:^|\/)main\.ts$/.test(path)) return [];
  const isPure = PURE_ROOMS.test(path);
  if (!isPure && !SERVER_LOGIC.test(path)) return [];
  return [...IMPURE, ...(isPure ? OUTSIDE_WORLD : [])]
    .filter(({ name }) => !allowed.some((entry) => entry.path === path && entry.name === name))
    .flatMap(({ name, pattern, instead }) =>
      [...code.matchAll(pattern)].map((match) => ({
        path,
        line: lineAt(code, match.index),
        rule: "purity",
        text: `${name} may not be used here; ${instead}. A use that is right gets a line with its reason in scripts/layers/purity.ts.`,
      })),
    );
}
