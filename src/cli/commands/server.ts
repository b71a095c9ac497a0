/** `contrail up` and `contrail down`: the server on this machine. */
import type { Client } from "../../sdk/client.ts";
import type { Cli } from "../cli.ts";
import { shellWord } from "../cli.ts";
import { readCredentials, tokenFor } from "../credentials.ts";
import { EXIT, usageError } from "../exit-code.ts";
import { plural } from "../figures.ts";
import { endRunners, type LeftRunner, leftRunners, runnerWords } from "../left-runner.ts";
import { buildPage, pageIsStale } from "../page-stamp.ts";
import { type Progress, SILENT } from "../progress.ts";
import {
  defaultDataDir,
  findRunning,
  interrupted,
  readNote,
  type StartedServer,
  serverLogPath,
  startServer,
  type World,
} from "../server-process.ts";
import { type StopOptions, stopServer } from "../server-stop.ts";
import { ensureSignedIn } from "../sign-in.ts";
import { facts } from "../table.ts";
import { namedPath, requireFile } from "../user-file.ts";
import { durationMsOf, portOf, slotsOf } from "../values.ts";

export interface UpOptions {
  readonly dataDir?: string;
  readonly host?: string;
  readonly port: string;
  readonly taskPort?: string;
  readonly taskDomain?: string;
  readonly slots?: string;
  readonly pools?: string;
  readonly allowRemote?: boolean;
  readonly runnerLease: string;
  readonly runnerLost?: string;
  readonly foreground?: boolean;
}

/** @param given the options that were typed, by name */
export async function up(
  cli: Cli,
  options: UpOptions,
  given: ReadonlyMap<string, string> = new Map(),
): Promise<number> {
  const dataDir = dataDirOf(cli, options.dataDir) ?? defaultDataDir(cli.host.env);
  const port = portOf(options.port);
  const taskPort =
    options.taskPort === undefined ? undefined : portOf(options.taskPort, "--task-port");
  const slots = options.slots === undefined ? undefined : slotsOf(options.slots);
  const pools = options.pools === undefined ? undefined : requireFile(cli.host.cwd, options.pools);
  const lease = leaseOf(options);
  const { foreground = false } = options;
  const interrupt = cli.host.catchInterrupt();
  await ensurePage(cli);
  const start = (progress: Progress): Promise<StartedServer> =>
    startServer(
      {
        dataDir,
        ...{ port, taskPort, taskDomain: options.taskDomain, slots, pools },
        ...lease,
        host: options.host,
        allowRemote: options.allowRemote === true,
        foreground,
        signal: interrupt,
        onStep: (step) => progress.detail(step),
      },
      cli.host,
    );
  // In the foreground it speaks for itself, on the same terminal.
  const server = foreground
    ? await start(SILENT)
    : await cli.during(`starting the server in ${dataDir}`, start);
  const me = await ensureSignedIn(cli, { ...server, dataDir });
  // What it says in the foreground goes to the terminal, and into no file.
  const log = foreground && server.started ? undefined : serverLogPath(dataDir);
  await report(cli, server, { dataDir, log }, me);
  const without = server.started ? [] : notTaken(given, server.url);
  if (without.length > 0 && !cli.json)
    cli.err(
      `warning: the server runs already, as it was started: ${without.join(", ")} ${without.length === 1 ? "was" : "were"} not taken. ` +
        `To start it so: ${cli.self} down${dataDirOption(cli, dataDir)} --keep-trials, then this command again.`,
    );
  if (!foreground || !server.started) return EXIT.ok;
  cli.err("The server runs in the foreground; Ctrl-C stops it, and training goes on without it.");
  interrupt.addEventListener("abort", () => process.kill(server.pid, "SIGTERM"), { once: true });
  if (interrupt.aborted) process.kill(server.pid, "SIGTERM");
  const code = await server.ended;
  sayWhatGoesOn(cli, dataDir);
  return interrupt.aborted ? EXIT.ok : code;
}

/** A server that ends by a signal leaves training alone; who pressed Ctrl-C may have meant that too. */
function sayWhatGoesOn(cli: Cli, dataDir: string): void {
  const left = leftRunners(dataDir);
  if (left.length === 0 || cli.json) return;
  const dir = dataDirOption(cli, dataDir);
  cli.err(
    `The server has ended. Its ${runnerWords(left)} and whatever is training go on: ` +
      `\`${cli.self} up${dir}\` takes over, \`${cli.self} down${dir}\` ends them.`,
  );
}

/** What a server that runs already was not started with, as far as can be told: its address is known, nothing else is. */
export function notTaken(given: ReadonlyMap<string, string>, url: string): string[] {
  const { port, hostname } = new URL(url);
  // An address leaves out the port of its scheme, and puts IPv6 into brackets.
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  const isLocal = /^(?:localhost|::1|127\..*)$/.test(address);
  const isSo = new Map([
    ["--port", (value: string) => value === "0" || Number(value) === Number(port || 80)],
    ["--task-port", (value: string) => value === "0"],
    ["--host", (value: string) => value === address || (value === "localhost" && isLocal)],
  ]);
  return [...given]
    .filter(([name, value]) => name !== "--data-dir" && isSo.get(name)?.(value) !== true)
    .map(([name]) => name);
}

/** In a clone whose page is missing or old it is built; a server without its page is still a server. */
async function ensurePage(cli: Cli): Promise<void> {
  if (!pageIsStale()) return;
  const trouble = await cli.during("building the web page", () => buildPage());
  if (trouble !== undefined)
    cli.err(`warning: the web page could not be built; everything else works. ${trouble}`);
}

const dataDirOf = (cli: Cli, given: string | undefined): string | undefined =>
  given === undefined ? undefined : namedPath(cli.host.cwd, given, "--data-dir");

/** A link that signs a browser in: good once, for a quarter of an hour. */
async function pageLink(cli: Cli, url: string, token: string): Promise<string> {
  const made = await cli.client({ url, token }).signInLink();
  return `${url}/sign-in#${made.one_time_token}`;
}

/** `contrail web`: a fresh link to the page of the current server. */
export async function web(cli: Cli): Promise<number> {
  const client = cli.client();
  const { one_time_token: token, expires_at: expiresAt } = await client.signInLink();
  const link = `${client.url}/sign-in#${token}`;
  cli.show({ link, expires_at: expiresAt }, () => [
    cli.paint.bold(link),
    "It signs a browser in: good once, for 15 minutes.",
  ]);
  return EXIT.ok;
}

const LEASE = { minMs: 5_000, maxMs: 7 * 86_400_000 };

function leaseOf({ runnerLease, runnerLost }: UpOptions): { leaseMs: number; lostMs?: number } {
  const leaseMs = durationMsOf("--runner-lease", runnerLease, LEASE);
  if (runnerLost === undefined) return { leaseMs };
  const bounds = { minMs: leaseMs, maxMs: 10 * LEASE.maxMs };
  return { leaseMs, lostMs: durationMsOf("--runner-lost", runnerLost, bounds) };
}

async function report(
  cli: Cli,
  server: StartedServer,
  { dataDir, log }: { readonly dataDir: string; readonly log: string | undefined },
  me: { user: string; token: string } | undefined,
): Promise<void> {
  const info =
    me === undefined ? undefined : await cli.client({ url: server.url, token: me.token }).server();
  const { url, pid, version, started } = server;
  const link = me === undefined ? undefined : await pageLink(cli, url, me.token);
  cli.show(
    {
      url,
      pid,
      version,
      started,
      data_dir: dataDir,
      log: log ?? null,
      user: me?.user ?? null,
      slots: info?.slots ?? null,
      link: link ?? null,
    },
    () => [
      `Contrail ${version} ${started ? "is ready" : "runs already"} at ${cli.paint.bold(url)}`,
      ...facts(
        [
          ["process", pid],
          ["data", dataDir],
          ["log", log],
          ["slots", info?.slots],
          ["signed in as", me?.user],
          ["web page", link === undefined ? undefined : `${link} (signs in once, for 15 minutes)`],
        ],
        cli.paint.dim,
      ),
    ],
  );
  if (me !== undefined) {
    cli.next("experiment create CONFIG .", "experiment list");
    return;
  }
  const dir = dataDirOption(cli, dataDir);
  cli.err(
    "warning: no token is stored for this server, and it gives a new one only when it starts. " +
      `Either sign in (${cli.self} login ${url} --user NAME) or restart it (${cli.self} down${dir} --keep-trials, then ${cli.self} up${dir}).`,
  );
}

const dataDirOption = (cli: Cli, dataDir: string): string =>
  dataDir === defaultDataDir(cli.host.env) ? "" : ` --data-dir ${shellWord(dataDir)}`;

export interface DownOptions {
  readonly dataDir?: string;
  readonly keepTrials?: boolean;
}

export async function down(cli: Cli, options: DownOptions): Promise<number> {
  const { env } = cli.host;
  const dataDir = dataDirOf(cli, options.dataDir) ?? currentDataDir(cli);
  const trials = options.keepTrials === true ? "keep" : "stop";
  const url = readNote(dataDir)?.url;
  const token = url === undefined ? undefined : tokenFor(env, url);
  const client = url === undefined || token === undefined ? undefined : cli.client({ url, token });
  const running = await findRunning(dataDir, cli.host);
  const active =
    running === undefined || client === undefined
      ? undefined
      : await client
          .jobs()
          .then((jobs) => jobs.reduce((sum, job) => sum + job.running, 0))
          .catch(() => undefined);
  if (active !== undefined && active > 0 && !cli.json)
    cli.err(
      trials === "stop"
        ? `${plural(active, "trial")} running: they are stopped with it${await butInJobs(client)}.`
        : `${plural(active, "trial")} running: training goes on, and the next server takes it over.`,
    );
  const interrupt = cli.host.catchInterrupt();
  const { done, left } = await cli.during("stopping the server", (progress) =>
    Promise.race([
      stopAll({ dataDir, trials, token, onStep: (step) => progress.detail(step) }, cli.host),
      new Promise<never>((_, reject) =>
        interrupt.addEventListener("abort", () => reject(interrupted()), { once: true }),
      ),
    ]),
  );
  const stopped = done !== undefined;
  const shown = {
    stopped,
    data_dir: dataDir,
    trials_running: active ?? null,
    trials: done ?? trials,
    // Those that went on without a server; ended now, unless they are to be kept.
    runners: left.map(({ pid }) => pid),
  };
  const dir = dataDirOption(cli, dataDir);
  cli.show(shown, () => [
    stopped ? `The server of ${dataDir} is stopped.` : `No server runs on ${dataDir}.`,
    ...(left.length === 0
      ? []
      : trials === "stop"
        ? [
            `Its ${runnerWords(left)} went on without it, and ${left.length === 1 ? "is" : "are"} ended with what was training.`,
          ]
        : [
            `Its ${runnerWords(left)} and whatever is training go on: the next \`up\` takes over, \`${cli.self} down${dir}\` ends them.`,
          ]),
  ]);
  if (stopped || left.length > 0) cli.next(`up${dir}`);
  return EXIT.ok;
}

/** Where no server runs, what one has left at work is found: it would go on with nobody to end it. */
async function stopAll(
  options: StopOptions,
  world: World,
): Promise<{ done: StopOptions["trials"] | undefined; left: readonly LeftRunner[] }> {
  const done = await stopServer(options, world);
  if (done !== undefined) return { done, left: [] };
  const left = leftRunners(options.dataDir);
  if (options.trials === "stop" && left.length > 0) {
    options.onStep?.(`none runs: ending its ${runnerWords(left)}`);
    await endRunners(left, world.clock);
  }
  return { done, left };
}

/** What an engine's own scheduler runs does not hang on the server. */
async function butInJobs(client: Client | undefined): Promise<string> {
  const pools = (await client?.pools().catch(() => undefined)) ?? [];
  const names = pools.flatMap((pool) =>
    pool.slots_per_node !== null && pool.held > 0 ? [pool.name] : [],
  );
  return names.length === 0 ? "" : `, but for those in jobs of ${names.join(", ")}, which go on`;
}

/** Where `up` last started a server that is still the current one, else the default folder. */
function currentDataDir(cli: Cli): string {
  const { env } = cli.host;
  if (env.CONTRAIL_DATA_DIR) return defaultDataDir(env);
  const file = readCredentials(env);
  const current = file.current === null ? undefined : file.servers[file.current];
  return current?.data_dir ?? defaultDataDir(env);
}

/** A remote address has no process here to stop. */
export function refuseServerOption(server: string | undefined): void {
  if (server !== undefined)
    throw usageError(
      "`up` and `down` work on this machine, not on the server named with --server.",
      "Name a data folder instead: --data-dir D",
    );
}
