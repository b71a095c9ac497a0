/** Submitting and following: `experiment create`, `run`, `wait`. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cliBench } from "./test-bench.ts";
import { events, problem } from "./test-host.ts";
import { aDetail, anExperiment, aTrialDetail } from "./test-things.ts";

const bench = cliBench();

test("the faults of a configuration come with file, line and column", async () => {
  bench.server.answer("POST /experiments", (_, response) =>
    problem(response, 400, "invalid_config", "line 3: wrong (and 1 more)", {
      issues: [
        {
          code: "unknown_key",
          path: ".searchr",
          message: ".searchr is not a known field. Try searcher.",
          line: 3,
          column: 1,
        },
        {
          code: "out_of_range",
          path: ".max",
          message: "too large",
          line: 5,
          column: 9,
          value: 12,
          limit: "at most 9",
          suggestion: "9",
        },
      ],
    }),
  );
  const { code, err } = await bench.cli("experiment", "create", bench.config);
  assert.equal(code, 1);
  assert.match(err, /config\.yaml:3:1 {2}\.searchr is not a known field/);
  assert.match(
    err,
    /config\.yaml:5:9 {2}\.max {2}too large\n {4}it is 12; the limit is at most 9; did you mean 9\?/,
  );
});

test("a submission checks first, uploads what is lacking, then creates under one key", async () => {
  const code = bench.fresh();
  mkdirSync(code);
  writeFileSync(join(code, "train.py"), "print(1)\n");
  writeFileSync(join(code, "same.py"), "print(1)\n");
  const ran = await bench.cli("experiment", "create", bench.config, code);
  assert.equal(ran.code, 0, ran.err);
  const asked = bench.server.requests.map(
    ({ method, path }) => `${method} ${path.replace(/[0-9a-f]{64}/, "HASH")}`,
  );
  assert.deepEqual(asked, [
    "POST /experiments",
    "POST /blobs/missing",
    "PUT /blobs/HASH",
    "POST /experiments",
  ]);
  const [dry, , put, real] = bench.server.requests.map(({ body, headers }) => ({
    body: body.toString(),
    headers,
  }));
  assert.equal(JSON.parse(dry?.body ?? "").dry_run, true);
  assert.equal(put?.body, "print(1)\n");
  const request = JSON.parse(real?.body ?? "");
  assert.deepEqual(
    request.code.map((entry: { path: string }) => entry.path),
    ["same.py", "train.py"],
  );
  assert.equal(request.activate, true);
  assert.equal(request.provenance.cwd, bench.folder);
  assert.match(String(real?.headers["idempotency-key"]), /^key-/);
});

test("`run` keeps the streams apart and ends as the program did", async () => {
  const cases: [object, string, number][] = [
    [{ exit_code: 0 }, "completed", 0],
    [{ exit_code: 3 }, "error", 3],
    [{ exit_code: null, signal: "SIGKILL" }, "canceled", 137],
    [{ exit_code: null, signal: null }, "error", 1],
    [{ exit_code: 0 }, "canceled", 1],
  ];
  for (const [end, state, code] of cases) {
    const [allocation] = aTrialDetail().allocations;
    bench.server.answer("GET /experiments/3", aDetail({ state: state as "error" }));
    bench.server.answer(
      "GET /trials/3.2",
      aTrialDetail({ allocations: [{ ...allocation!, ...end }] }),
    );
    const ran = await bench.cli("run", "--no-code", "--", "python3", "train.py");
    assert.equal(ran.code, code, JSON.stringify(end));
    assert.equal(ran.out, "epoch 1\n");
    assert.match(ran.err, /^oops$/m);
  }
  const sent = bench.server.requests.filter(
    ({ method, path }) => method === "POST" && path === "/experiments",
  );
  const { config: text, code, provenance } = JSON.parse(sent.at(-1)?.body.toString() ?? "");
  assert.deepEqual(JSON.parse(text).entrypoint, ["python3", "train.py"]);
  assert.equal(code, null);
  assert.equal(provenance.cwd, bench.folder);
});

test("what `run` submits is a configuration without faults", async () => {
  const { readConfig } = await import("../protocol/config/config.ts");
  await bench.cli(
    "run",
    "--no-code",
    "--slots",
    "2",
    "--data",
    "names",
    "--label",
    "a",
    "--",
    "sh",
    "-c",
    "echo '\n'",
  );
  const sent = bench.server.requests.find(
    ({ method, path }) => method === "POST" && path === "/experiments",
  );
  const reading = readConfig(JSON.parse(sent?.body.toString() ?? "").config);
  assert.ok(reading.ok, JSON.stringify(reading));
  assert.deepEqual(reading.config.data, { names: "names@latest" });
  assert.equal(reading.config.resources.slots_per_trial, 2);
  assert.equal(reading.config.searcher.name, "single");
});

test("`wait` and `create -f` end with 6 when it did not complete", async () => {
  const failed = anExperiment({ state: "error", reason: "All trials are over: 4 errored." });
  bench.server.answer("GET /experiments/3/stream", (_, response) =>
    events(response, [
      ["experiment", failed],
      ["end", failed],
    ]),
  );
  for (const args of [
    ["experiment", "wait", "3"],
    ["experiment", "create", bench.config, "-f"],
    ["experiment", "wait", "3", "-q"],
  ])
    assert.equal((await bench.cli(...args)).code, 6, args.join(" "));
  const json = await bench.cli("experiment", "wait", "3", "--json");
  assert.equal(JSON.parse(json.out).state, "error");
});

test("`wait --timeout` gives up and says that the experiment goes on", async () => {
  bench.server.answer("GET /experiments/3/stream", (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": open\n\n");
  });
  const ran = await bench.cli("experiment", "wait", "3", "--timeout", "1");
  assert.equal(ran.code, 6);
  assert.match(ran.err, /not over after 1 s/);
});
