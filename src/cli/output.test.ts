/** What comes back: logs, checkpoints; signing in; Ctrl-C. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { CONTENT, CONTENT_HASH, cliBench } from "./test-bench.ts";
import { events, run } from "./test-host.ts";
import { aLog, aTrialDetail } from "./test-things.ts";

const bench = cliBench();

test("logs: marks, times, filters, raw bytes", async () => {
  const bytes = Buffer.from([0x41, 0xff, 0x1b, 0x5b, 0x6d]);
  const entries = [
    aLog({ text: "A\ufffd\x1b[m", bytes: bytes.toString("base64") }),
    aLog({ text: "long, ", complete: false, rank: 1 }),
    aLog({ text: "whole", rank: 1 }),
    aLog({ run: 2, text: "second run" }),
  ];
  bench.server.answer("GET /experiments/3/logs", { items: entries, next_cursor: null });
  const end = (_: unknown, response: ServerResponse): void => events(response, [["end", {}]]);
  bench.server.answer("GET /trials/3.2/logs/stream", end);
  bench.server.answer("GET /trials/3.2/logs", { items: entries, next_cursor: null });
  const whole = await bench.cli(
    "logs",
    "3",
    "--times",
    "--rank",
    "1",
    "--contains",
    "x",
    "--stream",
    "stdout",
  );
  assert.equal(
    whole.out,
    "09:00:01.250 3.2 A\ufffd\n09:00:01.250 3.2 [1] long, whole\n09:00:01.250 3.2 second run\n",
  );
  assert.equal(
    bench.server.requests[0]?.query.toString(),
    "rank=1&stream=stdout&contains=x&limit=1000",
  );
  const [allocation] = aTrialDetail().allocations;
  const allocations = [allocation, { ...allocation, id: "3.2.2", run: 2 }];
  bench.server.answer("GET /trials/3.2", { ...aTrialDetail(), allocations });
  const absent = await bench.cli("logs", "3.2.9");
  assert.equal(absent.code, 3);
  assert.match(absent.err, /no allocation 3\.2\.9[\s\S]*last one of trial 3\.2 is 3\.2\.2/);
  // The server is asked for this run alone: what it cut off before would look like nothing written.
  for (const more of [[], ["--tail", "5"], ["--follow"]]) {
    bench.server.requests.length = 0;
    await bench.cli("logs", "3.2.1", ...more);
    const asked = bench.server.requests.filter(({ path }) => path.includes("/logs"));
    assert.deepEqual([asked.length, asked[0]?.query.get("run")], [1, "1"], more.join(" "));
  }
  const raw = await bench.cli("logs", "3.2", "--raw");
  assert.ok(Buffer.from(raw.out).subarray(0, 3).equals(Buffer.from("A\ufffd").subarray(0, 3)));
  assert.match(raw.out, /long, whole\nsecond run\n$/);
});

test("a checkpoint is written as it was, and a wrong byte leaves nothing behind", async () => {
  const to = bench.fresh();
  const ran = await bench.cli("checkpoint", "download", "3", "--to", to);
  assert.equal(ran.code, 0, ran.err);
  assert.deepEqual(readdirSync(to), ["model"]);
  assert.equal(readFileSync(join(to, "model", "weights.bin"), "utf8"), CONTENT);
  bench.server.answer(`GET /blobs/${CONTENT_HASH}`, (_, response) => void response.end("WEIGHTS"));
  const bad = bench.fresh();
  const damaged = await bench.cli("checkpoint", "download", "3.2@best", "--to", bad);
  assert.equal(damaged.code, 1);
  assert.match(damaged.err, /not what its hash/);
  assert.throws(() => statSync(bad));
});

test("signing in stores a token that only its owner can read", async () => {
  const env = { CONTRAIL_CONFIG_DIR: bench.fresh(), CONTRAIL_SERVER: "", CONTRAIL_TOKEN: "" };
  const host = { env, cwd: bench.folder };
  const first = await run(["login", `${bench.server.url}/#token=once`], { host });
  assert.equal(first.code, 0, first.err);
  const login = bench.server.requests.find(({ path }) => path === "/login");
  assert.deepEqual(JSON.parse(login?.body.toString() ?? ""), { one_time_token: "once" });
  const path = join(env.CONTRAIL_CONFIG_DIR, "credentials.json");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal((await run(["slot", "list"], { host })).code, 0);
  assert.equal(bench.server.requests.at(-1)?.headers.authorization, "Bearer cu_new");
  const password = await run(["login", bench.server.url, "--user", "ada"], {
    host: { ...host, readSecret: async () => "correct horse" },
  });
  assert.equal(password.code, 0);
  const second = bench.server.requests.filter(({ path: p }) => p === "/login").at(-1);
  assert.deepEqual(JSON.parse(second?.body.toString() ?? ""), {
    user: "ada",
    password: "correct horse",
  });
  assert.doesNotMatch(password.out + password.err, /correct horse|cu_new/);
  writeFileSync(path, "{ cu_secret");
  const broken = await run(["slot", "list"], { host });
  assert.equal(broken.code, 1);
  assert.doesNotMatch(broken.err, /cu_secret/);
});

test("Ctrl-C while following ends with 130 and says how to go on", async () => {
  bench.server.answer(
    "GET /experiments/3/stream",
    (_, response) =>
      void response.writeHead(200, { "content-type": "text/event-stream" }).write(": open\n\n"),
  );
  const stop = new AbortController();
  const waiting = run(["experiment", "wait", "3"], {
    url: bench.server.url,
    host: {
      catchInterrupt: () => {
        setImmediate(() => stop.abort());
        return stop.signal;
      },
    },
  });
  const ran = await waiting;
  assert.equal(ran.code, 130);
  assert.match(ran.out, /next: contrail experiment cancel 3/);
  assert.match(ran.err, /It goes on;/);
});
