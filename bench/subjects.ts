/** The servers under test, started and signed in: the stub one, the real one, and the floor beside them. */
import { join } from "node:path";
import { type StartedServer, startServer } from "../src/cli/server-process.ts";
import { stopServer } from "../src/cli/server-stop.ts";
import type { CreateExperimentReply } from "../src/protocol/api.ts";
import { Client } from "../src/sdk/client.ts";
import type { Bench } from "./bench.ts";
import { type ReadyChild, startChild } from "./child.ts";
import type { FloorReady } from "./floor-server.ts";
import type { Probe } from "./load/probe-reader.ts";
import type { StubReady } from "./stub-server.ts";
import { Wire } from "./wire.ts";

export interface Subject {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  readonly client: Client;
  /** A person's token. */
  readonly token: string;
  stop(): Promise<void>;
}

export interface StubSubject extends Subject {
  readonly runnerToken: string;
  /** As the runner. @param sockets most connections at a time */
  wire(sockets?: number): Wire;
}

export async function stubServer(
  bench: Bench,
  options: {
    readonly slots: number;
    readonly dataDir?: string;
    readonly label: string;
    /** Looks into the server from inside. */
    readonly probe?: Probe;
  },
): Promise<StubSubject> {
  const dataDir = options.dataDir ?? bench.folder(options.label);
  const { profileDir } = bench;
  const nodeArgs =
    profileDir === undefined
      ? []
      : [
          "--cpu-prof",
          `--cpu-prof-dir=${profileDir}`,
          `--cpu-prof-name=${options.label}.cpuprofile`,
        ];
  const child = await startChild<StubReady>({
    script: new URL("stub-server.ts", import.meta.url),
    args: [dataDir, String(options.slots)],
    nodeArgs,
    ...(options.probe && { env: options.probe.env }),
  });
  const { url, runnerToken, oneTimeToken } = child.ready;
  const token = await signIn(bench, url, oneTimeToken);
  const wires: Wire[] = [];
  return {
    url,
    pid: child.pid,
    dataDir,
    token,
    client: clientOf(bench, url, token),
    runnerToken,
    wire(sockets = 64) {
      const wire = new Wire(url, { token: runnerToken, sockets });
      wires.push(wire);
      return wire;
    },
    async stop() {
      for (const wire of wires) wire.close();
      await child.stop();
    },
  };
}

/** What `contrail up` starts, with its own runner. */
export async function realServer(
  bench: Bench,
  options: { readonly slots: number; readonly dataDir: string; readonly probe?: Probe },
): Promise<Subject & { readonly server: StartedServer }> {
  const { dataDir, slots, probe } = options;
  const world = { ...bench.world, env: { ...bench.world.env, ...probe?.env } };
  const server = await startServer({ dataDir, slots, port: 0 }, world);
  if (server.oneTimeToken === null) throw new Error(`a server runs on ${dataDir} already`);
  const token = await signIn(bench, server.url, server.oneTimeToken);
  return {
    server,
    url: server.url,
    pid: server.pid,
    dataDir,
    token,
    client: clientOf(bench, server.url, token),
    async stop() {
      await stopServer({ dataDir, trials: "stop", token, force: true }, bench.world);
    },
  };
}

export async function floorServer(
  bench: Bench,
  options: { readonly points?: number } = {},
): Promise<ReadyChild<FloorReady>> {
  return startChild<FloorReady>({
    script: new URL("floor-server.ts", import.meta.url),
    args: [bench.folder("floor"), String(options.points ?? 0)],
  });
}

export const clientOf = ({ world }: Bench, url: string, token?: string): Client =>
  new Client({ url, clock: world.clock, newKey: world.newKey, ...(token && { token }) });

async function signIn(bench: Bench, url: string, oneTimeToken: string): Promise<string> {
  return (await clientOf(bench, url).login({ one_time_token: oneTimeToken })).token;
}

export interface ExperimentShape {
  readonly name: string;
  readonly trials: number;
  /** Of each trial; default 1. */
  readonly steps?: number;
  /** argv; stubs run nothing, so they may leave it out. */
  readonly entrypoint?: readonly string[];
  readonly priority?: number;
  readonly slotsMax?: number;
}

/** @returns the number of the experiment */
export async function createExperiment(client: Client, shape: ExperimentShape): Promise<number> {
  const { name, trials, steps = 1, entrypoint = ["true"], priority, slotsMax } = shape;
  const config = {
    name,
    entrypoint,
    max_restarts: 0,
    hyperparameters: { x: { type: "double", minval: 0, maxval: 1 } },
    searcher: {
      name: "random",
      metric: "loss",
      max_trials: trials,
      max_concurrent_trials: 0,
      max_length: { steps },
    },
    resources: {
      slots_per_trial: 1,
      ...(priority === undefined ? {} : { priority }),
      ...(slotsMax === undefined ? {} : { max_slots: slotsMax }),
    },
    reproducibility: { experiment_seed: 1 },
  };
  const text = JSON.stringify(config);
  const reply: CreateExperimentReply = await client.createExperiment({ config: text, code: null });
  if (reply.experiment === null) throw new Error("a dry run was not asked for");
  return reply.experiment.id;
}

/** Programs that trials run. */
export const program = (name: string): string => join(import.meta.dirname, "programs", name);
