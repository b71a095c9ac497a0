/** Row S9: secrets are planted wherever a person keeps them, a day is lived, and then everything is searched for them. */
import assert from "node:assert/strict";
import { lstatSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { declaredApp } from "../src/server/http/openapi.ts";
import { withTestDatabase } from "../src/store/test-database.ts";
import { filesBelow } from "../src/store/test-trees.ts";
import { stand } from "./support.ts";

const CANARY = "canary9f3b";
const canary = (name: string): string => `${CANARY}-${name}`;
const PASSWORD = canary("password");

/** As people have them in their shells. */
const ENVIRONMENT = {
  AWS_SECRET_ACCESS_KEY: canary("aws"),
  WANDB_API_KEY: canary("wandb"),
  GITHUB_TOKEN: canary("github"),
  MY_DB_PASSWORD: canary("db"),
  CUDA_SECRET: canary("looks-harmless"),
  CONDA_TOKEN: canary("conda"),
};

interface Text {
  readonly where: string;
  readonly text: string;
}

/** Where a secret stands in what was said. Tokens too: they begin like this and are long. */
function hits(texts: readonly Text[], secrets: readonly string[]): string[] {
  return texts.flatMap(({ where, text }) =>
    [CANARY, ...secrets]
      .filter((secret) => text.includes(secret) || text.includes(encoded(secret)))
      .map((secret) => `${where} holds ${secret.slice(0, 12)}…`),
  );
}
const encoded = (secret: string): string => Buffer.from(secret).toString("base64").slice(0, -4);

/** The whole of a folder of ours: every file with its mode, and what may be read by others. */
function filesIn(folder: string): { path: string; text: string; open: boolean }[] {
  return filesBelow(folder).map((path) => {
    let open = (lstatSync(path).mode & 0o077) !== 0;
    for (let at = dirname(path); open && at.startsWith(folder); at = dirname(at))
      open = (lstatSync(at).mode & 0o077) !== 0;
    return { path, text: readFileSync(path, "latin1"), open };
  });
}

describe("planted secrets", () => {
  test("are in no log, no answer, no record, no export and no file that others can read", async (t) => {
    await using database = await withTestDatabase({ migrations: null });
    const named = new URL(database.url);
    const databasePassword = named.password === "" ? canary("postgres") : named.password;
    named.password = databasePassword;
    Object.assign(process.env, ENVIRONMENT);
    await using it = await stand({ databaseUrl: named.href });
    for (const name of Object.keys(ENVIRONMENT)) delete process.env[name];
    const said: Text[] = [];
    const cli = async (...args: string[]) => {
      const ran = await it.contrail(args);
      const where = `contrail ${args.join(" ")}`;
      said.push({ where, text: ran.stdout }, { where, text: ran.stderr });
      return ran;
    };
    await it.client.setPassword(PASSWORD);
    const login = await it.client.login({ user: (await it.client.me()).user, password: PASSWORD });
    await it.client.login({ user: "nobody", password: PASSWORD }).catch(() => undefined);
    const secrets = [it.token, login.token, databasePassword];

    // A day: a run that goes well, one that fails, commands of every kind, mistakes with secrets in them.
    const code = await it.codeFolder({}, ["act.py"]);
    const run = ["run", "--dir", code, "--", "python3", "-c"];
    assert.equal((await cli(...run, "print('fine')")).code, 0);
    assert.equal((await cli(...run, "import sys; sys.exit('broken')")).code, 1);
    await cli("run", "--no-code", "--", "no-such-program");
    const told = [
      ...[
        ["experiment", "list"],
        ["experiment", "show", "1"],
        ["trial", "list", "1"],
      ],
      ...[
        ["trial", "show", "1.1"],
        ["trial", "show", "1.1", "--record", "--all"],
        ["trial", "metrics", "1.1"],
        ["logs", "2"],
        ["job", "list"],
      ],
      ...[
        ["slot", "list"],
        ["token", "list"],
        ["data", "list"],
        ["why", "2.1"],
        ["audit", "verify"],
      ],
      ...[
        ["audit", "list", "--all"],
        ["doctor", "--port", "0"],
        ["checkpoint", "list", "1"],
      ],
      ["--help"],
    ];
    for (const words of told) {
      await cli(...words);
      await cli("--json", ...words);
    }
    for (const address of [`http://ada:${PASSWORD}@127.0.0.1:1`, `ftp//ada:${PASSWORD}@x`]) {
      const ran = await cli("--server", address, "experiment", "list");
      assert.equal(ran.code, 2);
      await cli("login", address);
    }
    for (const token of [`${canary("token")} with spaces`, `cu_${canary("wrong")}`]) {
      const ran = await it.contrail(["experiment", "list"], { env: { CONTRAIL_TOKEN: token } });
      assert.equal(ran.code, 4);
      said.push({ where: "contrail with a bad token", text: ran.stdout + ran.stderr });
    }
    for (const url of [
      `postgresql://ada:${PASSWORD}@127.0.0.1:1/x`,
      `mysql://ada:${PASSWORD}@x/y`,
    ]) {
      const env = {
        ...{ DATABASE_URL: url, CONTRAIL_DATA_DIR: join(it.folder, "other") },
        CONTRAIL_TOKEN: undefined,
      };
      const ran = await it.contrail(["up", "--port", "0"], { env });
      assert.notEqual(ran.code, 0);
      said.push({ where: `up with ${url.split(":")[0]}`, text: ran.stdout + ran.stderr });
      const doctor = await it.contrail(["doctor", "--port", "0"], { env });
      said.push({ where: "doctor", text: doctor.stdout + doctor.stderr });
    }
    await it.killServer();
    await it.start();

    // Every address that can be read, with what there is.
    const app = await declaredApp("0");
    const routes = app.routeTable.filter(
      ({ method, url, access }) =>
        method === "GET" && !url.endsWith("/stream") && !access.includes("runner"),
    );
    await app.close();
    const checkpointless = /checkpoints\/:id|blobs/;
    let answers = 0;
    for (const { url } of routes) {
      if (checkpointless.test(url)) continue;
      for (const [experiment, trial] of [
        ["1", "1.1"],
        ["2", "2.1"],
      ]) {
        const path = url
          .replace("/experiments/:id", `/experiments/${experiment}`)
          .replace("/why/:kind/:id", `/why/trial/${trial}`)
          .replace(":seq", "3")
          .replace(":id", trial as string);
        const headers = { authorization: `Bearer ${it.token}` };
        const response = await fetch(`${it.server.url}${path}`, { headers });
        assert.ok(response.status < 500, path);
        said.push({ where: path, text: await response.text() });
        answers += 1;
      }
    }

    // Every row of every table: tokens and passwords are there as hashes alone.
    const { rows: tables } = await database.pool.query<{ name: string }>(
      "select table_name as name from information_schema.tables where table_schema = current_schema()",
    );
    for (const { name } of tables) {
      const { rows } = await database.pool.query<{ row: string }>(
        `select t::text as row from "${name}" t`,
      );
      said.push({ where: `table ${name}`, text: rows.map(({ row }) => row).join("\n") });
    }
    assert.deepEqual(hits(said, secrets), []);

    // Files: nobody's but the owner's where there is a secret, and none in any log.
    const files = filesIn(it.folder);
    const holding = files.filter(
      ({ path, text }) => hits([{ where: path, text }], secrets).length > 0,
    );
    assert.deepEqual(
      holding.filter(({ open }) => open).map(({ path }) => path),
      [],
    );
    const logs = files.filter(({ path }) => /log/.test(path));
    assert.ok(logs.some(({ path }) => path.endsWith("server.log")));
    assert.ok(logs.some(({ path }) => path.endsWith("runner.log")));
    const inLogs = logs.map(({ path, text }) => ({ where: path, text }));
    assert.deepEqual(hits(inLogs, secrets), []);
    const own = files.filter(({ path }) =>
      /(?:^|\/)(?:secret|token|credentials\.json)$/.test(path),
    );
    assert.ok(own.length >= 2);
    assert.deepEqual(
      own.filter(({ open }) => open),
      [],
    );
    t.diagnostic(
      `S9: ${Object.keys(ENVIRONMENT).length + 4} secrets planted; ${said.length} outputs and answers (${answers} of the API, ${tables.length} tables), ${files.length} files: 0 hits`,
    );
  });
});
