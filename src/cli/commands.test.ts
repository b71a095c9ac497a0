/** Each command against a fake server: what it prints in both shapes, how it ends. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ANSWERS, cliBench } from "./test-bench.ts";
import { fakeServer, problem, run } from "./test-host.ts";
import { anExperiment } from "./test-things.ts";

const bench = cliBench();

/** Every command that shows something, and the exit code that it ends with here. */
const COMMANDS: readonly (readonly [() => string[], number?])[] = [
  [() => ["experiment", "list"]],
  [() => ["e", "ls", "--state", "active", "--all"]],
  [() => ["experiment", "show", "3"]],
  [() => ["experiment", "list", "--filter", "state:active", "--sort", "-best"]],
  [
    () => [
      "experiment",
      "update",
      "3",
      "--priority",
      "5",
      "--label",
      "a",
      "--notes",
      "worth a look",
    ],
  ],
  [() => ["experiment", "update", "3", "3", "--add-label", "a", "b", "--remove-label", "c"]],
  [() => ["experiment", "progress", "3", "--points", "9"]],
  [() => ["experiment", "importance", "3"]],
  [() => ["experiment", "allocations", "3", "--all"]],
  [() => ["experiment", "decisions", "3"]],
  [() => ["experiment", "pause", "3"]],
  [() => ["experiment", "activate", "3"]],
  [() => ["experiment", "cancel", "3", "3"]],
  [() => ["experiment", "kill", "3"]],
  [() => ["experiment", "wait", "3"]],
  [() => ["experiment", "create", bench.config]],
  [() => ["experiment", "create", bench.config, bench.folder, "--name", "other", "--paused"]],
  [() => ["experiment", "create", bench.config, "--dry-run"]],
  [() => ["trial", "list", "3", "--best"]],
  [() => ["trial", "show", "3.2"]],
  [() => ["trial", "metrics", "3.2"]],
  [() => ["trial", "pause", "3.2"]],
  [() => ["trial", "activate", "3.2"]],
  [() => ["trial", "cancel", "3.2"]],
  [() => ["trial", "kill", "3.2"]],
  [() => ["checkpoint", "list", "3"]],
  [() => ["checkpoint", "list", "3.2"]],
  [() => ["checkpoint", "download", "3.2", "--to", bench.fresh()]],
  [() => ["checkpoint", "pin", "3.2"]],
  [() => ["checkpoint", "unpin", "3.2@3"]],
  [() => ["experiment", "list", "--archived"]],
  [() => ["experiment", "delete", "3", "--yes"]],
  [() => ["experiment", "restore", "3"]],
  [() => ["experiment", "archive", "3"]],
  [() => ["experiment", "unarchive", "3"]],
  [() => ["gc"]],
  [() => ["gc", "--apply"]],
  [() => ["fork", "3.2", "--set", "hyperparameters.lr=0.2", "--name", "other"]],
  [() => ["fork", "3", "--dry-run"]],
  [() => ["diff", "3.2", "4"]],
  [() => ["replay", "3.2"]],
  [() => ["replay", "3.1"], 8],
  [() => ["replay", "3.2", "--dry-run"]],
  [() => ["replay", "3.2", "--detach"]],
  [() => ["slot", "list"]],
  [() => ["runner", "list"]],
  [() => ["job", "list"]],
  [() => ["data", "list"]],
  [() => ["data", "show", "names@2"]],
  [() => ["data", "diff", "names@2", "names"]],
  [() => ["data", "checkout", "names@2", bench.fresh()]],
  [() => ["data", "verify", "names@2"]],
  [() => ["data", "rm", "names@2"]],
  [() => ["data", "add", "names", bench.config]],
  ...["template", "workspace"].flatMap((noun): [() => string[]][] => [
    [() => [noun, "set", "base", bench.config]],
    [() => [noun, "list"]],
    [() => [noun, "show", "base@2"]],
    [() => [noun, "rm", "base"]],
  ]),
  [() => ["experiment", "show", "3", "--config"]],
  [() => ["config", "lint", bench.config]],
  [() => ["search", "preview", bench.config]],
  [() => ["search", "simulate", bench.config, "--curve", "crossing"]],
  [() => ["token", "create", "ci"]],
  [() => ["token", "list"]],
  [() => ["token", "revoke", "ab12"]],
  [() => ["login", `${bench.server.url}/?token=once`]],
  [() => ["run", "--detach", "--no-code", "--", "true"]],
  [() => ["doctor", "--port", "0", "--data-dir", bench.fresh()]],
];
/** Those that print one JSON object a line. */
const STREAMS: readonly (readonly [() => string[], number?])[] = [
  [() => ["logs", "3"]],
  [() => ["logs", "3.2", "--tail", "5"]],
  [() => ["experiment", "logs", "3", "-f"]],
  [() => ["trial", "logs", "3.2"]],
  [() => ["experiment", "create", bench.config, "--follow"]],
  // Its experiment is still active here, so it cannot have gone well.
  [() => ["run", "--no-code", "--", "python3", "train.py", "--lr", "3"], 1],
];

test("with --json each command prints one document, and nothing on stderr", async () => {
  for (const [args, code = 0] of COMMANDS) {
    const words = args();
    const ran = await bench
      .cli(...words, "--json")
      .then((r) => (words.includes("--") ? bench.cli("--json", ...args()) : r));
    assert.equal(ran.code, code, `${words.join(" ")}: ${ran.err}`);
    assert.equal(ran.err, "", words.join(" "));
    assert.doesNotThrow(() => JSON.parse(ran.out), `${words.join(" ")}: ${ran.out}`);
  }
});

test("what streams prints one JSON object a line", async () => {
  for (const [args, code = 0] of STREAMS) {
    const ran = await bench.cli("--json", ...args());
    assert.equal(ran.code, code, `${args().join(" ")}: ${ran.err}`);
    const lines = ran.out.trim().split("\n");
    assert.ok(lines.length > 0 && lines.every((line) => typeof JSON.parse(line) === "object"));
  }
});

test("without it each prints for people and says what comes next", async () => {
  for (const [args, code = 0] of [...COMMANDS, ...STREAMS]) {
    const words = args();
    const ran = await bench.cli(...words);
    assert.equal(ran.code, code, `${words.join(" ")}: ${ran.err}`);
    assert.notEqual(ran.out + ran.err, "");
    const silent = ["logs", "token"].some((word) => words.includes(word));
    if (!silent) assert.match(ran.out + ran.err, /^next: contrail \S/m, words.join(" "));
  }
});

test("hostile text from the server stays inert in every command", async () => {
  const evil = "\x1b[2J\x1b]0;x\x07\r\n\u202e中";
  const spoil = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(spoil);
    if (typeof value === "object" && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => {
          const free = [
            "name",
            "reason",
            "description",
            "text",
            "owner",
            "metric",
            "node",
            "user",
            "last_lines",
            "code_text",
          ];
          if (typeof item === "string" && free.includes(key) && !/^cpu|^ab/.test(item))
            return [key, evil];
          if (key === "hyperparameters") return [key, { [evil]: evil }];
          if (key === "last_lines" || key === "metric_names") return [key, [evil]];
          return [key, spoil(item)];
        }),
      );
    return value;
  };
  for (const [route, answer] of Object.entries(ANSWERS))
    if (typeof answer === "object") bench.server.answer(route, spoil(answer) as object);
  for (const [args] of COMMANDS) {
    for (const words of [args(), ["--json", ...args()]]) {
      const { out, err } = await bench.cli(...words);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is asserted
      assert.doesNotMatch(out + err, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/, words.join(" "));
    }
  }
});

test("a list by results says where they were measured on several versions of data", async () => {
  const items = [1, 2].map((version) =>
    anExperiment({ id: version, datasets: [`digits@${version}`] }),
  );
  bench.server.answer("GET /experiments", { items, next_cursor: null });
  const said =
    /accuracy was measured on several versions of data: digits@1 \(1 experiment\), digits@2 \(1 experiment\)/;
  assert.match((await bench.cli("experiment", "list", "--sort", "-best")).out, said);
  assert.doesNotMatch((await bench.cli("experiment", "list")).out, said);
});

test("exit codes tell failures apart", async () => {
  const cases: [string[], number, RegExp][] = [
    [["experiment", "show", "99"], 3, /there is no \/experiments\/99/],
    [["experiment", "show", "3.2"], 2, /not the id of an experiment.*\n.*its experiment is 3/],
    [["trial", "show", "3"], 2, /list its trials/],
    [["experiment", "list", "--state", "happy"], 2, /Use one of: active/],
    [["experiment", "list", "--limit", "0"], 2, /whole number from 1/],
    [["experiment", "list", "--jason"], 2, /Did you mean --json/],
    [["experimnt"], 2, /Unknown command 'experimnt'/],
    [["run", "python3", "--lr", "1"], 2, /two dashes/],
    [["run"], 2, /no command/],
    [["experiment", "create", "nowhere.yaml"], 3, /There is no .*nowhere\.yaml/],
    [
      ["checkpoint", "download", "3.2@7", "--to", bench.fresh()],
      3,
      /no checkpoint at step 7; the nearest is at 3/,
    ],
    [["checkpoint", "download", "3.2", "--to", bench.folder], 1, /not empty/],
    [["checkpoint", "download", "3.2"], 2, /--to/],
  ];
  for (const [args, code, message] of cases) {
    const ran = await bench.cli(...args);
    assert.equal(ran.code, code, args.join(" "));
    assert.match(ran.err, message);
    assert.match(ran.err, /^hint: \S/m);
    assert.equal(ran.out, "");
    const json = await bench.cli("--json", ...args);
    assert.equal(json.code, code);
    assert.equal(typeof JSON.parse(json.err).hint, "string");
  }
});

test("refusals of the server become exit codes", async () => {
  const cases: [number, string, number][] = [
    [401, "not_authenticated", 4],
    [403, "not_allowed", 4],
    [404, "not_found", 3],
    [409, "conflict", 1],
    [503, "unavailable", 5],
    [500, "internal", 1],
  ];
  for (const [status, code, exit] of cases) {
    bench.server.answer("GET /slots", (_, response) => problem(response, status, code, "because"));
    const ran = await bench.cli("slot", "list");
    assert.deepEqual([ran.code, /because/.test(ran.err)], [exit, true], code);
  }
});

test("a verb on several ids tries each, and says of each what came of it", async () => {
  const cases: [string[], RegExp, number][] = [
    [
      ["experiment", "pause", "9", "3"],
      /^experiment 9: there is no \S+\. Try .*\nexperiment 3 is/,
      3,
    ],
    [["experiment", "kill", "3", "9"], /^experiment 3 is .*\nexperiment 9: there is no/, 3],
    [["experiment", "update", "9", "3", "--notes", "x"], /^experiment 9: .*\nexperiment 3 /, 3],
    [["trial", "pause", "3.9", "3.2"], /^trial 3\.9: there is no .*\ntrial 3\.2 is pausing$/m, 3],
    [
      ["checkpoint", "pin", "3.9", "3.2"],
      /^checkpoint 3\.9: .*\ncheckpoint \S+ of experiment 3 is pinned/,
      3,
    ],
    [["token", "revoke", "none", "ab12"], /^token none: there is no .*\ntoken ab12 is revoked/, 3],
  ];
  for (const [args, lines, code] of cases) {
    const ran = await bench.cli(...args);
    assert.deepEqual([ran.code, ran.err], [code, ""], args.join(" "));
    assert.match(ran.out, lines);
    const json = await bench.cli("--json", ...args);
    assert.deepEqual([json.code, json.err], [code, ""]);
  }
  bench.server.answer("POST /experiments/3/kill", (_, response) =>
    problem(response, 409, "conflict", "because."),
  );
  const kinds = await bench.cli("experiment", "kill", "3", "9");
  assert.equal(kinds.code, 1, "refused for different reasons");
  assert.match(kinds.out, /^experiment 3: because\. Try .*\nexperiment 9: there is no/);
  const both = JSON.parse((await bench.cli("--json", "trial", "kill", "3.9", "3.2")).out);
  assert.deepEqual([both[0].id, both[0].problem.status, both[1].state], ["3.9", 404, "stopping"]);
  const tokens = JSON.parse((await bench.cli("--json", "token", "revoke", "no", "ab12")).out);
  assert.deepEqual([tokens.revoked, tokens.refused[0].id], [["ab12"], "no"]);
});

test("where no server can be reached any more, the rest is not tried, and named", async () => {
  bench.server.answer("POST /trials/3.2/kill", (_, response) =>
    problem(response, 503, "unavailable", "it is stopping"),
  );
  bench.server.requests.length = 0;
  const ran = await bench.cli("trial", "kill", "3.2", "3.1", "3.3");
  assert.equal(ran.code, 5);
  assert.deepEqual(
    ran.out.match(/^trial \S+ it is stopping/gm),
    ["3.2", "3.1", "3.3"].map((id) => `trial ${id}: it is stopping`),
  );
  assert.equal(bench.server.requests.length, 1);
});

test("a token that is none is refused before anything is sent, and shown nowhere", async () => {
  for (const secret of ["cu_se cret", "cu_secret\n", "cu_s\u00e9cret", "x".repeat(301)]) {
    bench.server.requests.length = 0;
    const env = {
      CONTRAIL_TOKEN: secret,
      CONTRAIL_CONFIG_DIR: "/nonexistent",
      CONTRAIL_DEBUG: "1",
    };
    const ran = await run(["slot", "list"], { url: bench.server.url, host: { env } });
    assert.equal(ran.code, 4);
    assert.match(ran.err, /The token in CONTRAIL_TOKEN is not one/);
    assert.ok(!(ran.out + ran.err).includes(secret.slice(0, 4)), ran.err);
    assert.equal(bench.server.requests.length, 0);
  }
});

test("the token in the environment goes to the server named there, and to no other", async () => {
  const other = await fakeServer({ "GET /slots": { items: [] } });
  const config = bench.fresh();
  mkdirSync(config);
  const stored = { version: 1, current: null, servers: { [other.url]: { token: "cu_other" } } };
  writeFileSync(join(config, "credentials.json"), JSON.stringify(stored));
  const sent = async (env: Record<string, string>): Promise<string | undefined> => {
    other.requests.length = 0;
    const host = { env: { CONTRAIL_CONFIG_DIR: config, ...env } };
    assert.equal((await run(["--server", `${other.url}/`, "slot", "list"], { host })).code, 0);
    return other.requests[0]?.headers.authorization;
  };
  const token = { CONTRAIL_TOKEN: "cu_given" };
  try {
    assert.equal(await sent({ ...token, CONTRAIL_SERVER: bench.server.url }), "Bearer cu_other");
    assert.equal(await sent({ ...token, CONTRAIL_SERVER: `${other.url}/` }), "Bearer cu_given");
    assert.equal(await sent(token), "Bearer cu_given");
    rmSync(join(config, "credentials.json"));
    assert.equal(await sent({ ...token, CONTRAIL_SERVER: bench.server.url }), undefined);
  } finally {
    await other.close();
  }
});

test("a server that goes away in the middle of an answer is one that cannot be reached", async () => {
  bench.server.answer("GET /experiments", (_, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
    response.write('{"items":[', () => response.destroy());
  });
  const ran = await bench.cli("--json", "experiment", "list");
  assert.deepEqual([ran.code, JSON.parse(ran.err).code], [5, "unreachable"]);
});

test("`token create` into a pipe writes the token alone", async () => {
  const ran = await bench.cli("token", "create", "ci");
  assert.equal(ran.out, "cu_secret\n");
  assert.match(ran.err, /token ab12 "ci"[\s\S]*next: contrail token list/);
  assert.doesNotMatch(ran.err, /cu_secret/);
});

test("a search on paper says that it does not know the step of the checkpoint that its trials go on from", async () => {
  const folder = bench.fresh();
  mkdirSync(folder);
  const file = join(folder, "from.yaml");
  const searcher = "name: random, metric: m, max_trials: 2, max_length: {steps: 9}";
  for (const [from, said] of [
    ["", false],
    [`, source_checkpoint_uuid: ${"a".repeat(64)}`, true],
  ] as const) {
    writeFileSync(file, `searcher: {${searcher}${from}}\n`);
    for (const verb of ["preview", "simulate"]) {
      const { err, code } = await bench.cli("search", verb, file);
      assert.equal(code, 0, err);
      assert.equal(/counted from step 0.*create .*from\.yaml .*--dry-run/.test(err), said, err);
    }
  }
});

test("what cannot be is said in a sentence", async () => {
  const cases: [string[], number, RegExp][] = [
    [["config", "lint", bench.folder], 2, /is a folder; a configuration is a file/],
    [["data", "add", "Bad Name", bench.config], 2, /"Bad Name" cannot be[\s\S]*bad-name/],
  ];
  for (const [args, code, message] of cases) {
    const ran = await bench.cli(...args);
    assert.equal(ran.code, code);
    assert.match(ran.err, message);
  }
  bench.server.answer(
    "GET /slots",
    (_, response) => void response.writeHead(404).end("<h1>Not here</h1>"),
  );
  const foreign = await bench.cli("slot", "list");
  assert.equal(foreign.code, 5);
  assert.match(foreign.err, /This is no Contrail server/);
  // A proxy's page for whoever asks too much.
  bench.server.answer("GET /slots", (_, response) => void response.writeHead(429).end("<h1>"));
  const { code, err } = await bench.cli("slot", "list");
  assert.equal(code, 5);
  assert.match(err, /^error: GET .* was answered with status 429/);
});

test("no server known, none there", async () => {
  const unknown = await run(["slot", "list"]);
  assert.equal(unknown.code, 5);
  assert.match(unknown.err, /contrail up/);
  const gone = await fakeServer();
  await gone.close();
  const ran = await run(["slot", "list"], { url: gone.url });
  assert.equal(ran.code, 5);
  assert.match(ran.err, /No Contrail server answers at .*refused/);
  assert.equal((await run(["--server", "ftp://x", "slot", "list"])).code, 2);
});
