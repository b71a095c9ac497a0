import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import pg from "pg";
import { silentLog } from "../log.ts";
import { readPostmasterFile } from "./leftovers.ts";
import { canHoldPostgres } from "./operating-user.ts";
import { type RunningPostgres, startPostgres } from "./postgres.ts";
import { PostgresError } from "./postgres-error.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-pg-test-"));
if (process.getuid?.() === 0) chmodSync(root, 0o711);
after(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }));

const start = (dataDir: string): Promise<RunningPostgres> =>
  startPostgres({ dataDir, log: silentLog, throwAway: true });

async function query(postgres: Pick<RunningPostgres, "url">, sql: string): Promise<unknown[]> {
  const client = new pg.Client(postgres.url);
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: "array" })).rows.flat();
  } finally {
    await client.end();
  }
}

/** A process of its own that starts PostgreSQL, prints its URL and waits. */
function supervisor(dataDir: string, environment: NodeJS.ProcessEnv = {}): ChildProcess {
  const module = JSON.stringify(new URL("./postgres.ts", import.meta.url).href);
  const code = `import { startPostgres } from ${module};
    const log = { info() {}, warn() {}, error() {} };
    const postgres = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, log, throwAway: true });
    console.log(JSON.stringify({ url: postgres.url, pid: postgres.pid }));
    setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ["--input-type=module", "-e", code], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function started(child: ChildProcess): Promise<{ url: string; pid: number }> {
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  return JSON.parse(line);
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

test("a folder is used, stopped and used again; what was written is there", async () => {
  const dataDir = join(root, "again");
  const first = await start(dataDir);
  await query(first, "create table kept as select 7 as value");
  await first.stop();
  assert.deepEqual(await first.exited, { code: 0, signal: null, expected: true });
  await first.stop();
  assert.equal(readPostmasterFile(join(dataDir, "postgres", "data")), undefined);
  const second = await start(dataDir);
  assert.deepEqual(await query(second, "select value from kept"), [7]);
  await second.stop();
});

test("a second supervisor of the same folder is refused, and the first one goes on", async () => {
  const dataDir = join(root, "twice");
  const first = await start(dataDir);
  await assert.rejects(start(dataDir), { name: "PostgresError", code: "data_folder_in_use" });
  const child = supervisor(dataDir);
  child.stderr?.resume();
  assert.deepEqual(await query(first, "select 1"), [1]);
  await kill(child);
  await first.stop();
});

test("killed with its supervisor: nothing committed is lost, whether or not the kernel stops it for us", async () => {
  const dataDir = join(root, "killed");
  // Without setpriv on the path it stays behind as an orphan, which the next start has to stop.
  for (const [round, environment] of [{}, { PATH: "/nonexistent" }, {}].entries()) {
    const child = supervisor(dataDir, environment);
    const { url } = await started(child);
    await query({ url }, "create table if not exists kept (value int)");
    await query({ url }, `insert into kept values (${round})`);
    await kill(child);
  }
  const postgres = await start(dataDir);
  assert.deepEqual(await query(postgres, "select value from kept order by value"), [0, 1, 2]);
  await postgres.stop();
});

test("the server itself killed: reported as unexpected, and the folder starts again", async () => {
  const dataDir = join(root, "crashed");
  const first = await start(dataDir);
  await query(first, "create table kept (value int)");
  process.kill(first.pid, "SIGKILL");
  assert.deepEqual(await first.exited, { code: null, signal: "SIGKILL", expected: false });
  await first.stop();
  const second = await start(dataDir);
  assert.deepEqual(await query(second, "select count(*)::int from kept"), [0]);
  await second.stop();
});

test("an initdb killed midway is thrown away, never taken for a database", async () => {
  for (const environment of [{}, { PATH: "/nonexistent" }]) {
    const dataDir = join(root, `initdb-${Object.keys(environment).length}`);
    const folder = join(dataDir, "postgres");
    mkdirSync(folder, { recursive: true });
    const child = supervisor(dataDir, environment);
    await unfinishedCluster(folder);
    await kill(child);
    assert.equal(existsSync(join(folder, "data")), false);
    const postgres = await start(dataDir);
    assert.deepEqual(await query(postgres, "select current_database()"), ["contrail"]);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes("unfinished")),
      [],
    );
    await postgres.stop();
  }
});

/** Resolves once initdb has begun to fill its temporary folder. */
function unfinishedCluster(folder: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(folder, (_event, name) => {
      if (name?.startsWith("data.unfinished-")) {
        watcher.close();
        resolve();
      }
    });
  });
}

test("a postmaster.pid that names somebody else's process does not keep it from starting", async () => {
  const dataDir = join(root, "reused-pid");
  await (await start(dataDir)).stop();
  const cluster = join(dataDir, "postgres", "data");
  writeFileSync(
    join(cluster, "postmaster.pid"),
    `${process.pid}\n${cluster}\n1\n5432\n/nowhere\n\n0 0\nready\n`,
  );
  const postgres = await start(dataDir);
  assert.deepEqual(await query(postgres, "select 1"), [1]);
  await postgres.stop();
});

test("another major version is refused in words", async () => {
  const dataDir = join(root, "major");
  await (await start(dataDir)).stop();
  writeFileSync(join(dataDir, "postgres", "data", "PG_VERSION"), "17\n");
  await assert.rejects(start(dataDir), (error: unknown) => {
    assert(error instanceof PostgresError);
    assert.equal(error.code, "other_major");
    assert.match(error.message, /written by PostgreSQL 17; this Contrail carries 18/);
    return true;
  });
});

test("a data folder with a long and odd path works: the socket lies elsewhere", async () => {
  const dataDir = join(root, `päth with, spaces ${"x".repeat(100)}`);
  const postgres = await start(dataDir);
  assert.deepEqual(await query(postgres, "select 1"), [1]);
  assert.equal(postgres.connection.host.startsWith(dataDir), false);
  await postgres.stop();
  assert.equal(existsSync(postgres.connection.host), false);
});

test("root is told which directory keeps PostgreSQL's user out; others need no way through", async () => {
  const closed = join(root, "closed");
  mkdirSync(closed, { mode: 0o700 });
  const attempt = start(join(closed, "data"));
  assert.equal(canHoldPostgres(join(closed, "not", "yet")), process.getuid?.() !== 0);
  assert.equal(canHoldPostgres(join(root, "not", "yet")), true);
  if (process.getuid?.() === 0) {
    await assert.rejects(attempt, (error: unknown) => {
      assert(error instanceof PostgresError);
      assert.equal(error.code, "data_folder_unreachable");
      assert.match(error.message, new RegExp(`may not pass through ${closed} \\(mode 0700\\)`));
      return true;
    });
  } else await (await attempt).stop();
});
