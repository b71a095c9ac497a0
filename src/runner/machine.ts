/**
 * Everything that a runner does to the node it runs on: folders, spools, sockets, processes. What to do and when is
 * decided elsewhere (`runner.ts`, `allocation-host.ts`, `outbox.ts`, `uplink.ts`), and runs in the simulator on a
 * machine that is not there.
 */
import { mkdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { uptime } from "node:os";
import type { Clock } from "../base/clock.ts";
import { identify, machineBoot } from "../engines/process-identity.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { removeCheckout } from "../store/snapshot.ts";
import { whenRoom } from "./backoff.ts";
import { BlobCache } from "./blob-cache.ts";
import { Capture, type Captured, type CaptureRequest } from "./capture/capture.ts";
import {
  CheckpointKeeper,
  type CheckpointKeeperOptions,
  checkpointsIn,
} from "./checkpoint-keeper.ts";
import { ContainerStarter } from "./containers/container-starter.ts";
import type { Guardian } from "./guardian.ts";
import { KeptFolder } from "./kept-files.ts";
import type { Head } from "./nodes/head.ts";
import { spreadStarter } from "./nodes/spread-starter.ts";
import { OomWatch } from "./out-of-memory.ts";
import { processStarter } from "./process-starter.ts";
import { findSetpriv, LaunchError } from "./rank-process.ts";
import { RankSet, type RankSetOptions } from "./rank-set.ts";
import type { RankStarter } from "./rank-starter.ts";
import { Rebuilder } from "./rebuild/rebuild.ts";
import { environmentFaults } from "./rebuild/required.ts";
import type { ServerClient } from "./server-client.ts";
import { Spool, type SpoolStream } from "./spool.ts";
import {
  type LaunchNote,
  readLaunchNote,
  readProcessNote,
  type StateFolder,
  writeLaunchNote,
} from "./state-folder.ts";
import { HeldTask, type HeldTaskOptions, keepLeftWork } from "./tasks/held-task.ts";
import { dropTaskSocket, makeTaskSocketFolder, serves, taskSocketOf } from "./tasks/task-socket.ts";
import { TrialSocket, type TrialSocketOptions } from "./trial-socket.ts";
import { FileTrust } from "./trusted-file.ts";
import { TaskTunnel } from "./tunnel/task-tunnel.ts";
import { VersionRoom } from "./version-room.ts";
import { type PreparedWorkspace, Workspace } from "./workspace.ts";

/** What a runner asks of the server. */
export type RunnerClient = Pick<
  ServerClient,
  "runnerId" | "json" | "missingBlobs" | "putBlob" | "close"
>;

export interface PrepareOptions {
  readonly signal: AbortSignal;
  /** A line in the output, for who waits meanwhile. */
  readonly tell: (text: string) => void;
}

/** What the run is that is taken down. */
export interface CapturedRun {
  readonly prepared: PreparedWorkspace;
  readonly socketPath: string;
}

/** Where an allocation lives on its node. */
export interface HostPlace {
  readonly id: string;
  readonly fence: number;
  readonly folder: string;
  readonly socketPath: string;
}

export interface Machine {
  /** Allocations that are over and delivered. `add` throws what the disk throws, having remembered it until the end of
   *  this process. */
  readonly ended: { has(id: string): boolean; add(id: string): void };
  /** Ids of the allocations that an earlier runner left here. */
  leftovers(): string[];
  place(id: string, fence: number): HostPlace;
  /** Makes the folder and notes whose it is. @throws the disk's error */
  begin(place: HostPlace): void;
  /** What `begin` noted; undefined where it was never reached, and so nothing was started. */
  noteOf(id: string): LaunchNote | undefined;
  /** Ends every process that an earlier runner left running. @returns how many there were */
  endLeftovers(place: HostPlace): Promise<number>;
  forget(id: string): Promise<void>;
  /** Housekeeping beside everything else; nothing waits for it. */
  tidy(): Promise<void>;
  /** Lays out code, data and the checkpoint to go on from, and the environment where one is asked for. @throws LaunchError; or the signal's reason */
  prepare(
    launch: LaunchSpec,
    place: Pick<HostPlace, "folder" | "socketPath">,
    options: PrepareOptions,
  ): Promise<PreparedWorkspace>;
  /** Takes down what is around a run: the machine, its interpreter, its packages. Never throws; the signal cuts it short. */
  capture(request: Omit<CaptureRequest, "inside">, run: CapturedRun): Promise<Captured>;
  /** What is done for a task beside what is done for any trial. */
  newTask(options: HeldTaskOptions): Pick<HeldTask, "start" | "begun" | "end" | "stop">;
  /** Keeps the folder of a task whose runner died. @throws the disk's error */
  keepLeft(folder: string, keeper: CheckpointKeeper, note: (text: string) => void): Promise<void>;
  openSpool(folder: string, name: "events" | "logs"): SpoolStream;
  newKeeper(options: CheckpointKeeperOptions): CheckpointKeeper;
  newRanks(
    options: Omit<RankSetOptions, "clock" | "starter" | "oom">,
  ): Pick<
    RankSet,
    "groups" | "start" | "reconsider" | "release" | "signal" | "pause" | "resume" | "sweep"
  >;
  newSocket(
    options: TrialSocketOptions,
  ): Pick<TrialSocket, "listen" | "push" | "pause" | "resume" | "drained" | "close">;
  /** The process groups that may have members now: what has to end when the runner does. */
  watch(groups: readonly number[]): void;
  /** The runner ends in good order and leaves nothing behind. */
  release(): void;
}

export interface NodeMachineOptions {
  readonly clock: Clock;
  readonly client: ServerClient;
  readonly state: StateFolder;
  readonly guardian: Guardian;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly nodeBinary: string;
  readonly repoRoot: string;
  /** Settings of containers (`engines/docker/container-settings.ts`); null = ranks are processes. */
  readonly containers: string | null;
  readonly say: (text: string) => void;
  /** `given`: the engine has shown this job its devices; else slots name them. */
  readonly devices: "ours" | "given";
  /** Of a job of several nodes, on the first of them. */
  readonly head?: Head | undefined;
}

export class NodeMachine implements Machine {
  readonly #options: NodeMachineOptions;
  readonly #cache: BlobCache;
  readonly #workspace: Workspace;
  /** For agents, which are told of each rank by another node. */
  readonly starter: RankStarter;
  readonly oom = new OomWatch();
  readonly #capture: Capture;
  readonly #rebuilder: Rebuilder;
  readonly #versions: VersionRoom;

  constructor(options: NodeMachineOptions) {
    this.#options = options;
    const { clock, client, state, environment } = options;
    const trust = new FileTrust(clock.nowMs() - uptime() * 1000);
    this.#cache = new BlobCache({ folder: state.cache, client, clock, trust });
    this.#workspace = new Workspace({
      state,
      cache: this.#cache,
      clock,
      trust,
      environment,
      client,
    });
    const { containers: file, repoRoot, say } = options;
    const { head } = options;
    const processes = () =>
      head === undefined ? processStarter(options) : spreadStarter(processStarter(options), head);
    this.starter =
      file === null
        ? processes()
        : new ContainerStarter({ clock, client, file, repoRoot, say, sockets: state.sockets });
    const setpriv = findSetpriv(environment.PATH ?? "/usr/bin:/bin");
    this.#capture = new Capture({ environment, setpriv, nowMs: () => clock.nowMs() });
    this.#rebuilder = new Rebuilder({ folder: state.environments, setpriv });
    this.#versions = new VersionRoom({ folder: state.datasets, clock, say });
  }

  get ended() {
    return this.#options.state.ended;
  }

  leftovers(): string[] {
    return this.#options.state.leftovers();
  }

  place(id: string, fence: number): HostPlace {
    const { state } = this.#options;
    return { id, fence, folder: state.allocation(id), socketPath: state.socket(id) };
  }

  begin(place: HostPlace): void {
    mkdirSync(place.folder, { recursive: true, mode: 0o700 });
    writeLaunchNote(place.folder, { id: place.id, fence: place.fence });
  }

  noteOf(id: string): LaunchNote | undefined {
    return readLaunchNote(this.#options.state.allocation(id));
  }

  async endLeftovers(place: HostPlace): Promise<number> {
    const { socketPath: socket, folder } = place;
    const ended = await this.starter.endAll({ socket, groups: leftGroups(folder), graceMs: 0 });
    await this.starter.clear(socket);
    rmSync(place.socketPath, { force: true });
    dropTaskSocket(place.socketPath);
    return ended;
  }

  async forget(id: string): Promise<void> {
    const folder = this.#options.state.allocation(id);
    // Checkouts may be read-only.
    await removeCheckout(folder);
    await rm(folder, { recursive: true, force: true });
    this.#versions.release(folder);
  }

  async tidy(): Promise<void> {
    await this.starter.tidy();
    // What goes with a version costs the cache something again.
    await this.#versions.tidy();
    await this.#cache.trim();
    await this.#rebuilder.tidy(this.#options.clock.nowMs());
  }

  async prepare(
    launch: LaunchSpec,
    { folder, socketPath }: Pick<HostPlace, "folder" | "socketPath">,
    { signal, tell }: PrepareOptions,
  ): Promise<PreparedWorkspace> {
    this.#versions.hold(folder, launch);
    const elsewhere = this.#options.head?.prepare(launch, { signal, tell });
    // Heard of below, however long the work here takes.
    elsewhere?.catch(() => {});
    const laid = await this.#workspace.prepare(launch, folder, { signal, tell });
    const { clock } = this.#options;
    const makeFolder = async () => makeTaskSocketFolder(socketPath, this.starter.owner());
    if (serves(launch)) await whenRoom(makeFolder, { clock, signal, tell });
    const prepared = await this.starter.prepare(launch, laid, { signal, tell });
    const ready = await this.#rebuilt(launch, prepared, { socketPath, signal, tell });
    await this.#refuseOthers(ready, prepared, { socketPath, signal, tell });
    await elsewhere;
    return ready === launch ? prepared : { ...prepared, launch: ready };
  }

  async #rebuilt(
    launch: LaunchSpec,
    prepared: PreparedWorkspace,
    { socketPath, signal, tell }: PrepareOptions & { readonly socketPath: string },
  ): Promise<LaunchSpec> {
    if (launch.rebuild === undefined) return launch;
    if (launch.container !== undefined) {
      // The image is what would be built; whether it is the one is found out as for any that is required.
      tell("what it runs in comes with its image: nothing is built");
      return launch;
    }
    const environment = await this.#workspace.environment(launch.rebuild, { signal, tell });
    const variables = this.starter.variables(launch, prepared, socketPath);
    const request = { launch, folder: prepared.code, environment, variables, tell, signal };
    return await this.#rebuilder.ready(request);
  }

  /** @throws LaunchError where what it would find is not what is required */
  async #refuseOthers(
    launch: LaunchSpec,
    prepared: PreparedWorkspace,
    { socketPath, signal, tell }: PrepareOptions & { readonly socketPath: string },
  ): Promise<void> {
    const wanted = launch.require ?? (launch.container === undefined ? undefined : launch.rebuild);
    if (wanted === undefined) return;
    const recorded = await this.#workspace.environment(wanted, { signal, tell });
    const environment = this.starter.variables(launch, prepared, socketPath);
    const request = { launch, folder: prepared.code, environment, signal };
    const inside = this.starter.inside(launch, prepared, socketPath);
    const here = await this.#capture.take({ ...request, ...(inside && { inside }) });
    const faults = environmentFaults(recorded, here.environment);
    if (faults.length === 0) return;
    throw new LaunchError(`what it ran in is not here: ${faults.join("; ")}`);
  }

  async capture(
    request: Omit<CaptureRequest, "inside">,
    { prepared, socketPath }: CapturedRun,
  ): Promise<Captured> {
    const inside = this.starter.inside(request.launch, prepared, socketPath);
    const taken = await this.#capture.take({ ...request, ...(inside && { inside }) });
    return this.#options.head?.named(taken) ?? taken;
  }

  newTask(options: HeldTaskOptions): HeldTask {
    const { clock, containers, client, say } = this.#options;
    const { launch, socketPath } = options;
    const way = { allocation: launch.allocation, socketPath: taskSocketOf(socketPath) };
    const tunnel = serves(launch) ? new TaskTunnel({ ...way, clock, client, say }) : null;
    return new HeldTask(options, { clock, whileRunning: containers === null, tunnel });
  }

  async keepLeft(
    folder: string,
    keeper: CheckpointKeeper,
    note: (text: string) => void,
  ): Promise<void> {
    await keepLeftWork(folder, keeper, note);
  }

  openSpool(folder: string, name: "events" | "logs"): SpoolStream {
    return Spool.open(folder, name);
  }

  newKeeper(options: CheckpointKeeperOptions): CheckpointKeeper {
    if (this.starter.owner() === null) return new CheckpointKeeper(options);
    const { folder } = options;
    const files = new KeptFolder(folder, checkpointsIn(folder), true);
    return new CheckpointKeeper({ ...options, files });
  }

  newRanks(options: Omit<RankSetOptions, "clock" | "starter" | "oom">): RankSet {
    const { clock } = this.#options;
    return new RankSet({ ...options, clock, starter: this.starter, oom: this.oom });
  }

  newSocket(options: TrialSocketOptions): TrialSocket {
    const owner = this.starter.owner();
    const socket = new TrialSocket(owner === null ? options : { ...options, owner });
    this.#options.head?.serve(socket, options.events.welcome);
    return socket;
  }

  watch(groups: readonly number[]): void {
    this.#options.guardian.watch(groups);
  }

  release(): void {
    this.#options.guardian.release();
  }
}

/** Process groups that are certainly still the ones that were noted. */
function leftGroups(folder: string): number[] {
  const note = readProcessNote(folder);
  if (note === undefined || note.machineBoot !== machineBoot()) return [];
  const isSame = ({ group, started }: { group: number; started: string | null }) => {
    const now = identify(group);
    // While any member lives the kernel gives the number to nobody else, so a group without its leader is the old one.
    return now === undefined || now.started === started;
  };
  return note.groups.filter(isSame).map(({ group }) => group);
}
