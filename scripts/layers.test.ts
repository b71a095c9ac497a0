import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { codeOnly } from "./layers/code-only.ts";
import { findCycles } from "./layers/cycles.ts";
import { importsOf } from "./layers/imports.ts";
import { checkLayers } from "./layers.ts";

describe("codeOnly blanks what is not code", () => {
  const check = (name: string, source: string, expected: string): void => {
    test(name, () => {
      const code = codeOnly(source);
      assert.equal(code, expected);
      assert.equal(code.length, source.length);
    });
  };
  check("line comments", "a; // b\nc;", "a;     \nc;");
  check("block comments keep their lines", "a /* x\ny */ b", "a     \n     b");
  check("strings keep their quotes", `f("a//b", 'c')`, `f("    ", ' ')`);
  check("escaped quotes", String.raw`"a\"b" + c`, `"    " + c`);
  check(
    "templates keep the code inside",
    `\`a \${b + \`c \${d}\`} e\` + f`,
    `\`  \${b + \`  \${d}\`}  \` + f`,
  );
  check("braces inside a template's code", `\`\${f({ a: 1 })} x\`;y`, `\`\${f({ a: 1 })}  \`;y`);
  check("regular expressions", `x = /a"b\\/[/]c/g; y`, `x = /         /g; y`);
  check("division is no regular expression", "a / b / c // d", "a / b / c     ");
  check("a regular expression after return", "return /'/.test(x)", "return / /.test(x)");
  check("a closing tag is none", `<b>it</b> "x"`, `<b>it</b> " "`);
  check("an apostrophe in text is none", "<p>it's</p>\nf('a')", "<p>it's</p>\nf(' ')");
});

describe("importsOf finds", () => {
  const check = (name: string, source: string, expected: (string | undefined)[]): void => {
    test(name, () => {
      const found = importsOf(source, codeOnly(source));
      assert.deepEqual(
        found.map((entry) => entry.specifier),
        expected,
      );
    });
  };
  check("a named import", `import { a, b as c } from "./x.ts";`, ["./x.ts"]);
  check("an import over several lines", `import {\n  a,\n  type B,\n} from "./x.ts";`, ["./x.ts"]);
  check("default and namespace", `import a, * as b from 'y';`, ["y"]);
  check("a type import", `import type { A } from "./a.ts";`, ["./a.ts"]);
  check("a bare import", `import "./side.ts";`, ["./side.ts"]);
  check("re-exports", `export * from "./a.ts"; export type { B } from "./b.ts";`, [
    "./a.ts",
    "./b.ts",
  ]);
  check("dynamic imports, in values and types", `await import("./a.ts"); type T = import("b").T;`, [
    "./a.ts",
    "b",
  ]);
  check("a dynamic import of a computed name", "await import(name);", [undefined]);
  check("imports after an export without one", `export interface A {}\nimport b from "./b.ts";`, [
    "./b.ts",
  ]);
  check(
    "nothing in comments and strings",
    `// import "a"\nconst s = 'import "b"'; import.meta.url;`,
    [],
  );
  check(
    "nothing in words that only look alike",
    `reimport("a"); o.import("b"); exported = "c";`,
    [],
  );
  test("its line", () => {
    const source = `// one\n\nimport a from "./a.ts";`;
    assert.equal(importsOf(source, codeOnly(source))[0]?.line, 3);
  });
});

describe("planted violations are found", () => {
  /** `files` beside an innocent one; the text of the only problem has to match. */
  const check = (name: string, files: { [path: string]: string }, expected: RegExp | undefined) => {
    test(name, () => {
      const problems = checkLayers(new Map(Object.entries(files)));
      assert.deepEqual(
        problems.filter((problem) => !expected?.test(`${problem.path}: ${problem.text}`)),
        [],
      );
      assert.equal(problems.length, expected === undefined ? 0 : 1);
    });
  };
  const to = (path: string) => `import { a } from "${path}";\n`;

  check(
    "none in a clean tree",
    { "src/core/a.ts": to("../base/b.ts"), "src/base/b.ts": "" },
    undefined,
  );
  check(
    "core imports protocol",
    { "src/core/a.ts": to("../protocol/b.ts"), "src/protocol/b.ts": "" },
    /^src\/core\/a\.ts: src\/core\/ may import src\/base\/, not src\/protocol\/b\.ts/,
  );
  check(
    "a type import counts too",
    { "src/base/a.ts": `import type { B } from "../core/b.ts";`, "src/core/b.ts": "" },
    /may import nothing outside itself/,
  );
  check(
    "the CLI imports the server",
    { "src/cli/a.ts": `await import("../server/b.ts");`, "src/server/b.ts": "" },
    /src\/cli\/ may import .*not src\/server\/b\.ts/,
  );
  check(
    "the runner may use the snapshot of the store and nothing else of it",
    {
      "src/runner/a.ts": to("../store/snapshot.ts") + to("../store/blobs.ts"),
      "src/store/snapshot.ts": "",
      "src/store/blobs.ts": "",
    },
    /not src\/store\/blobs\.ts/,
  );
  check("core imports Node", { "src/core/a.ts": to("node:fs") }, /does no I\/O/);
  check("tests of core may", { "src/core/a.test.ts": to("node:fs") + to("fast-check") }, undefined);
  check(
    "a package of another room",
    { "src/store/a.ts": to("fastify") },
    /may use pg, kysely, .*not fastify/,
  );
  check(
    "yaml outside protocol/config",
    { "src/protocol/a.ts": to("yaml"), "src/protocol/config/b.ts": to("yaml") },
    /^src\/protocol\/a\.ts: .*not yaml/,
  );
  check(
    "an example uses the inside",
    { "examples/x/a.ts": to("../../src/sdk/b.ts"), "src/sdk/b.ts": "" },
    /not src\/sdk/,
  );
  check(
    "what exists for tests is used by others",
    { "src/store/a.ts": to("./test-database.ts"), "src/store/test-database.ts": to("node:test") },
    /exists for tests/,
  );
  check(
    "tests may use what exists for tests",
    { "src/core/a.test.ts": to("./test-bench.ts"), "src/core/test-bench.ts": to("fast-check") },
    undefined,
  );
  check("an example uses the public entry", { "examples/x/a.ts": to("contrail") }, undefined);
  check(
    "a file that is not there",
    { "src/core/a.ts": to("./gone.ts") },
    /gone\.ts does not exist/,
  );
  check("a room that nobody knows", { "src/attic/a.ts": to("node:fs") }, /no room/);
  check("a computed import", { "src/store/a.ts": "await import(path);" }, /computed name/);
  check(
    "a circle",
    { "src/core/a.ts": to("./b.ts"), "src/core/b.ts": to("./c.ts"), "src/core/c.ts": to("./a.ts") },
    /circle: src\/core\/a\.ts → src\/core\/b\.ts → src\/core\/c\.ts → src\/core\/a\.ts/,
  );
  check(
    "a feature of the page imports another",
    { "web/features/a/x.tsx": to("../b/y.tsx"), "web/features/b/y.tsx": "" },
    /feature a may not import the feature b/,
  );

  const impure = [
    "Date.now()",
    "new Date()",
    "Math.random()",
    "setTimeout(f, 1)",
    "setInterval(f, 1)",
    "process.env.X",
    "performance.now()",
  ];
  for (const use of impure) {
    check(`${use} in core`, { "src/core/a.ts": `const x = ${use};` }, /^src\/core\/a\.ts: /);
    check(
      `${use} in the server's logic`,
      { "src/server/loops/a.ts": `const x = ${use};` },
      /may not/,
    );
    check(`${use} in its main.ts`, { "src/server/main.ts": `const x = ${use};` }, undefined);
  }
  check("console in protocol", { "src/protocol/a.ts": "console.log(1);" }, /console may not/);
  check(
    "what only looks impure",
    {
      "src/core/a.ts": `// Date.now()\nconst s = "Math.random()"; new Date(5); x.process.env; a.fetch(1);`,
    },
    undefined,
  );
});

test("findCycles reports each knot once, by its shortest circle", () => {
  const graph = new Map([
    ["a", ["b", "c"]],
    ["b", ["a"]],
    ["c", ["d"]],
    ["d", ["a"]],
    ["e", ["e"]],
    ["f", ["a"]],
  ]);
  const cycles = findCycles(graph);
  assert.deepEqual(cycles, [
    ["a", "b", "a"],
    ["c", "d", "a", "c"],
    ["e", "e"],
  ]);
});
