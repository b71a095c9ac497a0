/** The reader of exported points, against text that no export is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readPoints } from "./points.ts";

const HEAD = "experiment,trial,run,seq,step,time,name,value,superseded\n";

/** @param pieces after the names of the columns @returns how many of them were asked for */
async function reading(pieces: Iterable<string>): Promise<{ points: string[]; asked: number }> {
  const points: string[] = [];
  let asked = 0;
  const stream = async function* () {
    yield Buffer.from(HEAD);
    for (const piece of pieces) {
      asked += 1;
      yield Buffer.from(piece);
    }
  };
  try {
    for await (const some of readPoints(stream())) points.push(...some.map(({ name }) => name));
  } catch (error) {
    assert.match((error as Error).message, /more than 65536 characters/);
    points.push("refused");
  }
  return { points, asked };
}

test("a quote that nobody closes is refused long before the text ends", async () => {
  const pieces = Array.from({ length: 1000 }, () => "\n".repeat(4096));
  const { points, asked } = await reading(['1,1,1,1,1,t,"', ...pieces]);
  assert.deepEqual([points, asked], [["refused"], 17]);
});

test("a line without an end is refused as well, also where it comes in one piece", async () => {
  assert.deepEqual(await reading(Array(100).fill("x".repeat(10_000))), {
    ...{ points: ["refused"], asked: 7 },
  });
  const { points } = await reading([`1,1,1,1,1,t,"${"\n".repeat(65_536)}",1,true\n`]);
  assert.deepEqual(points, ["refused"]);
});

test("names with quotes, commas and line feeds come out as they are, wherever the text is cut", async () => {
  const names = ["loss", '"', 'a ""\n"" b', "\n\n", ',"\n', "", "é\n"];
  const text = names
    .map((name, i) => `1,1,1,${i + 1},1,t,"${name.replaceAll('"', '""')}",NaN,false\n`)
    .join("");
  for (let at = 0; at <= text.length; at++)
    assert.deepEqual((await reading([text.slice(0, at), text.slice(at)])).points, names);
});

test("values come out as they were written, and what no export writes is refused", async () => {
  const read = async (text: string): Promise<number | undefined> => {
    const stream = async function* () {
      yield Buffer.from(`${HEAD}1,1,1,1,1,t,loss,${text},false\n`);
    };
    for await (const [point] of readPoints(stream())) return point?.value;
    return undefined;
  };
  for (const value of [0, -0, 1.25, -3e-300, 5e-324, 1.7976931348623157e308, Infinity, NaN])
    assert.ok(
      Object.is(await read(Object.is(value, -0) ? "-0" : String(value)), value),
      `${value}`,
    );
  for (const [text, why] of [
    ["1.2.3", /is no point/],
    ["1.", /is no point/],
    ["1e999", /beyond what a double holds: 1e999/],
    ["-1e999", /beyond what a double holds/],
  ] as const)
    await assert.rejects(read(text), why);
});
