/** A real Docker engine with a small image, for tests; those are skipped by name where none can run. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after } from "node:test";
import { promisify } from "node:util";
import { DockerApi } from "../../src/engines/docker/docker-api.ts";
import type { DockerPool } from "../../src/protocol/pools/fields.ts";
import type { ContainerLaunch } from "../../src/protocol/runner-wire.ts";
import { ROOT } from "../support.ts";

const run = promisify(execFile);
export const IMAGE = "contrail-test:1";

const script = (name: string, ...args: string[]) =>
  run(process.execPath, [join(ROOT, "scripts", "engines", `${name}.ts`), ...args]);

export class TestDocker {
  readonly socket: string;
  /** Of the image. */
  readonly imageId: string;

  constructor(socket: string, imageId: string) {
    this.socket = socket;
    this.imageId = imageId;
  }

  /** As `docker` on the command line, without needing it. */
  async start(): Promise<void> {
    await script("docker-engine", "start");
  }

  /** Engine, shims and containers are gone at once. */
  async crash(): Promise<void> {
    await script("docker-engine", "crash");
  }

  /** The engine alone. */
  async kill(): Promise<void> {
    await script("docker-engine", "kill");
  }

  async stop(): Promise<void> {
    await script("docker-engine", "stop");
  }
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";

/** Started for this file and stopped after it. @returns a reason where none can run here */
export async function testDocker(): Promise<TestDocker | string> {
  let socket: string;
  try {
    socket = lastLine((await script("docker-engine", "start")).stdout);
  } catch (error) {
    const { code, stderr, message } = error as Error & { code?: number; stderr?: string };
    if (code === 3) return `no Docker engine can run here: ${lastLine(stderr ?? message)}`;
    throw error;
  }
  after(() => script("docker-engine", "stop"));
  await clear(new DockerApi(socket));
  return new TestDocker(socket, lastLine((await script("docker-image")).stdout));
}

/** What a test run left that was killed itself. */
async function clear(api: DockerApi): Promise<void> {
  const all = await api.json<{ Id: string }[]>({
    ...{ method: "GET", path: "/containers/json", query: { all: "1" } },
  });
  for (const { Id } of all)
    await api.json({ method: "DELETE", path: `/containers/${Id}`, query: { force: "1", v: "1" } });
}

export const dockerPoolOf = (socket: string, more: Partial<DockerPool> = {}): DockerPool => ({
  engine: "docker",
  description: null,
  defaults: {},
  slots: 2,
  socket,
  network: "none",
  user: null,
  cpus_per_slot: null,
  memory_per_slot: null,
  ...more,
});

/** What an order to start a container needs, as the server makes it. */
export const containerOf = (more: Partial<ContainerLaunch> = {}): ContainerLaunch => ({
  image: IMAGE,
  force_pull: false,
  add_capabilities: [],
  drop_capabilities: [],
  bind_mounts: [],
  devices: [],
  ...more,
});
