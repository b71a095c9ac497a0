/**
 * The engine for trials in containers of this machine. Its runner is the same process beside the server as that of the
 * local engine, so that spool, lease, checkpoints and pauses are one code; what differs is that it starts each rank as a
 * container. A runner inside of a container was refused: it would need our own image everywhere, and the engine's
 * socket in it, which is root on the machine.
 */
import { mkdirSync } from "node:fs";
import { bytesOf } from "../../protocol/config/size.ts";
import type { DockerPool } from "../../protocol/pools/fields.ts";
import type { Capacity, Engine, RunnerSpec } from "../engine.ts";
import {
  capacity,
  ensureRunner,
  type LocalEngineOptions,
  observeRunner,
  stopRunner,
} from "../local/local-engine.ts";
import { runnerFiles } from "../runner-record.ts";
import { type ContainerSettings, settingsFile, writeSettings } from "./container-settings.ts";
import { DockerApi } from "./docker-api.ts";

export interface DockerEngineOptions extends Pick<LocalEngineOptions, "clock" | "environment"> {
  readonly pool: DockerPool;
}

/** Who may do nothing: where root runs the server and nobody said as whom programs run. */
const NOBODY = { uid: 65_534, gid: 65_534 };
const ANSWER_MS = 2_000;

export function dockerEngine(options: DockerEngineOptions): Engine {
  const { pool, clock, environment } = options;
  const local = { clock, environment, slots: pool.slots ?? undefined };
  // Asked once: containers get the devices of the slots that the server knows.
  let asked: Promise<Capacity> | undefined;
  const slots = () => {
    asked ??= capacity(local);
    return asked;
  };
  return {
    name: "docker",
    capacity: async () => {
      const found = await slots();
      return { ...found, reason: `${found.reason}; ${await engineWords(pool.socket)}` };
    },
    ensureRunner: async (spec: RunnerSpec) => {
      const { state } = runnerFiles(spec.dataDir);
      mkdirSync(state, { recursive: true, mode: 0o700 });
      const containers = settingsFile(state);
      writeSettings(containers, containerSettings(pool, await slots()));
      return ensureRunner(spec, { ...local, containers });
    },
    observe: observeRunner,
    stopRunner: (dataDir) => stopRunner(dataDir, clock),
  };
}

export function containerSettings(pool: DockerPool, { slots }: Capacity): ContainerSettings {
  return {
    socket: pool.socket,
    network: pool.network,
    user: userOf(pool),
    cpusPerSlot: pool.cpus_per_slot,
    memoryPerSlotBytes:
      pool.memory_per_slot === null ? null : (bytesOf(pool.memory_per_slot) ?? null),
    devices: Object.fromEntries(
      slots.flatMap(({ id, device }) => (device === null ? [] : [[id, device]])),
    ),
  };
}

function userOf({ user }: DockerPool): { uid: number; gid: number } {
  if (user !== null) {
    const [uid, gid] = user.split(":").map(Number);
    return { uid: uid ?? NOBODY.uid, gid: gid ?? NOBODY.gid };
  }
  const own = process.getuid?.() ?? 0;
  return own === 0 ? NOBODY : { uid: own, gid: process.getgid?.() ?? NOBODY.gid };
}

/** It may come up after the server; trials wait for it, and say so. */
async function engineWords(socket: string): Promise<string> {
  try {
    const asked = { method: "GET", path: "/version", timeoutMs: ANSWER_MS } as const;
    const { Version } = await new DockerApi(socket).json<{ Version: string }>(asked);
    return `Docker ${Version} at ${socket}`;
  } catch (error) {
    return (error as Error).message;
  }
}
