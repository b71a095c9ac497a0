/** Rows I6 and I7 from the program to the wire: odd numbers through both helpers, and output of any bytes. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { FakeServer } from "./fake-server.ts";
import { LINE_PIECE_MAX_BYTES } from "./log-record.ts";
import { TestBench } from "./test-bench.ts";

let bench: TestBench;
let server: FakeServer;

beforeEach(async () => {
  bench = await TestBench.open();
  server = bench.server;
  await bench.startRunner();
});
afterEach(() => bench.close());

const PYTHON = `
import contrail
trial = contrail.init()
for step in trial.steps():
    trial.report(step, {"loss": 1.5, "nan": float("nan"), "plus": float("inf"), "minus": float("-inf"), "zero": -0.0,
      "large": 1e400, "tiny": 5e-324, "whole": 2**53, "odd": 2**53 + 1, "text": "12", "flag": True, "none": None,
      "list": [1], "nested": {"a": {"b": 1}}, "": 1, "a\\0b": 2, "__proto__": 3, "constructor": 4, "\\ud800": 5})
`;
const TYPESCRIPT = `
import { init } from "contrail";
const trial = await init();
for await (const step of trial.steps())
  trial.report(step, { loss: 1.5, nan: NaN, plus: Infinity, minus: -Infinity, zero: -0, large: 1e400, tiny: 5e-324,
    whole: 2 ** 53, odd: 2n ** 53n + 1n, text: "12", flag: true, none: null, list: [1], nested: { a: { b: 1 } },
    "": 1, "a\\0b": 2, ["__proto__"]: 3, constructor: 4, "\\ud800": 5 });
`;

for (const [name, id, program] of [
  ["Python", "1.1.1", ["python3", "train.py"]],
  ["TypeScript", "2.1.1", [process.execPath, "train.ts"]],
] as const)
  test(`${name}: odd numbers arrive as they were sent, the rest is refused by name`, async (t) => {
    const code = server.tree({ "train.py": PYTHON, "train.ts": TYPESCRIPT });
    server.launch(id, program, { code });
    server.order(id, { target: 1 });
    await server.until("the report", () => server.types(id).includes("waiting"));
    server.order(id, { yield: "stop" });
    await server.untilExit(id);
    const report = server.events(id).find((event) => event.type === "report");
    assert.ok(report?.type === "report");
    const { metrics, refused = {} } = report;
    assert.deepEqual(
      { ...metrics },
      {
        ...{ loss: 1.5, nan: "NaN", plus: "Infinity", minus: "-Infinity", zero: -0 },
        ...{ large: "Infinity", tiny: 5e-324, whole: 2 ** 53, constructor: 4 },
      },
    );
    assert.ok(Object.is(metrics.zero, -0));
    const names = ["odd", "text", "flag", "none", "list", "nested", "(empty)", "a\u2400b"];
    assert.deepEqual(Object.keys(refused).sort(), [...names, "(__proto__)", "\ufffd"].sort());
    t.diagnostic(
      `I6: ${name}: ${Object.keys(metrics).length} of 19 values stored to the last bit, ${Object.keys(refused).length} refused by name, 0 changed in silence`,
    );
  });

test("output of any bytes arrives whole: split where it is long, never dropped or mended", async (t) => {
  const program = `
import sys
w = sys.stdout.buffer.write
w(b"\\xff\\xfe\\x00\\x80 not UTF-8\\n")
w("\\u202eevil\\u202c 💥\\n".encode())
w(b"\\xed\\xa0\\x80 half a pair\\n")
w(b"\\x1b[31mred\\x1b[0m\\x1b]0;title\\x07\\x1b[2J\\n")
for i in range(100): w(b"\\r%d%%" % i)
w(b"\\n")
w(b"\\xe2\\x82" * 524288 + b"\\n")
w(b"no newline at the end")
`;
  const line = Buffer.alloc(2 * 524_288, Buffer.from([0xe2, 0x82]));
  const bar = Array.from({ length: 100 }, (_, i) => `\r${i}%`).join("");
  const expected = Buffer.concat([
    Buffer.from("ff fe 00 80".replaceAll(" ", ""), "hex"),
    Buffer.from(" not UTF-8\n\u202eevil\u202c 💥\n"),
    Buffer.from("eda080", "hex"),
    Buffer.from(` half a pair\n\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J\n${bar}\n`),
    ...[line, Buffer.from("\nno newline at the end")],
  ]);
  server.launch("3.1.1", ["python3", "-c", program]);
  const exit = await server.untilExit("3.1.1");
  await server.until("its output", () => server.logs("3.1.1").length >= exit.logLines);
  const output = server.output("3.1.1", "stdout");
  assert.ok(output.equals(expected), `${output.length} bytes of ${expected.length}`);
  const pieces = server.logs("3.1.1").map(({ bytes }) => Buffer.from(bytes, "base64").length);
  assert.ok(pieces.every((size) => size <= LINE_PIECE_MAX_BYTES));
  t.diagnostic(
    `I7: ${output.length} bytes of output kept byte for byte in ${pieces.length} lines; 1 MiB without a newline split, 0 dropped`,
  );
});
