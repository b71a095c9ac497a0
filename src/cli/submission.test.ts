/** Submitting and following: `experiment create`, `run`, `wait`. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cliBench } from "./test-bench.ts";
import { events, problem, run } from "./test-host.ts";
import { aDetail, anExperiment, aPlan, aTrial, aTrialDetail } from "./test-things.ts";

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

test("failed trials are told with their commonest reason and its last lines", async () => {
  const failed = (number: number, reason: string) =>
    aTrial({ id: `3.${number}`, number, state: "error", end_reason: "user_error", reason });
  const one = "its program ended with exit code 1; max_restarts (0) are used up";
  const trials = [failed(1, "other"), failed(2, one), failed(3, one)];
  const counts = {
    total: 4,
    queued: 0,
    running: 0,
    paused: 0,
    completed: 1,
    canceled: 0,
    error: 3,
    replacements: 0,
  };
  const experiment = aDetail({ state: "error", reason: "3 errored", best: null, trials: counts });
  const finished = aTrial({ id: "3.4", number: 4, state: "completed", end_reason: "finished" });
  bench.server.answer("GET /experiments/3", experiment);
  bench.server.answer("GET /experiments/3/trials", {
    items: [...trials, finished],
    next_cursor: null,
  });
  bench.server.answer(
    "GET /trials/3.2",
    aTrialDetail({ last_lines: ["Traceback", "KeyError: x"] }),
  );
  bench.server.answer("GET /experiments/3/stream", (_, response) =>
    events(response, [
      ["experiment", experiment],
      ["end", experiment],
    ]),
  );
  for (const args of [
    ["experiment", "show", "3"],
    ["experiment", "wait", "3"],
    ["experiment", "create", bench.config, "-f"],
  ]) {
    const { out } = await bench.cli(...args);
    assert.match(
      out,
      /2 of 4 trials errored: its program ended with exit code 1 \(trial 3\.2\)\nlast lines of its output:\n {2}Traceback\n {2}KeyError: x\n/,
    );
    assert.match(out, /4: 1 trained to the end, 3 errored/);
  }
});

test("a program that is not there ends `run` as a shell would", async () => {
  for (const [reason, code] of [
    ["entrypoint: there is no program nosuch on the PATH of the runner", 127],
    ["entrypoint: /x is not executable", 126],
  ] as const) {
    bench.server.answer("GET /experiments/3", aDetail({ state: "error" }));
    const trial = { state: "error" as const, end_reason: "launch_failed" as const, reason };
    bench.server.answer("GET /trials/3.2", aTrialDetail({ ...trial, allocations: [] }));
    const ran = await bench.cli("run", "--no-code", "--", "nosuch");
    assert.equal(ran.code, code);
    assert.ok(ran.err.includes(`failed: ${reason}`), ran.err);
  }
});

test("`run` passes on listed variables and those that are named, and no others", async () => {
  const env = {
    CONTRAIL_CONFIG_DIR: bench.fresh(),
    PATH: "/opt/venv/bin:/bin",
    CONDA_PREFIX: "/c",
    CONDA_API_TOKEN: "hidden-1",
    AWS_SECRET_ACCESS_KEY: "hidden-2",
    EXTRA: "passed",
  };
  const args = ["run", "--no-code", "-d", "-e", "EXTRA", "LR=a=b", "--", "true"];
  const ran = await run(args, { url: bench.server.url, host: { cwd: bench.folder, env } });
  assert.equal(ran.code, 0, ran.err);
  const sent = bench.server.requests.find(({ path }) => path === "/experiments");
  const body = sent?.body.toString() ?? "";
  assert.deepEqual(JSON.parse(JSON.parse(body).config).environment, {
    environment_variables: {
      PATH: "/opt/venv/bin:/bin",
      CONDA_PREFIX: "/c",
      EXTRA: "passed",
      LR: "a=b",
    },
  });
  assert.doesNotMatch(body, /hidden|cu_test/);
  const secret = ["-e", "my_token=s3cret", "--", "true", "--hub", `hf_${"x".repeat(34)}`];
  const words = ["run", "--no-code", "-d", ...secret];
  await run(words, { url: bench.server.url, host: { cwd: bench.folder, env, argv: words } });
  const told = JSON.parse(bench.server.requests.at(-1)?.body.toString() ?? "");
  assert.doesNotMatch(JSON.stringify(told.provenance), /s3cret|hf_x/);
  assert.deepEqual(told.provenance.argv.slice(-6), [
    ...["-e", "my_token=(masked)", "--", "true", "--hub", "(masked)"],
  ]);
  const submitted = JSON.parse(told.config);
  assert.equal(submitted.name, "true --hub (masked)");
  assert.equal(submitted.entrypoint[2], secret.at(-1));
  assert.equal(submitted.environment.environment_variables.my_token, "s3cret");
  const unset = await bench.cli("run", "--no-code", "-e", "NOWHERE", "--", "true");
  assert.equal(unset.code, 2);
});

test("`run` refuses input that the program would not get", async () => {
  const host = { cwd: bench.folder, stdinHasInput: () => true };
  const refused = await run(["run", "--no-code", "--", "cat"], { url: bench.server.url, host });
  assert.equal(refused.code, 2);
  assert.match(refused.err, /input on stdin[\s\S]*--no-stdin/);
  assert.equal(bench.server.requests.length, 0);
  const args = ["run", "--no-code", "--no-stdin", "-d", "--", "cat"];
  assert.equal((await run(args, { url: bench.server.url, host })).code, 0);
});

test("what comes next is what can be done", async () => {
  bench.server.answer("POST /experiments", (_, response) =>
    response.end(
      JSON.stringify({
        experiment: anExperiment({ state: "paused" }),
        plan: aPlan,
        unit: "epochs",
        layers: [],
        searcher_reason: "",
        warnings: [],
      }),
    ),
  );
  const paused = await bench.cli("experiment", "create", bench.config, "--paused");
  assert.match(paused.out, /next: contrail experiment activate 3/);
  assert.doesNotMatch(paused.out, /experiment wait/);
  assert.match(paused.err, /no folder was given: the program finds no files/);
  bench.server.answer("GET /experiments/3", aDetail({ state: "completed" }));
  assert.match((await bench.cli("experiment", "show", "3")).out, /download 3\.2@best/);
  bench.server.answer("GET /trials/3.2", aTrialDetail({ checkpoint: null }));
  assert.doesNotMatch((await bench.cli("experiment", "show", "3")).out, /checkpoint download/);
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
