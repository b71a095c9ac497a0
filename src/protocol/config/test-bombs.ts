/** For tests: YAML that is small to send and would be large, deep or long to read (row I2). */
import type { IssueCode } from "./issue.ts";

const DEPTH = 10_000;
const levels = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join("");

export interface Bomb {
  readonly text: () => string;
  readonly code: IssueCode;
  /** Line and column, where it is refused at a place that is known. */
  readonly at?: string;
}

export const BOMBS: Readonly<Record<string, Bomb>> = {
  "alias bombs": {
    text: () =>
      `l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n${levels(9, (i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(", ")}]\n`)}`,
    code: "too_large",
  },
  "merge-key bombs": {
    text: () =>
      `l0: &l0 {${levels(50, (i) => `k${i}: 1, `)}}\n${levels(30, (i) => `l${i + 1}: &l${i + 1} {<<: [${Array(10).fill(`*l${i}`).join(", ")}], m${i}: 1}\n`)}`,
    code: "too_large",
  },
  "ten megabytes, before anything is parsed": {
    text: () => "a: b\n".repeat(2_000_000),
    code: "too_large",
    at: "1:1",
  },
  "too many lines": { text: () => "\n".repeat(20_000), code: "too_large" },
  "too many tokens": { text: () => `[${"1,".repeat(100_000)}]`, code: "too_large" },
  "too many values": { text: () => `[${"1,".repeat(10_000)}]`, code: "too_large" },
  "nested flow lists": { text: () => "[".repeat(DEPTH) + "]".repeat(DEPTH), code: "too_deep" },
  "nested flow maps": { text: () => "{a: ".repeat(DEPTH) + "}".repeat(DEPTH), code: "too_deep" },
  "nested block lists": { text: () => `${"- ".repeat(DEPTH)}x`, code: "too_deep" },
  "nested explicit keys": { text: () => "? ".repeat(DEPTH), code: "too_deep" },
  "nested block maps": {
    text: () => levels(500, (i) => `${" ".repeat(i)}a:\n`),
    code: "too_deep",
  },
  "depth by way of aliases": {
    text: () => `a0: &a0 [x]\n${levels(70, (i) => `a${i + 1}: &a${i + 1} [*a${i}]\n`)}`,
    code: "too_deep",
  },
  "an unclosed depth": { text: () => "{a: [".repeat(40), code: "too_deep" },
  "four hundred duplicate keys": {
    text: () => "entrypoint: a\n".repeat(400),
    code: "duplicate_key",
  },
  "a thousand tags": {
    text: () => `[${"!!js/undefined x, ".repeat(1000)}]`,
    code: "yaml_tag",
  },
};
