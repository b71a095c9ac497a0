/** Lists of files that are read once. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { TreeLists } from "./tree-lists.ts";

const { signal } = new AbortController();
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const files = (count: number): string =>
  JSON.stringify(
    Array.from({ length: count }, (_, index) => {
      const path = `${count}/${index}`;
      return { executable: false, hash: sha256(path), path, size: 1 };
    }),
  );

test("a list is read once as long as it is among those asked for last; what is none is never kept", async () => {
  const lists = new Map([files(1), files(2), files(3), files(6), "{}"].map((t) => [sha256(t), t]));
  const [one, two, three, six, none] = [...lists.keys()] as [
    string,
    string,
    string,
    string,
    string,
  ];
  const reads: string[] = [];
  const read = async (hash: string): Promise<Buffer> => {
    reads.push(hash);
    return Buffer.from(lists.get(hash) as string);
  };
  const trees = new TreeLists({ read }, 5);
  const get = async (...hashes: string[]): Promise<string[]> => {
    reads.length = 0;
    for (const hash of hashes) await trees.get(hash, signal);
    return [...reads];
  };
  assert.equal((await trees.get(two, signal)).length, 2);
  assert.deepEqual(await get(one, two, one, two), [one]);
  // Three more than fit: the one asked for longest ago goes.
  assert.deepEqual(await get(three, two, three, one), [three, one]);
  assert.deepEqual(await get(six, six, one), [six, six], "larger than all that is kept");
  for (let again = 0; again < 2; again++)
    await assert.rejects(trees.get(none, signal), /is not a list of files/);
});
