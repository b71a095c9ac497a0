/**
 * The request by which Docker makes the container of one rank. Pure: what it says decides what a program may do on this
 * machine, so it can be read and tested without an engine.
 *
 * Any image will do, because nothing of ours runs in it: the code, the data, the folder for checkpoints, the trial's
 * socket and the helpers for Python and Node are mounted under the paths that they have outside. What a program is told
 * therefore holds on both sides.
 */
import { dirname, isAbsolute, join } from "node:path";
import type { ContainerSettings } from "../../engines/docker/container-settings.ts";
import type { ContainerLaunch, LaunchSpec } from "../../protocol/runner-wire.ts";
import { serves, taskSocketOf } from "../tasks/task-socket.ts";
import type { PreparedWorkspace } from "../workspace.ts";
import type { ContainerImage } from "./images.ts";

/** By which what belongs to a runner is found again, whoever made it. */
export const LABELS = {
  /** The folder of sockets of the runner. */
  runner: "contrail.runner",
  /** The socket of the allocation, which is no other's on this machine. */
  socket: "contrail.socket",
  allocation: "contrail.allocation",
  rank: "contrail.rank",
} as const;

/** What many ranks and workers of a loader share is large; it is a bound and takes nothing by itself. */
const SHM_BYTES = 4 * 1024 ** 3;
/** Before the runner and the server, as for processes. */
const OOM_SCORE = 500;

export interface ContainerPlan {
  readonly launch: LaunchSpec;
  readonly container: ContainerLaunch;
  readonly prepared: PreparedWorkspace;
  readonly image: ContainerImage;
  readonly settings: ContainerSettings;
  readonly socket: string;
  /** Folder of all sockets. */
  readonly sockets: string;
  readonly checkpoints: string;
  readonly repoRoot: string;
  /** Where `import "contrail"` is found from code. */
  readonly modules: string;
}

export interface Mount {
  readonly Type: "bind";
  readonly Source: string;
  readonly Target: string;
  readonly ReadOnly: boolean;
  readonly BindOptions?: { readonly Propagation: string };
}

/** @param first the container of rank 0; null for rank 0 itself */
export function containerSpec(
  plan: ContainerPlan,
  rank: number,
  environment: Readonly<Record<string, string>>,
  first: string | null,
) {
  const { launch, container, prepared, image, settings } = plan;
  const isRoot = settings.user.uid === 0;
  return {
    Image: image.id,
    // All of the command: what an image would put in front of it may be there or not, and nobody would know.
    Entrypoint: launch.entrypoint,
    Cmd: [],
    WorkingDir: prepared.code,
    User: `${settings.user.uid}:${settings.user.gid}`,
    Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    Tty: false,
    OpenStdin: false,
    Labels: {
      [LABELS.runner]: plan.sockets,
      [LABELS.socket]: plan.socket,
      [LABELS.allocation]: launch.allocation,
      [LABELS.rank]: String(rank),
    },
    HostConfig: {
      // It passes signals on to all that the program started, and is there to be the first process, which programs are bad at.
      Init: true,
      // The runner reads and keeps the output; a second copy would only fill the disk.
      LogConfig: { Type: "none" },
      RestartPolicy: { Name: "no" },
      OomScoreAdj: OOM_SCORE,
      SecurityOpt: isRoot || container.add_capabilities.length > 0 ? [] : ["no-new-privileges"],
      CapAdd: container.add_capabilities,
      CapDrop: container.drop_capabilities,
      ...rooms(first, settings.network, container.shm_bytes ?? SHM_BYTES),
      ...limits(plan),
      Mounts: mounts(plan),
      Devices: container.devices.map(({ host, inside, mode }) => ({
        PathOnHost: host,
        PathInContainer: inside,
        CgroupPermissions: mode,
      })),
      ...gpus(plan),
    },
  };
}

/** Ranks meet under one address and share memory, as processes of one machine do: in the rooms of the first of them. */
const rooms = (first: string | null, network: string, shmBytes: number) =>
  first === null
    ? { NetworkMode: network, IpcMode: "shareable", ShmSize: shmBytes }
    : { NetworkMode: `container:${first}`, IpcMode: `container:${first}` };

/** Of one rank: its share of what the slots allow. */
function limits({ launch, settings }: ContainerPlan) {
  const slots = launch.slots.length / launch.ranks;
  const { cpusPerSlot, memoryPerSlotBytes } = settings;
  const memory = memoryPerSlotBytes === null ? null : Math.floor(memoryPerSlotBytes * slots);
  return {
    ...(cpusPerSlot === null ? {} : { NanoCpus: Math.round(cpusPerSlot * slots * 1e9) }),
    // No swap besides: a limit that is met by becoming slow is none.
    ...(memory === null ? {} : { Memory: memory, MemorySwap: memory }),
  };
}

function gpus({ launch, settings }: ContainerPlan) {
  const ids = launch.slots.filter((slot) => slot.startsWith("gpu:"));
  if (ids.length === 0) return {};
  const devices = ids.map((id) => settings.devices[id] ?? id.slice("gpu:".length));
  return { DeviceRequests: [{ DeviceIDs: devices, Capabilities: [["gpu"]] }] };
}

function mounts(plan: ContainerPlan): Mount[] {
  const { prepared, socket, checkpoints, repoRoot, modules, container } = plan;
  const own: Mount[] = [
    same(prepared.code, false),
    same(checkpoints, false),
    same(socket, false),
    ...(serves(plan.launch) ? [same(dirname(taskSocketOf(socket)), false)] : []),
    ...(prepared.restore === null ? [] : [same(prepared.restore.path, true)]),
    ...dataFolders(plan).map((path) => same(path, true)),
    same(join(repoRoot, "python"), true),
    // The package as Node finds it: a link in a folder above the code, and what it points to.
    same(modules, true),
    ...["package.json", "src", "node_modules"].map((name) => same(join(repoRoot, name), true)),
  ];
  const asked = container.bind_mounts.map(
    ({ host_path, container_path, read_only, propagation }): Mount => ({
      ...{ Type: "bind", Source: host_path, ReadOnly: read_only },
      Target: isAbsolute(container_path) ? container_path : join(prepared.code, container_path),
      BindOptions: { Propagation: propagation },
    }),
  );
  const taken = new Set(asked.map(({ Target }) => Target));
  return [...own.filter(({ Target }) => !taken.has(Target)), ...asked];
}

const same = (path: string, readOnly: boolean): Mount => ({
  ...{ Type: "bind", Source: path, Target: path, ReadOnly: readOnly },
});

/** Of what `data` names: datasets, stored or left where they are. A path that was only passed on as text is none. */
function dataFolders({ launch, prepared }: ContainerPlan): string[] {
  const paths = Object.entries(launch.data).flatMap(([name, item]) => {
    const path = prepared.data[name];
    return "value" in item || typeof path !== "string" || !isAbsolute(path) ? [] : [path];
  });
  return [...new Set(paths)];
}

/** Whether a path inside is the same file as outside: below the innermost folder that is mounted over it, and that at its own place. */
export function seesSame(all: readonly Mount[], path: string): boolean {
  const over = all
    .filter(({ Target }) => path === Target || path.startsWith(`${Target.replace(/\/$/, "")}/`))
    .toSorted((a, b) => b.Target.length - a.Target.length)[0];
  return over !== undefined && over.Source === over.Target;
}
