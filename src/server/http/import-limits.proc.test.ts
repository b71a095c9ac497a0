/** What a bundle may say, held to what a database can store: it is refused with its place, or it is stored. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { canonicalExact } from "../../base/json.ts";
import type { RemoteError } from "../../sdk/remote-error.ts";
import { storeRecord } from "../../store/record-store.ts";
import { bundleFrom, sent, sha256, type TestBundle } from "../import/test-bundle.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const CONFIG = RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 1");
const HUGE = 3_000_000_000;
type Row = Record<string, unknown>;

/** One trial with a line of every part. */
async function trained({ client, runner, pool }: TestServer): Promise<number> {
  const { experiment } = await client.createExperiment({ config: CONFIG, code: null });
  const id = experiment?.id ?? 0;
  const run = `${id}.1.1`;
  await runner.started(run);
  await runner.print(run, "epoch 1");
  const { target } = await client.trial(`${id}.1`);
  for (let step = 1; step <= (target ?? 1); step++)
    await runner.report(run, step, { loss: 1 / step });
  await client.putBlob(sha256("w"), "w");
  const tree = [{ path: "w.bin", size: 1, hash: sha256("w"), executable: false }];
  await runner.tell(run, { type: "checkpoint", step: target, tree, metadata: {} });
  await runner.tell(run, { type: "waiting", step: target });
  await runner.exited(run, 0, { yielded: true });
  assert.equal((await client.experiment(id)).state, "completed");
  const part = { captured: {}, not_applicable: [], missing: [] };
  const environment = { ...part, captured: { interpreter: { version: "3.11.7" } } };
  await storeRecord(pool, {
    ...{ experiment: id, trial: 1, run: 1, source: "runner", at: new Date() },
    ...{ environment, own: part },
  });
  return id;
}

/** The first line of a file with other fields. */
function edited(bundle: TestBundle, file: string, fields: Row): void {
  const [line = "", ...rest] = (bundle.files.get(file) ?? "").toString().split("\n");
  const row = JSON.parse(line) as Row;
  const text = [JSON.stringify({ ...row, ...fields }), ...rest].join("\n");
  bundle.files.set(file, Buffer.from(text));
}

describe("a bundle with values at their limits", () => {
  let server: TestServer;
  let id: number;
  before(async () => {
    server = await testServer();
    id = await trained(server);
  });
  after(() => server.stop());

  const refusal = async (change: (bundle: TestBundle) => void): Promise<RemoteError> => {
    const bundle = await bundleFrom(server.client, id);
    change(bundle);
    const manifest = await sent(server.client, bundle);
    return server.client.importBundle(manifest).then(
      () => assert.fail("it was imported"),
      (error: RemoteError) => error,
    );
  };

  const year0 = "0000-05-05T00:00:00.000Z";
  const cases: readonly (readonly [file: string, fields: Row, where: string])[] = [
    ["runs.jsonl", { exit_code: HUGE }, " line 1: exit_code"],
    ["trials.jsonl", { bracket: HUGE }, " line 1: bracket"],
    ["trials.jsonl", { restarts: HUGE }, " line 1: restarts"],
    ["trials.jsonl", { created_at: year0 }, " line 1: created_at"],
    ["decisions.jsonl", { seq: HUGE }, " line 1: seq"],
    ["decisions.jsonl", { at: year0 }, " line 1: at"],
    ["decisions.jsonl", { at: `2026-01-01T00:00:00.${"1".repeat(200)}Z` }, " line 1: at"],
    ["checkpoints.jsonl", { files: HUGE }, " line 1: files"],
    ["log.jsonl", { rank: 40_000 }, " line 1: rank"],
    ["experiment.json", { created_at: year0 }, ": created_at"],
  ];
  for (const [file, fields, where] of cases)
    test(`is refused for ${JSON.stringify(fields).slice(0, 60)} in ${file}`, async () => {
      const { code, message } = await refusal((bundle) => edited(bundle, file, fields));
      assert.equal(code, "invalid_bundle", message);
      assert.ok(message.startsWith(`${file}${where}: `), message);
    });

  test("is refused for a metric with a name that nothing may report", async () => {
    const { code, message } = await refusal(({ files }) => {
      const text = (files.get("metrics.csv") ?? "").toString();
      files.set("metrics.csv", Buffer.from(text.replaceAll(",loss,", `,${"長".repeat(513)},`)));
    });
    assert.equal(code, "invalid_bundle", message);
    assert.match(message, /has a name that is too long/);
  });

  for (const time of ["1", "Nov 28 2026 (x)", year0])
    test(`is refused for a point of the time ${time}`, async () => {
      const { code, message } = await refusal(({ files }) => {
        const text = (files.get("metrics.csv") ?? "").toString();
        const other = text.replace(/,\d{4}-[^,]+Z,/, `,${time},`);
        assert.notEqual(other, text);
        files.set("metrics.csv", Buffer.from(other));
      });
      assert.equal(code, "invalid_bundle", message);
      assert.match(message, /metrics\.csv point 1: has a number or a time that is none/);
    });

  test("is stored where its texts hold a NUL", async () => {
    const bundle = await bundleFrom(server.client, id);
    const document = {
      captured: { interpreter: { version: "3\0" } },
      not_applicable: [],
      missing: [],
    };
    const stored = { ...document, captured: { interpreter: { version: "3\ufffd" } } };
    const hash = sha256(canonicalExact(stored));
    edited(bundle, "environments.jsonl", { hash, document });
    edited(bundle, "records.jsonl", { environment: hash });
    edited(bundle, "trials.jsonl", { reason: "a\0b", refused_metrics: { "a\0": "b\0" } });
    edited(bundle, "runs.jsonl", { runner: "a\0b", exit_detail: { a: "\0" } });
    edited(bundle, "experiment.json", { reason: "a\0b", owner: "a\0", notes: "\0" });
    const { origin } = bundle.about;
    const about = { ...bundle.about, made_by: "a\0", origin: { ...origin, server: "a\0" } };
    const manifest = await sent(server.client, { ...bundle, about });
    const { experiment, created } = await server.client.importBundle(manifest);
    assert.equal(created, true);
    const { origin: shown } = await server.client.importOrigin(experiment.id);
    assert.deepEqual([shown.server, shown.author], ["a\ufffd", "a\ufffd"]);
  });
});
