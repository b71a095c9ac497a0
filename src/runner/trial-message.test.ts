import assert from "node:assert/strict";
import { test } from "node:test";
import { REPORT_METRICS_MAX } from "../protocol/runner-wire.ts";
import { metadataFault, parseTrialLine } from "./trial-message.ts";

const parse = (line: string) => parseTrialLine(Buffer.from(line));
const report = (metrics: string) => {
  const parsed = parse(`{"type":"report","step":1,"metrics":${metrics}}`);
  assert.ok("message" in parsed && parsed.message.type === "report", JSON.stringify(parsed));
  return parsed.message;
};

test("numbers arrive as they were sent, to the last bit", () => {
  const { metrics, refused } = report(
    '{"a":-0,"b":0.1,"c":1e-320,"d":9007199254740991,"e":1e400,"f":-1e400,"g":"NaN","h":"-Infinity"}',
  );
  assert.equal(
    metrics,
    '{"a":-0,"b":0.1,"c":1e-320,"d":9007199254740991,"e":"Infinity","f":"-Infinity","g":"NaN","h":"-Infinity"}',
  );
  assert.equal(refused, null);
});

test("what is no number is refused by name, and the rest goes through", () => {
  const { metrics, refused } = report(
    '{"ok":1,"flag":true,"label":"cat","none":null,"list":[1,2],"nested":{"x":{"y":1}}}',
  );
  assert.equal(metrics, '{"ok":1}');
  assert.deepEqual(refused, {
    flag: "boolean: true",
    label: 'string: "cat"',
    none: "null: null",
    list: "array: [1,2]",
    nested: 'object: {"x":{"y":1}}',
  });
});

test("names that no store can hold are refused, and shown in a form that it can", () => {
  const long = "n".repeat(513);
  const { metrics, refused } = report(
    `{"":1,"a\\u0000b":2,"\\ud800":3,"${long}":4,"__proto__":5,"é":6}`,
  );
  assert.equal(metrics, '{"é":6}');
  assert.match(refused?.["(__proto__)"] ?? "", /is __proto__/);
  assert.deepEqual(Object.keys(refused!), [
    "(empty)",
    "a\u2400b",
    "\ufffd",
    "n".repeat(512),
    "(__proto__)",
  ]);
});

test("a long value that is refused is shown in part, and only so many are", () => {
  const { refused } = report(JSON.stringify({ text: "é".repeat(10_000) }));
  assert.ok(refused!.text!.length < 250);
  const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`m${i}`, "x"]));
  assert.equal(Object.keys(report(JSON.stringify(many)).refused!).length, 1_000);
});

test("a report of more metrics than the server takes is refused whole, with its number and the limit", () => {
  const of = (count: number) =>
    report(
      JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, i]))),
    );
  const most = of(REPORT_METRICS_MAX);
  assert.equal(Object.keys(JSON.parse(most.metrics)).length, REPORT_METRICS_MAX);
  assert.equal(most.refused, null);
  const { metrics, refused } = of(REPORT_METRICS_MAX + 1);
  assert.equal(metrics, "{}");
  assert.match(
    refused?.["*"] ?? "",
    /^all 10001 metrics of the report at step 1: the limit is 10000/,
  );
});

const faults: readonly (readonly [string, RegExp])[] = [
  ["", /not JSON/],
  ["{", /not JSON/],
  ['{"type":"report","step":1,"metrics":{"x":NaN}}', /not JSON/],
  ["[]", /not a JSON object/],
  ["7", /not a JSON object/],
  ["{}", /type undefined; known are/],
  ['{"type":"orders"}', /type "orders"/],
  ['{"type":"hello"}', /hello: rank must be a whole number from 0, not undefined/],
  ['{"type":"hello","rank":0.5}', /not 0.5/],
  ['{"type":"report","step":"1","metrics":{}}', /report: step must be .* not "1"/],
  ['{"type":"report","step":1e16,"metrics":{}}', /step must be/],
  ['{"type":"report","step":1}', /metrics must be an object of numbers, not undefined/],
  ['{"type":"wait","step":-1}', /wait: step/],
  ['{"type":"agree","turn":1.5}', /agree: turn/],
  ['{"type":"checkpoint","step":1,"path":7}', /checkpoint: path/],
  ['{"type":"checkpoint","step":1,"path":"a\\u0000"}', /checkpoint: path/],
  ['{"type":"checkpoint","step":1,"path":"a","metadata":[]}', /metadata must be an object/],
];
for (const [line, expected] of faults)
  test(`refused with the reason: ${line || "(empty line)"}`, () => {
    const parsed = parse(line);
    assert.ok("fault" in parsed);
    assert.match(parsed.fault, expected);
    assert.ok(parsed.fault.length < 400);
  });

test("values that are nested a hundred thousand levels deep overflow nothing", () => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  assert.match(report(`{"ok":1,"deep":${deep}}`).refused?.deep ?? "", /^array: /);
  assert.ok("fault" in parse(`{"type":${deep}}`));
  assert.ok("fault" in parse(`{"type":"report","step":${deep},"metrics":{}}`));
  assert.ok("message" in parse(`{"type":"invalid_hyperparameters","reason":${deep}}`));
  const checkpoint = parse(`{"type":"checkpoint","step":1,"path":"a","metadata":{"x":${deep}}}`);
  assert.ok("message" in checkpoint && checkpoint.message.type === "checkpoint");
  assert.match(metadataFault(checkpoint.message.metadata) ?? "", /nested more than 32 levels/);
});

test("bytes that are not UTF-8 are not guessed at", () => {
  assert.deepEqual(parseTrialLine(Buffer.from([0x7b, 0xff, 0x7d])), {
    fault: "a line on the socket is not UTF-8",
  });
});

test("metadata that no store can hold is refused before the folder is taken over", () => {
  assert.equal(metadataFault({ a: [1, { b: "x" }] }), null);
  assert.match(metadataFault({ a: ["\0"] }) ?? "", /NUL/);
  assert.match(metadataFault({ "\ud800": 1 }) ?? "", /surrogate/);
  // The server takes no body with this name in it: sent, it would hold up the whole trial for good.
  assert.match(metadataFault(JSON.parse('{"a":{"__proto__":1}}')) ?? "", /__proto__/);
  assert.equal(metadataFault({ a: "__proto__", constructor: { prototype: 1 } }), null);
  assert.match(metadataFault({ a: "x".repeat(2 ** 20) }) ?? "", /the limit is 1048576/);
});
