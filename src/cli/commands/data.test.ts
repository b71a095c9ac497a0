/** `data` against a server that answers as a test says. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Tree } from "../../protocol/runner-wire.ts";
import { cliBench } from "../test-bench.ts";
import { aDataset } from "../test-things.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("data", () => {
  const bench = cliBench();

  test("add sends the parts that are lacking and nothing else, with the bytes that they name", async () => {
    const folder = bench.fresh();
    mkdirSync(folder);
    const large = Buffer.alloc(20 * 1024 * 1024);
    for (let i = 0; i < large.length; i += 4) large.writeUInt32LE((i * 2654435761) >>> 0, i);
    writeFileSync(join(folder, "large.bin"), large);
    writeFileSync(join(folder, "t.csv"), "a,b\n1,2\n");
    let lacking: string[] = [];
    // As after an adding that was cut off: all but the last two are there.
    bench.server.answer("POST /blobs/missing", (request, response) => {
      lacking = (JSON.parse(request.body.toString()).hashes as string[]).slice(-2);
      response.end(JSON.stringify({ missing: lacking }));
    });
    const sent = new Map<string, string>();
    bench.server.answer("PUT /blobs/*", (request, response) => {
      sent.set(request.path.split("/").at(-1) ?? "", sha256(request.body));
      response.end(JSON.stringify({ existed: false }));
    });
    let told: { tree: Tree; statistics: { tables: { path: string; rows: number }[] } } | undefined;
    bench.server.answer("POST /datasets", (request, response) => {
      told = JSON.parse(request.body.toString());
      response.end(JSON.stringify({ ...aDataset(), created: true }));
    });
    const ran = await bench.cli("data", "add", "digits", folder);
    assert.equal(ran.code, 0, ran.err);
    assert.deepEqual([...sent.keys()].sort(), lacking.sort());
    for (const [name, content] of sent) assert.equal(content, name);
    const [entry] = told?.tree ?? [];
    assert.equal(entry?.hash, sha256(large));
    assert.ok((entry?.chunks?.length ?? 0) > 2);
    assert.deepEqual(
      told?.statistics.tables.map(({ path, rows }) => [path, rows]),
      [["t.csv", 1]],
    );
  });

  test("a list of files that is not what its name says is refused", async () => {
    const dataset = { ...aDataset({ snapshot: "b".repeat(64) }), statistics: null };
    const detail = { ...dataset, used_by: [], used_by_total: 0 };
    bench.server.answer("GET /datasets/names/2", detail);
    bench.server.answer(`GET /blobs/${"b".repeat(64)}`, (_, response) => void response.end("[]"));
    const ran = await bench.cli("data", "show", "names@2");
    assert.equal(ran.code, 1);
    assert.match(ran.err, /is not what its hash b{64} says/);
  });

  test("names and options that cannot be are said in a sentence, before anything is asked", async () => {
    for (const [args, says] of [
      [["show", "Names@2"], /does not name a version/],
      [["show", "names@0"], /does not name a version/],
      [["rm", "names"], /leaves open which version/],
      [["rm", "names@latest"], /leaves open which version/],
      [["add", "names", "s3://bucket/x"], /by reference only/],
      [["add", "names", ".", "--uri"], /--uri is for data of S3/],
    ] as const) {
      const ran = await bench.cli("data", ...args);
      assert.equal(ran.code, 2, args.join(" "));
      assert.match(ran.err, says);
    }
  });

  test("what differs ends verify with a failure", async () => {
    const difference = {
      ...{ path: "a.txt", code: "changed", message: "is another" },
      ...{ expected: "x", found: "y" },
    };
    bench.server.answer("POST /datasets/names/2/verify", (request, response) => {
      const { after } = JSON.parse(request.body.toString());
      const rest =
        after === 0 ? { differences: [], next: 1 } : { differences: [difference], next: null };
      response.end(JSON.stringify({ files: 1, bytes: 1, ...rest }));
    });
    const ran = await bench.cli("data", "verify", "names@2");
    assert.equal(ran.code, 1);
    assert.match(ran.out, /changed {2}a\.txt: is another\n.*is not what it was: 1 difference/);
  });
});
