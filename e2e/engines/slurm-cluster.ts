/**
 * A real Slurm cluster of several virtual nodes on this one machine: munged, slurmctld and one slurmd a node, all of
 * them children of this process and gone with it. Debian's slurmd may run several times on one host, each under its
 * own node name and port; as root each gets a hostname of its own besides, so that jobs see what they would see on
 * a cluster. GPUs are device files that hold nothing: Slurm counts them and hands them out all the same.
 *
 * Time limits are Slurm's, shortened where that can be set. What cannot be had (packages, a kernel that lets us) is said by
 * `cannotRunSlurm`, so that tests skip by name.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, openSync, readdirSync, readFileSync, rmdirSync, symlinkSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "../support.ts";
import { GROUPS, mountControlGroups } from "./control-groups.ts";
import { type DebianPackage, installPackages } from "./debian-packages.ts";
import {
  type ClusterOptions,
  configurationFiles,
  mungeSocket,
  type Ports,
} from "./slurm-configuration.ts";

export const CLUSTER = {
  nodes: 4,
  cpusPerNode: 4,
  gpusPerNode: 2,
  megabytesPerNode: 4000,
  graceS: 20,
  minJobAgeS: 300,
  accounting: false,
  rest: false,
} satisfies ClusterOptions;

const MACHINE = process.arch === "arm64" ? "aarch64" : "x86_64";
const PLUGINS = `/usr/lib/${MACHINE}-linux-gnu/slurm-wlm`;
const PACKAGES: readonly DebianPackage[] = [
  { name: "munge", holds: "munged" },
  { name: "slurmctld", holds: "slurmctld" },
  { name: "slurmd", holds: "slurmd" },
  { name: "slurm-client", holds: "sbatch" },
];
const REST: readonly DebianPackage[] = [
  { name: "slurmrestd", holds: "slurmrestd" },
  { name: "slurm-wlm-jwt-plugin", holds: join(PLUGINS, "auth_jwt.so") },
];
const ACCOUNTING: readonly DebianPackage[] = [
  { name: "slurmdbd", holds: "slurmdbd" },
  { name: "mariadb-server-core", holds: "mariadbd" },
  { name: "mariadb-client-core", holds: "mariadb" },
  { name: "slurm-wlm-mysql-plugin", holds: join(PLUGINS, "accounting_storage_mysql.so") },
];

/**
 * Installs what is missing.
 * @returns why there can be no cluster on this machine
 */
export async function cannotRunSlurm(
  options: Partial<ClusterOptions> = {},
): Promise<string | undefined> {
  const why = await installPackages([
    ...PACKAGES,
    ...(options.rest ? REST : []),
    ...(options.accounting ? ACCOUNTING : []),
  ]);
  return why === undefined ? undefined : `no Slurm: ${why}`;
}

const READY_WITHIN_MS = 180_000;

/** Whether Slurm may use them: to find a job's processes (freezer), to hold it to its memory (memory). */
export const hasControlGroups = (controller: "freezer" | "memory"): boolean =>
  process.getuid?.() === 0 && mountControlGroups(controller);

export class SlurmCluster implements AsyncDisposable {
  readonly folder: string;
  readonly conf: string;
  readonly nodes: readonly string[];
  readonly options: ClusterOptions;
  readonly #ports: Ports;
  readonly #databasePassword = randomBytes(18).toString("hex");
  readonly #isRoot = process.getuid?.() === 0;
  /** The job by which it was seen that the controller has saved. */
  #marker = "";
  readonly #daemons = new Map<string, ChildProcess>();

  private constructor(folder: string, options: ClusterOptions, ports: Ports) {
    this.folder = folder;
    this.options = options;
    this.conf = join(folder, "etc", "slurm.conf");
    this.nodes = Array.from({ length: options.nodes }, (_, index) => `n${index + 1}`);
    this.#ports = ports;
  }

  /** Starts one, and waits until every node is idle. */
  static async start(options: Partial<ClusterOptions> = {}): Promise<SlurmCluster> {
    const all = { ...CLUSTER, ...options };
    const missing = await cannotRunSlurm(all);
    if (missing !== undefined) throw new Error(missing);
    const folder = await mkdtemp(join(tmpdir(), "slurm-"));
    const cluster = new SlurmCluster(folder, all, await choosePorts(all.nodes));
    try {
      await cluster.#begin();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** What client commands need. */
  get environment(): Record<string, string> {
    return { SLURM_CONF: this.conf };
  }

  get restUrl(): string {
    return `http://127.0.0.1:${this.#ports.rest}`;
  }

  async run(command: string, ...args: string[]): Promise<string> {
    const env = { ...process.env, ...this.environment };
    return (await promisify(execFile)(command, args, { env })).stdout;
  }

  /** For slurmrestd, in a file as a pool wants it. */
  async tokenFile(): Promise<string> {
    const path = join(this.folder, "etc", "token");
    const user = userInfo().username;
    const printed = await this.run("scontrol", "token", `username=${user}`, "lifespan=86400");
    await writeFile(path, printed.replace(/^SLURM_JWT=/, ""), { mode: 0o600 });
    return path;
  }

  async startController(): Promise<void> {
    this.#spawn("slurmctld", ["slurmctld", "-D", "-f", this.conf]);
    await this.#until("the controller answers", () => this.run("scontrol", "ping"));
    // A controller that was killed may have forgotten that it is cancelled.
    if (this.#marker !== "") await this.run("scancel", "--quiet", this.#marker);
  }

  /** Until the controller has written down all jobs as they are now; it writes every few seconds, and all at once. */
  async stateIsSaved(): Promise<void> {
    const name = `saved-${randomBytes(6).toString("hex")}`;
    const held = ["--parsable", "--hold", `--job-name=${name}`, "--wrap=true"];
    this.#marker = (await this.run("sbatch", ...held)).trim();
    const saved = join(this.folder, "state", "job_state");
    await this.#until("the controller has saved its jobs", async () => {
      if (!read(saved).includes(name)) throw new Error(`${name} is not in ${saved}`);
    });
    await this.run("scancel", this.#marker);
  }

  /** kill -9: its jobs run on. */
  async killController(): Promise<void> {
    await this.#kill("slurmctld");
  }

  /** As if its host had lost its power: the daemon and whatever of jobs runs there. */
  async killNode(node: string): Promise<void> {
    await this.#kill(`slurmd-${node}`);
    await this.#killJobs(node);
  }

  async startNode(node: string): Promise<void> {
    await mkdir(join(this.folder, "spool", node), { recursive: true });
    this.#startNode(node);
    await this.#until(`${node} is back`, () => this.#isUp(node));
  }

  /** Takes it out of service at once: the controller notices a dead node by itself after 15 to 25 s. */
  async markDown(node: string): Promise<void> {
    await this.run("scontrol", "update", `NodeName=${node}`, "State=DOWN", "Reason=power");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#daemons.has("slurmctld")) await this.#cancelAll();
    } finally {
      const last = ["mariadbd", "munged"];
      const first = [...this.#daemons.keys()].filter((name) => !last.includes(name));
      for (const name of first) await this.#kill(name);
      await this.#killJobs();
      for (const name of last) await this.#kill(name, "SIGTERM");
      this.#removeGroups();
      await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  async #begin(): Promise<void> {
    const { folder } = this;
    await chmod(folder, 0o755);
    for (const name of ["etc", "run", "log", "state", "spool", "dev"])
      await mkdir(join(folder, name));
    for (let gpu = 0; gpu < this.options.gpusPerNode; gpu++)
      symlinkSync("/dev/null", join(folder, "dev", `gpu${gpu}`));
    await writeFile(join(folder, "etc", "munge.key"), randomBytes(128), { mode: 0o600 });
    await writeFile(join(folder, "etc", "jwt.key"), randomBytes(32), { mode: 0o600 });
    const files = configurationFiles({
      ...{ folder, options: this.options, ports: this.#ports, nodes: this.nodes },
      trackByGroup: hasControlGroups("freezer"),
      limitMemory: hasControlGroups("memory"),
      ...{ ownNames: this.#isRoot, databasePassword: this.#databasePassword },
    });
    for (const [name, text] of Object.entries(files))
      await writeFile(join(folder, "etc", name), text, {
        mode: name === "slurmdbd.conf" ? 0o600 : 0o644,
      });
    this.#spawn("munged", [
      ...["munged", "--foreground", "--force", `--socket=${this.#munge}`],
      ...[`--key-file=${folder}/etc/munge.key`, `--pid-file=${folder}/run/munged.pid`],
      ...[`--log-file=${folder}/log/munged.log`, `--seed-file=${folder}/state/munged.seed`],
    ]);
    await this.#until("munged answers", () =>
      this.run("munge", `--socket=${this.#munge}`, "--no-input"),
    );
    if (this.options.accounting) await this.#startAccounting();
    await this.startController();
    for (const node of this.nodes) {
      await mkdir(join(folder, "spool", node));
      this.#startNode(node);
    }
    if (this.options.rest) await this.#startRest();
    await this.#until("every node is ready", async () => {
      for (const node of this.nodes) await this.#isUp(node);
    });
  }

  get #munge(): string {
    return mungeSocket(this.folder);
  }

  #startNode(node: string): void {
    const own = ["slurmd", "-D", "-N", node, "-f", this.conf];
    const script = 'mount --bind "$1" /etc/hosts && hostname "$2" && shift 2 && exec "$@"';
    const apart = ["unshare", "--uts", "--mount", "--propagation", "slave", "sh", "-c", script];
    const hosts = join(this.folder, "etc", "hosts");
    this.#spawn(`slurmd-${node}`, this.#isRoot ? [...apart, "sh", hosts, node, ...own] : own);
  }

  async #startRest(): Promise<void> {
    const address = `127.0.0.1:${this.#ports.rest}`;
    const plugins = this.options.accounting ? ",openapi/dbv0.0.38" : "";
    const own = ["slurmrestd", "-f", this.conf, "-a", "rest_auth/jwt"];
    // It refuses to be root.
    const as = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];
    this.#spawn(
      "slurmrestd",
      [...(this.#isRoot ? as : []), ...own, "-s", `openapi/v0.0.38${plugins}`, address],
      { SLURM_JWT: "daemon", SLURMRESTD_SECURITY: "disable_user_check" },
    );
    await this.#until("slurmrestd answers", () => fetch(this.restUrl));
  }

  async #startAccounting(): Promise<void> {
    const data = join(this.folder, "mysql");
    const socket = join(this.folder, "run", "mysql.sock");
    const me = userInfo().username;
    const common = ["--no-defaults", `--datadir=${data}`, `--user=${me}`];
    await this.run(
      "mariadb-install-db",
      ...[...common, "--auth-root-authentication-method=normal", "--skip-test-db"],
    );
    this.#spawn("mariadbd", [
      ...["mariadbd", ...common, "--bind-address=127.0.0.1", `--port=${this.#ports.mariadb}`],
      ...[`--socket=${socket}`, `--pid-file=${this.folder}/run/mysql.pid`],
      ...["--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900", "--skip-log-bin"],
    ]);
    const sql = (text: string) =>
      this.run("mariadb", "--no-defaults", `--socket=${socket}`, "--user=root", "-e", text);
    await this.#until("the database answers", () => sql("SELECT 1"));
    const user = "slurm@'127.0.0.1'";
    await sql(
      `CREATE DATABASE slurm_acct; CREATE USER ${user} IDENTIFIED BY '${this.#databasePassword}'; GRANT ALL ON slurm_acct.* TO ${user}`,
    );
    // It looks for its configuration beside slurm.conf.
    this.#spawn("slurmdbd", ["slurmdbd", "-D"]);
    await this.#until("slurmdbd answers", () => this.run("sacctmgr", "-n", "show", "cluster"));
  }

  /** A child of ours that dies with us, its words in a file. */
  #spawn(name: string, command: readonly string[], more: Record<string, string> = {}): void {
    const log = openSync(join(this.folder, "log", `${name}.out`), "a");
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], {
      cwd: this.folder,
      stdio: ["ignore", log, log],
      env: {
        ...withoutSlurm(process.env),
        ...{ SLURM_CONF: this.conf, SLURM_CLUSTER_NODE: name.replace("slurmd-", ""), ...more },
      },
    });
    child.on("error", () => {}); // Whoever waits for it hears that it is not there.
    this.#daemons.set(name, child);
  }

  async #kill(name: string, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#daemons.get(name);
    this.#daemons.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const killing = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await gone;
    clearTimeout(killing);
  }

  /** Step daemons outlive their slurmd on purpose, and jobs their step daemons. */
  async #killJobs(node?: string): Promise<void> {
    const none = await until("no process of a job is left", () => {
      const pids = this.#jobProcesses(node);
      for (const pid of pids) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It ended by itself just now.
        }
      }
      return pids.length === 0;
    });
    void none;
  }

  #jobProcesses(node: string | undefined): number[] {
    return readdirSync("/proc").flatMap((name) => {
      const pid = Number(name);
      if (!Number.isInteger(pid)) return [];
      const variables = read(`/proc/${name}/environ`).split("\0");
      const isOurs = variables.includes(`SLURM_CONF=${this.conf}`);
      const isStep = read(`/proc/${name}/comm`).trim() === "slurmstepd";
      const at = isStep ? "SLURM_CLUSTER_NODE" : "SLURMD_NODENAME";
      const isJob = isStep || variables.some((variable) => variable.startsWith("SLURM_JOB_ID="));
      if (!isOurs || !isJob || read(`/proc/${name}/cmdline`) === "") return [];
      return node === undefined || variables.includes(`${at}=${node}`) ? [pid] : [];
    });
  }

  async #cancelAll(): Promise<void> {
    const ids = (await this.run("squeue", "-h", "-o", "%A").catch(() => ""))
      .split("\n")
      .filter((id) => id !== "");
    if (ids.length > 0) await this.run("scancel", "--quiet", ...ids).catch(() => {});
  }

  #removeGroups(): void {
    for (const controller of ["freezer", "memory"])
      for (const node of this.nodes) removeEmptyGroups(join(GROUPS, controller, `slurm_${node}`));
  }

  /** @throws while it is not */
  async #isUp(node: string): Promise<void> {
    const state = (await this.run("sinfo", "-h", "-n", node, "-p", "batch", "-o", "%T")).trim();
    if (!/^(?:idle|mixed|allocated|completing)$/.test(state)) throw new Error(`${node}: ${state}`);
  }

  async #until(what: string, works: () => Promise<unknown>): Promise<void> {
    let last = "";
    await until(
      what,
      () =>
        works().then(
          () => true,
          (error: Error) => {
            last = error.message;
            return false;
          },
        ),
      { limitMs: READY_WITHIN_MS },
    ).catch((error: Error) => {
      throw new Error(`${error.message}. ${last}\n${this.#lastWords()}`);
    });
  }

  #lastWords(): string {
    const folder = join(this.folder, "log");
    return readdirSync(folder)
      .map((name) => `--- ${name}\n${read(join(folder, name)).slice(-1500)}`)
      .join("\n");
  }
}

/** Settings of another cluster must not reach this one. */
const withoutSlurm = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^S(?:LURM|BATCH|RUN)/.test(name)));

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function removeEmptyGroups(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmptyGroups(join(folder, entry.name));
  try {
    // Files of a control group are not removed, the folder is.
    rmdirSync(folder);
  } catch {
    // Another cluster on this machine uses it.
  }
}

/** A range below those that the kernel gives out by itself; job ids follow it, since control groups are named by them. */
async function choosePorts(nodes: number): Promise<Ports> {
  for (let first = 17_000; first < 30_000; first += 100) {
    const all = Array.from({ length: 10 + nodes }, (_, index) => first + index);
    if ((await Promise.all(all.map(isFree))).every(Boolean))
      return {
        ...{ first, controller: first, database: first + 1, mariadb: first + 2 },
        ...{ rest: first + 3, nodes: first + 10 },
      };
  }
  throw new Error("no free range of ports between 17000 and 30000");
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
