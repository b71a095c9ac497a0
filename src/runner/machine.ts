/**
 * Everything that a runner does to the node it runs on: folders, spools, sockets, processes. What to do and when is
 * decided elsewhere (`runner.ts`, `allocation-host.ts`, `outbox.ts`, `uplink.ts`), and runs in the simulator on a
 * machine that is not there.
 */
import { mkdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Clock } from "../base/clock.ts";
import { identify, machineBoot } from "../engines/process-identity.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { TRIAL_ENV } from "../protocol/trial-socket.ts";
import { removeCheckout } from "../store/snapshot.ts";
import { BlobCache } from "./blob-cache.ts";
import { CheckpointKeeper, type CheckpointKeeperOptions } from "./checkpoint-keeper.ts";
import type { Guardian } from "./guardian.ts";
import { OomWatch } from "./out-of-memory.ts";
import { RankSet, type RankSetOptions } from "./rank-set.ts";
import { type RankStarter, rankStarter } from "./rank-starter.ts";
import type { ServerClient } from "./server-client.ts";
import { Spool, type SpoolStream } from "./spool.ts";
import {
  type LaunchNote,
  readLaunchNote,
  readProcessNote,
  type StateFolder,
  writeLaunchNote,
} from "./state-folder.ts";
import { sweep } from "./sweep.ts";
import { TrialSocket, type TrialSocketOptions } from "./trial-socket.ts";
import { type PreparedWorkspace, Workspace } from "./workspace.ts";

/** What a runner asks of the server. */
export type RunnerClient = Pick<
  ServerClient,
  "runnerId" | "json" | "missingBlobs" | "putBlob" | "close"
>;

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
  /** Housekeeping once everything else runs. */
  tidy(): Promise<void>;
  /** Lays out code, data and the checkpoint to go on from. @throws LaunchError; or the signal's reason */
  prepare(launch: LaunchSpec, folder: string, signal: AbortSignal): Promise<PreparedWorkspace>;
  openSpool(folder: string, name: "events" | "logs"): SpoolStream;
  newKeeper(options: CheckpointKeeperOptions): CheckpointKeeper;
  newRanks(
    options: Omit<RankSetOptions, "clock" | "starter" | "oom">,
  ): Pick<RankSet, "groups" | "start" | "release" | "signal" | "pause" | "resume" | "sweep">;
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
}

export class NodeMachine implements Machine {
  readonly #options: NodeMachineOptions;
  readonly #cache: BlobCache;
  readonly #workspace: Workspace;
  readonly #starter: RankStarter;
  readonly #oom = new OomWatch();

  constructor(options: NodeMachineOptions) {
    this.#options = options;
    const { clock, client, state } = options;
    this.#cache = new BlobCache({ folder: state.cache, client, clock });
    this.#workspace = new Workspace({ state, cache: this.#cache, clock });
    this.#starter = rankStarter(options);
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
    const ended = await sweep({
      ...{ clock: this.#options.clock, graceMs: 0, groups: leftGroups(place.folder) },
      marker: `${TRIAL_ENV.socket}=${place.socketPath}`,
    });
    rmSync(place.socketPath, { force: true });
    return ended;
  }

  async forget(id: string): Promise<void> {
    const folder = this.#options.state.allocation(id);
    // Checkouts may be read-only.
    await removeCheckout(folder);
    await rm(folder, { recursive: true, force: true });
  }

  tidy(): Promise<void> {
    return this.#cache.trim();
  }

  prepare(launch: LaunchSpec, folder: string, signal: AbortSignal): Promise<PreparedWorkspace> {
    return this.#workspace.prepare(launch, folder, signal);
  }

  openSpool(folder: string, name: "events" | "logs"): SpoolStream {
    return Spool.open(folder, name);
  }

  newKeeper(options: CheckpointKeeperOptions): CheckpointKeeper {
    return new CheckpointKeeper(options);
  }

  newRanks(options: Omit<RankSetOptions, "clock" | "starter" | "oom">): RankSet {
    const { clock } = this.#options;
    return new RankSet({ ...options, clock, starter: this.#starter, oom: this.#oom });
  }

  newSocket(options: TrialSocketOptions): TrialSocket {
    return new TrialSocket(options);
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
