/** Data of S3 by reference, against a server that speaks S3 and checks signatures. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CreateDatasetReply } from "../src/protocol/api.ts";
import { moto, NO_MOTO, S3Server } from "./s3-server.ts";
import { type Stand, stand } from "./support.ts";

const PROGRAM = `
import contrail, os
trial = contrail.init()
for step in trial.steps():
    where = trial.data["train"]
    names = sorted(os.listdir(where)) if os.path.isdir(where) else []
    print("data", where.startswith("s3://"), names, [open(where + "/" + n).read() for n in names if n.endswith(".csv")])
    trial.report(step, loss=1.0)
`;

async function submit(it: Stand, dataset: string): Promise<number> {
  const folder = await it.codeFolder({ "train.py": PROGRAM });
  const config = `entrypoint: python3 train.py
max_restarts: 0
searcher: {name: single, metric: loss, max_length: {epochs: 1}}
data: {train: ${dataset}}
`;
  return (await it.submit(config, folder)).id;
}

const name = "data of S3 is registered, fetched for training, and missed when it changes";

test(name, { skip: moto === undefined && NO_MOTO }, async () => {
  assert.ok(moto);
  await using s3 = await S3Server.start(moto);
  await s3.put("lake", {
    "sets/one/labels.csv": "a,b\n1,2\n",
    "sets/one/deep/name with space & more.txt": "x",
    "sets/one-more/other.csv": "no",
  });
  await using it = await stand({ env: () => s3.environment });
  const add = async (...args: string[]): Promise<CreateDatasetReply> => {
    const { code, stdout, stderr } = await it.contrail(["data", "add", ...args, "--json"]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as CreateDatasetReply;
  };
  const logs = async (id: number): Promise<string> =>
    (await it.allLogs(`${id}.1`)).map(({ text }) => text).join("\n");

  const one = await add("one", "s3://lake/sets/one", "--reference");
  assert.deepEqual([one.kind, one.files, one.bytes], ["s3", 2, 9]);
  const again = await add("one", "s3://lake/sets/one/", "--reference");
  assert.equal(again.content, one.content);
  await add("address", "s3://lake/sets/one", "--reference", "--uri");

  const fetched = await submit(it, "one@1");
  assert.equal((await it.ended(fetched)).state, "completed");
  assert.match(await logs(fetched), /data False \['deep', 'labels.csv'\] \['a,b\\n1,2\\n'\]/);
  const named = await submit(it, "address@latest");
  assert.equal((await it.ended(named)).state, "completed");
  assert.match(await logs(named), /data True \[\]/);
  assert.equal((await it.contrail(["data", "verify", "one@1"])).code, 0);

  await s3.put("lake", { "sets/one/labels.csv": "a,b\n1,3\n" });
  const verify = await it.contrail(["data", "verify", "one@1"]);
  assert.equal(verify.code, 1);
  assert.match(
    verify.stdout,
    /changed {2}labels\.csv: has ETag [0-9a-f]{32} .* was registered with/,
  );
  const late = await submit(it, "address@1");
  assert.equal((await it.ended(late)).state, "error");
  assert.match(JSON.stringify(await it.details(late)), /labels\.csv.* has ETag/);
  // What was fetched is the version still.
  const same = await submit(it, "one@1");
  assert.equal((await it.ended(same)).state, "completed");
  assert.match(await logs(same), /1,2/);
  // Another node, or this one without its copy, cannot get what is gone.
  const fresh = await add("two", "s3://lake/sets/one", "--reference");
  await s3.put("lake", { "sets/one/labels.csv": "a,b\n1,4\n" });
  const gone = await submit(it, "two@1");
  assert.equal((await it.ended(gone)).state, "error");
  assert.match(JSON.stringify(await it.details(gone)), /labels\.csv.* no longer the one with ETag/);
  assert.equal(fresh.version, 1);

  const wrong = { ...it.env, AWS_SECRET_ACCESS_KEY: "not the secret" };
  const refused = await it.contrail(["data", "add", "three", "s3://lake/sets/one", "--reference"], {
    env: wrong,
  });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /could not list s3:\/\/lake\/sets\/one: .*(?:403|Signature)/s);
  const nothing = await it.contrail(["data", "add", "three", "s3://lake/nothing", "--reference"]);
  assert.equal(nothing.code, 3);
});
