/** kill -9 of the server while it deletes, again and again: nothing in use goes, and in the end all else has gone. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { GcRun } from "../../protocol/api.ts";
import type { Database } from "../../store/schema.ts";
import { canonicalTree } from "../../store/snapshot.ts";
import { withTestDatabase } from "../../store/test-database.ts";
import {
  type Answer,
  type CallOptions,
  RANDOM_CONFIG,
  send,
  TestRunner,
} from "../http/test-server.ts";

const PROGRAM = fileURLToPath(new URL("./test-process.ts", import.meta.url));
const CHECKPOINTS = 150;
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

interface Running extends AsyncDisposable {
  readonly runner: TestRunner;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  kill(): Promise<void>;
}

async function start(
  dataDir: string,
  databaseUrl: string,
  ownToken: string,
): Promise<Running & { token: string }> {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, dataDir, databaseUrl], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  assert.ok(child.stdout);
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), "line"),
    exited.then(() => assert.fail("the server did not start")),
  ])) as [string];
  const { url, runnerToken, oneTimeToken } = JSON.parse(line) as Record<string, string>;
  let token = ownToken;
  const call = (method: string, path: string, options: CallOptions = {}) =>
    send(url ?? "", token, method, `/api/v1${path}`, options);
  if (token === "") {
    const body = { one_time_token: oneTimeToken };
    token = ((await call("POST", "/login", { token: null, body })).json as { token: string }).token;
  }
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  const whole = (method: string, path: string, options: CallOptions = {}) =>
    send(url ?? "", token, method, path, options);
  const runner = new TestRunner(whole, runnerToken ?? "");
  return { runner, call, kill, token, [Symbol.asyncDispose]: kill };
}

test("a server that is killed while it deletes goes on when it is started again", async () => {
  await using database = await withTestDatabase<Database>();
  const dataDir = await mkdtemp(join(tmpdir(), "contrail-kill-"));
  const stored = (): Set<string> =>
    new Set(
      readdirSync(join(dataDir, "blobs"), { recursive: true })
        .map((path) => String(path).replace("/", ""))
        .filter((name) => /^[0-9a-f]{64}$/.test(name)),
    );
  const manifests = new Map<string, string[]>();
  /** By what the database says: the files of every checkpoint that is there. */
  const inUse = async (): Promise<Set<string>> => {
    const { rows } = await database.pool.query<{ tree: string }>(
      "select tree from checkpoints where deleted_at is null",
    );
    return new Set(rows.flatMap(({ tree }) => manifests.get(tree) ?? assert.fail(tree)));
  };
  const allThere = async (): Promise<void> => {
    const files = stored();
    for (const hash of await inUse()) assert.ok(files.has(hash), `${hash} is in use and is gone`);
  };
  try {
    let token = "";
    {
      await using server = await start(dataDir, database.url, token);
      token = server.token;
      const config = `${RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 1").replace("steps: 4", `steps: ${CHECKPOINTS}`)}checkpoint_storage: {save_trial_latest: 1000}\n`;
      await server.call("POST", "/experiments", { body: { config, code: null } });
      await server.runner.started("1.1.1");
      for (let step = 1; step <= CHECKPOINTS; step++) {
        const texts = ["frozen", `a ${step}`, `b ${step}`, `half ${Math.floor(step / 2)}`];
        const tree = texts.map((text) => ({
          ...{ path: text, size: text.length, hash: sha256(text), executable: false },
        }));
        const { hash } = canonicalTree(tree);
        manifests.set(hash, [hash, ...tree.map((entry) => entry.hash)]);
        const asked = {
          hashes: tree.map((entry) => entry.hash),
          for: { allocation: "1.1.1", tree: hash },
        };
        const from = { token: server.runner.token };
        await server.call("POST", "/blobs/missing", { ...from, body: asked });
        const headers = { "content-type": "application/octet-stream" };
        for (const text of texts)
          await server.call("PUT", `/blobs/${sha256(text)}`, {
            ...{ ...from, headers, raw: new Uint8Array(Buffer.from(text)) },
          });
        await server.runner.tell(
          "1.1.1",
          { type: "report", step, metrics: { loss: Math.abs(step - 50) } },
          { type: "checkpoint", step, tree, metadata: {} },
        );
      }
      await server.kill();
    }
    const before = stored().size;
    await database.pool.query(
      "update experiments set config = jsonb_set(config, '{checkpoint_storage,save_trial_latest}', '1')",
    );
    const left: number[] = [];
    for (const share of [0.95, 0.8, 0.6, 0.4, 0.2]) {
      await using server = await start(dataDir, database.url, token);
      assert.equal((await server.call("POST", "/gc/run", { body: {} })).status, 202);
      for (let i = 0; stored().size > before * share && i < 3_000; i++)
        await new Promise((resolve) => setTimeout(resolve, 10));
      await server.kill();
      left.push(stored().size);
      await allThere();
    }
    assert.ok((left[0] ?? 0) > (left.at(-1) ?? 0), `killed with ${left.join(", ")} files left`);
    await using server = await start(dataDir, database.url, token);
    // Nobody asks again: the run that was asked for is done.
    for (let i = 0; ; i++) {
      const run = (await server.call("GET", "/gc/run")).json as GcRun;
      if (run.state === "idle") break;
      assert.ok(i < 3_000 && run.problem === null, JSON.stringify(run));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await allThere();
    assert.deepEqual([...stored()].sort(), [...(await inUse())].sort(), "and nothing else is left");
    const { rows } = await database.pool.query(
      `select (select array_agg(step::int order by step) from checkpoints where deleted_at is null) as kept,
        (select count(*) from checkpoints)::int as rows,
        (select count(*) from changes where what like 'checkpoint at step % deleted')::int as told,
        (select count(*) from trees)::int as trees`,
    );
    assert.deepEqual(rows, [
      { kept: [50, CHECKPOINTS], rows: CHECKPOINTS, told: CHECKPOINTS - 2, trees: 2 },
    ]);
    const verdict = (await server.call("GET", "/audit/verify?limit=100000")).json as {
      ok: boolean;
    };
    assert.equal(verdict.ok, true);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});
