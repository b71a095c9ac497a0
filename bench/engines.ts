/**
 * From creating an experiment to the first line of its program, on each engine that can run here, beside the bare start of
 * the same program: a process, a container by the engine's own HTTP, a job by sbatch. Kubernetes is left out: how long a stand-in
 * for its API takes says nothing about a cluster.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cannotRunSlurm, SlurmCluster } from "../e2e/engines/slurm-cluster.ts";
import { CannotRun, ownFolder, startEngine, stopEngine } from "../scripts/engines/docker-engine.ts";
import { buildImage, TEST_IMAGE } from "../scripts/engines/docker-image.ts";
import { DockerApi } from "../src/engines/docker/docker-api.ts";
import { type Bench, figure, type Measure, until } from "./bench.ts";
import { type Figure, quantileOf, quartiles } from "./figure.ts";
import { realServer, type Subject } from "./subjects.ts";
import { number } from "./table.ts";

/** An engine as a measure needs it. */
interface Stand {
  readonly name: string;
  /** Of `pools.yaml`. */
  readonly pool: object;
  /** Further fields of the configuration. */
  readonly config: object;
  /** Runs a shell's line without Contrail, and returns when that was started or is over. */
  bare(line: string): Promise<void>;
  stop(): Promise<void>;
}

export const engines: Measure = {
  name: "engines",
  title: "from creating an experiment to the first line of its program, by engine",
  async run(bench) {
    const figures: Figure[] = [];
    for (const name of MEASURED) {
      const found = await firstLine(bench, name);
      if (typeof found === "string") bench.say(found);
      else figures.push(found);
    }
    return figures;
  },
};

const STANDS = { local, docker, slurm };
export type MeasuredEngine = keyof typeof STANDS;
const MEASURED = Object.keys(STANDS) as MeasuredEngine[];
export const isMeasured = (name: string): name is MeasuredEngine =>
  (MEASURED as readonly string[]).includes(name);

/** @returns why it cannot be measured here, instead */
export async function firstLine(bench: Bench, name: MeasuredEngine): Promise<Figure | string> {
  const stand = await STANDS[name](bench);
  if (typeof stand === "string") return stand;
  try {
    bench.say(stand.name);
    return await measured(bench, stand);
  } finally {
    await stand.stop();
  }
}

async function measured(bench: Bench, stand: Stand): Promise<Figure> {
  const dataDir = bench.folder(`engines-${stand.name}`);
  // Jobs and containers of other users write there.
  const lines = bench.folder(`engines-${stand.name}-lines`);
  chmodSync(lines, 0o777);
  writeFileSync(join(dataDir, "pools.yaml"), JSON.stringify({ pools: { bench: stand.pool } }));
  const subject = await realServer(bench, { slots: 2, dataDir });
  try {
    // The first start loads what later ones find loaded.
    await submitted(bench, subject, stand, lines);
    const pairs = bench.quick ? 3 : 11;
    const started: number[] = [];
    const bare: number[] = [];
    const both = [
      async () => started.push(await submitted(bench, subject, stand, lines)),
      async () => bare.push(await alone(bench, stand, lines)),
    ];
    for (let pair = 0; pair < pairs; pair++)
      for (const one of pair % 2 === 0 ? both : both.toReversed()) await one();
    const added = started.map((ms, pair) => ms - (bare[pair] as number));
    const p50 = quantileOf(added, 0.5);
    return figure({
      measure: "engines",
      what: `create to first line, ${stand.name}`,
      unit: "ms",
      value: quartiles(started),
      floor: quartiles(bare),
      floorWhat: "the same line, started bare",
      ratio: quartiles(started.map((ms, pair) => ms / (bare[pair] as number))),
      aim: "p50 <= bare + 500 ms",
      met: p50 <= 500,
      note: `adds ${number(p50)} ms (p50)`,
    });
  } finally {
    await subject.stop();
  }
}

/** A line of a shell that shows when it ran, by what every image has. */
const telling = (path: string): string => `touch ${path}`;

async function submitted(
  bench: Bench,
  { client }: Subject,
  stand: Stand,
  folder: string,
): Promise<number> {
  const path = join(folder, "submitted");
  const startMs = bench.clock.nowMs();
  const config = JSON.stringify({
    ...{ name: "engines", entrypoint: telling(path) },
    ...withMount(stand.config, folder),
  });
  const { experiment } = await client.createExperiment({ config, code: null });
  const id = experiment?.id ?? 0;
  await until(
    bench,
    `experiment ${id} is over`,
    async () => (await client.experiment(id)).ended_at !== null,
    25,
  );
  return taken(path) - startMs;
}

const withMount = (config: object, folder: string): object =>
  "environment" in config
    ? { ...config, bind_mounts: [{ host_path: folder, container_path: folder }] }
    : config;

async function alone(bench: Bench, stand: Stand, folder: string): Promise<number> {
  const path = join(folder, "bare");
  const startMs = bench.clock.nowMs();
  await stand.bare(telling(path));
  await until(bench, `${path} is there`, () => existsSync(path), 5);
  return taken(path) - startMs;
}

/** When the line ran, told once. */
function taken(path: string): number {
  const atMs = statSync(path).mtimeMs;
  rmSync(path);
  return atMs;
}

async function local(): Promise<Stand> {
  return {
    ...{ name: "local", pool: { engine: "local", slots: 2 }, config: {} },
    bare: async (line) => {
      await once(spawn("/bin/sh", ["-c", line], { stdio: "ignore" }), "exit");
    },
    stop: async () => undefined,
  };
}

async function docker(bench: Bench): Promise<Stand | string> {
  const folder = ownFolder();
  let socket: string;
  try {
    socket = await startEngine(folder);
  } catch (error) {
    if (error instanceof CannotRun) return `docker is left out: ${error.message}`;
    throw error;
  }
  await buildImage(socket);
  const api = new DockerApi(socket);
  const mount = bench.folder("engines-docker-bare");
  chmodSync(mount, 0o777);
  return {
    name: "docker",
    pool: { engine: "docker", slots: 2, socket },
    config: { environment: { image: TEST_IMAGE } },
    bare: async (line) => {
      const place = line.slice(line.lastIndexOf(" ") + 1).replace(/\/[^/]+$/, "");
      const body = {
        Image: TEST_IMAGE,
        Cmd: ["/bin/sh", "-c", line],
        HostConfig: { Binds: [`${place}:${place}`], NetworkMode: "none" },
      };
      const { Id } = await api.json<{ Id: string }>({
        ...{ method: "POST", path: "/containers/create", body },
      });
      await api.json({ method: "POST", path: `/containers/${Id}/start` });
      await api.json({ method: "POST", path: `/containers/${Id}/wait` });
      await api.json({ method: "DELETE", path: `/containers/${Id}` });
    },
    stop: () => stopEngine(folder),
  };
}

async function slurm(): Promise<Stand | string> {
  const missing = await cannotRunSlurm();
  if (missing !== undefined) return `slurm is left out: ${missing}`;
  const cluster = await SlurmCluster.start();
  return {
    name: "slurm",
    pool: { engine: "slurm", conf: cluster.conf, slots: 2 },
    config: {},
    bare: async (line) => {
      await cluster.run("sbatch", "--output=/dev/null", "--chdir=/tmp", `--wrap=${line}`);
    },
    stop: () => cluster[Symbol.asyncDispose](),
  };
}
