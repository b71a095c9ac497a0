/**
 * Whether one run of retention leaves exactly what is in use: the blobs on disk beside those that the API names, not
 * beside the register that the run itself goes by. And half a checkpoint made on purpose, since those that a kill cuts
 * off are sent again from the node's disk: a runner that has sent some files and never comes to the others.
 */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runnerFiles } from "../../src/engines/runner-record.ts";
import type { Tree } from "../../src/protocol/runner-wire.ts";
import { eachItem } from "../../src/sdk/client.ts";
import { type Stand, until } from "../support.ts";
import { all, type Finding, none } from "./row.ts";

const HALF_FILES = 3;

/** @param experiments all that there are */
export async function findLeftovers(it: Stand, experiments: readonly number[]): Promise<Finding[]> {
  const { id } = await it.submit({
    ...{ name: "half", entrypoint: ["sleep", "600"], searcher: { name: "single" } },
  });
  await it.trialWhen(`${id}.1`, "runs", ({ state }) => state === "running");
  const half = await sendHalf(it, `${id}.1.1`);
  await collect(it);
  // Its allocation lives and may come to the rest of it.
  const promised = half.filter((hash) => stored(it).has(hash)).length;
  await it.client.changeExperiment(id, "kill");
  await it.ended(id);
  const before = stored(it).size;
  await collect(it);
  const after = stored(it);
  const used = await inUse(it, [...experiments, id]);
  const { blobs, bytes } = await it.client.gcPlan();
  const temporary = readdirSync(join(it.dataDir, "blobs", "tmp"));
  const foldersNow = () =>
    readdirSync(join(it.dataDir, "runner", "allocations")).filter((name) =>
      /^\d+\.\d+\.\d+$/.test(name),
    );
  // The node hears of an end after everybody else.
  const folders = await until("the node keeps none", () =>
    foldersNow().length === 0 ? [] : undefined,
  ).catch(foldersNow);
  return [
    all("files of a half checkpoint that stay while its allocation lives", promised, half.length),
    none(`blobs that nothing uses, after one run of gc (${before} before, ${after.size} after)`, [
      ...[...after].filter((hash) => !used.has(hash)),
      ...temporary,
    ]),
    none(
      "blobs in use that it took",
      [...used].filter((hash) => !after.has(hash)),
      ` of ${used.size}`,
    ),
    none("what it says would still go", blobs + bytes.total === 0 ? [] : [`${blobs} blobs`]),
    none("folders of checkpoints that the node keeps", folders),
  ];
}

/** @returns the hashes of the files that were sent */
async function sendHalf(it: Stand, allocation: string): Promise<string[]> {
  const token = (await readFile(runnerFiles(it.dataDir).token, "utf8")).trim();
  const headers = { authorization: `Bearer ${token}` };
  const contents = Array.from({ length: HALF_FILES }, (_, i) => Buffer.from(`half, file ${i}`));
  const hashes = contents.map((bytes) => createHash("sha256").update(bytes).digest("hex"));
  const tree = "0".repeat(64);
  await send("POST", "/blobs/missing", {
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ hashes: [...hashes, tree], for: { allocation, tree } }),
  });
  for (const [i, bytes] of contents.entries())
    await send("PUT", `/blobs/${hashes[i]}`, {
      headers: { ...headers, "content-type": "application/octet-stream" },
      body: new Uint8Array(bytes),
    });
  return hashes;

  async function send(method: string, path: string, options: RequestInit): Promise<void> {
    const response = await fetch(`${it.server.url}/api/v1${path}`, { method, ...options });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  }
}

/** One whole run, to its end. */
async function collect(it: Stand): Promise<void> {
  await it.client.startGc();
  const over = async () => (await it.client.gcRun()).state === "idle";
  await until("gc is through", over);
}

const stored = (it: Stand): Set<string> =>
  new Set(
    readdirSync(join(it.dataDir, "blobs"), { recursive: true, withFileTypes: true }).flatMap(
      (entry) => {
        // Two digits are the folder's.
        const name = `${entry.parentPath.slice(-2)}${entry.name}`;
        return entry.isFile() && /^[0-9a-f]{64}$/.test(name) ? [name] : [];
      },
    ),
  );

/** Code and checkpoints, as the API names them, each with the list of its files. */
async function inUse(it: Stand, experiments: readonly number[]): Promise<Set<string>> {
  const used = new Set<string>();
  const add = (list: string, files: Tree): void => {
    used.add(list);
    for (const { hash } of files) used.add(hash);
  };
  for (const id of experiments) {
    const { code } = await it.client.experiment(id);
    if (code !== null) add(code, JSON.parse((await blob(it, code)).toString("utf8")) as Tree);
    for (const { id: trial } of await it.trials(id))
      for await (const { id: tree, deleted } of eachItem((query) =>
        it.client.trialCheckpoints(trial, query),
      ))
        if (deleted === null) add(tree, (await it.client.checkpoint(tree)).tree);
  }
  return used;
}

async function blob(it: Stand, hash: string): Promise<Buffer> {
  const headers = { authorization: `Bearer ${it.token}` };
  const response = await fetch(`${it.server.url}/api/v1/blobs/${hash}`, { headers });
  if (!response.ok) throw new Error(`blob ${hash}: ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}
