/** Starts ranks as containers, one each, through the Docker engine of the pool. */
import { createHash } from "node:crypto";
import { chown, lchown, lstat, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { type ContainerSettings, readSettings } from "../../engines/docker/container-settings.ts";
import { DockerApi, DockerRefused, DockerUnreachable } from "../../engines/docker/docker-api.ts";
import type { RecordFields } from "../../protocol/record-part.ts";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import { Backoff } from "../backoff.ts";
import type { Inside } from "../capture/capture.ts";
import { checkpointsIn } from "../checkpoint-keeper.ts";
import { meetingHere, rankEnvironment } from "../environment.ts";
import type { Rank } from "../rank.ts";
import { LaunchError } from "../rank-process.ts";
import type { RankPlan, RankStarter } from "../rank-starter.ts";
import { claimPort } from "../rendezvous-port.ts";
import type { ServerClient } from "../server-client.ts";
import { taskSocketOf } from "../tasks/task-socket.ts";
import type { PreparedWorkspace } from "../workspace.ts";
import { askInside } from "./ask-inside.ts";
import { type ContainerOptions, ContainerRank } from "./container-rank.ts";
import { type ContainerPlan, containerSpec, LABELS, seesSame } from "./container-spec.ts";
import { type ContainerImage, Images } from "./images.ts";

export interface ContainerStarterOptions {
  readonly clock: Clock;
  readonly client: Pick<ServerClient, "url">;
  /** The settings' file. */
  readonly file: string;
  readonly repoRoot: string;
  /** The folder of the runner's sockets, by which its containers are known. */
  readonly sockets: string;
  readonly say: (text: string) => void;
}

/** Output ends with its container, so what takes longer is an engine that is in trouble. */
const LAST_BYTES_MS = 10_000;
/** Asks the first process to pass signals on to everything that the program started. */
const WHOLE_GROUP = { TINI_KILL_PROCESS_GROUP: "1" };

type Waits = Pick<Parameters<RankStarter["start"]>[2], "signal" | "tell">;

interface Listed {
  readonly Id: string;
  readonly State: string;
  /** Seconds since 1970. */
  readonly Created: number;
  readonly Labels: Readonly<Record<string, string>>;
}

export class ContainerStarter implements RankStarter {
  readonly lastBytesMs = LAST_BYTES_MS;
  readonly #options: ContainerStarterOptions;
  readonly #images: Images;
  readonly #sinceMs: number;
  #known: { readonly api: DockerApi } | null = null;

  constructor(options: ContainerStarterOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.nowMs();
    this.#images = new Images({ clock: options.clock, api: () => this.api });
  }

  get settings(): ContainerSettings {
    return readSettings(this.#options.file);
  }

  get api(): DockerApi {
    const { socket } = this.settings;
    if (this.#known?.api.socketPath !== socket) this.#known = { api: new DockerApi(socket) };
    return this.#known.api;
  }

  owner(): { readonly uid: number; readonly gid: number } | null {
    const { user } = this.settings;
    const own = { uid: process.getuid?.() ?? user.uid, gid: process.getgid?.() ?? user.gid };
    return own.uid === user.uid && own.gid === user.gid ? null : user;
  }

  async prepare(
    launch: LaunchSpec,
    prepared: PreparedWorkspace,
    { signal, tell }: { readonly signal: AbortSignal; readonly tell: (text: string) => void },
  ): Promise<PreparedWorkspace> {
    const container = launch.container;
    if (container === undefined)
      throw new LaunchError(
        "image: trials of this pool run in containers, and none is named. Give environment.image, here or in the pool's defaults",
      );
    this.#requireOwnership();
    const image = await this.#images.find({ launch: container, signal, tell });
    return { ...prepared, image };
  }

  /** Somebody else's programs can only write what belongs to them, and only root gives things away. */
  #requireOwnership(): void {
    const owner = this.owner();
    if (owner === null || process.getuid?.() === 0) return;
    throw new LaunchError(
      `image: programs of this pool are to run as ${owner.uid}:${owner.gid}, and the server runs as ${process.getuid?.()}:${process.getgid?.()}, which cannot give its folders to another. Remove user from the pool, or run the server as root`,
    );
  }

  async plan(launch: LaunchSpec, prepared: PreparedWorkspace, socket: string): Promise<RankPlan> {
    const owner = this.owner();
    if (owner !== null) {
      await giveAway(prepared.code, owner);
      await chown(checkpointsOf(prepared), owner.uid, owner.gid);
    }
    const rendezvous = launch.ranks > 1 ? await claimPort(socket) : null;
    const server = this.#options.client.url();
    return { launch, prepared, socket, server, rendezvous };
  }

  variables(
    launch: LaunchSpec,
    prepared: PreparedWorkspace,
    socket: string,
  ): Record<string, string> {
    const server = this.#options.client.url();
    return this.environment({ launch, prepared, socket, server, rendezvous: null }, 0);
  }

  environment(plan: RankPlan, rank: number): Record<string, string> {
    const { launch, prepared, socket, server, rendezvous } = plan;
    const env = rankEnvironment({
      ...{ launch, rank, socket, server },
      ...{ data: prepared.data, meeting: meetingHere(rendezvous) },
      ...{ inherited: imageOf(prepared).environment, nodeBinary: null, devices: "ours" },
      repoRoot: this.#options.repoRoot,
    });
    const hasGpu = launch.slots.some((slot) => slot.startsWith("gpu:"));
    // A home that can be written; and no device that was not given, whatever an image asks for.
    if (this.settings.user.uid !== 0) env.HOME ??= "/tmp";
    if (!hasGpu) env.NVIDIA_VISIBLE_DEVICES = "void";
    return { ...env, ...WHOLE_GROUP };
  }

  async start(
    plan: RankPlan,
    rank: number,
    { sinks, before, signal, tell }: Parameters<RankStarter["start"]>[2],
  ): Promise<Rank> {
    const { launch, prepared } = plan;
    const { clock, say } = this.#options;
    const containerPlan = this.#containerPlan(plan);
    const environment = this.environment(plan, rank);
    const spec = (first: string | null) => containerSpec(containerPlan, rank, environment, first);
    // One that has ended already holds no rooms any more, and the next begins them anew.
    const first = before.find((other) => other instanceof ContainerRank && !other.over);
    const options = {
      ...{ api: this.api, clock, sinks },
      name: `contrail-${launch.allocation}-${rank}-${hashOf(plan.socket)}`,
      image: imageOf(prepared).name,
      program: launch.entrypoint[0] ?? "",
      memoryBytes: spec(null).HostConfig.Memory ?? null,
      say: (text: string) => say(`${launch.allocation}: ${text}`),
    };
    if (!(first instanceof ContainerRank))
      return await this.#started({ ...options, spec: spec(null) }, { signal, tell });
    try {
      return await this.#started({ ...options, spec: spec(first.id) }, { signal, tell });
    } catch (error) {
      signal?.throwIfAborted();
      // It ended in between, which the engine says in many ways.
      if (await first.runs()) throw error;
      return await this.#started({ ...options, spec: spec(null) }, { signal, tell });
    }
  }

  /** What an engine that went away in the middle had begun is gone when the next try begins. */
  async #started(options: ContainerOptions, { signal, tell }: Waits): Promise<Rank> {
    const backoff = new Backoff(options.clock);
    signal?.addEventListener("abort", () => backoff.cut(), { once: true });
    for (let told = false; ; told = true) {
      signal?.throwIfAborted();
      try {
        return await ContainerRank.start(options);
      } catch (error) {
        const isPutOff = error instanceof DockerRefused && error.isForNow;
        if (!isPutOff && !(error instanceof DockerUnreachable)) throw error;
        if (!told) options.say(error.message);
        if (!told && isPutOff)
          tell?.(`its container cannot be started now, and it is tried again: ${error.message}`);
        if (!signal?.aborted) await backoff.wait({ slow: told });
      }
    }
  }

  #containerPlan({ launch, prepared, socket }: RankPlan): ContainerPlan {
    const { repoRoot } = this.#options;
    const { settings } = this;
    if (launch.container === undefined) throw new LaunchError("image: none is named");
    return {
      ...{ launch, prepared, settings, socket, repoRoot, container: launch.container },
      image: imageOf(prepared),
      sockets: dirname(socket),
      checkpoints: checkpointsOf(prepared),
      modules: join(dirname(dirname(prepared.code)), "node_modules"),
    };
  }

  inside(launch: LaunchSpec, prepared: PreparedWorkspace, socket: string): Inside {
    const { settings } = this;
    const server = this.#options.client.url();
    const plan = this.#containerPlan({ launch, prepared, socket, server, rendezvous: null });
    const { image, container } = plan;
    const spec = containerSpec(plan, 0, {}, null);
    // Its socket, its checkpoints and the machine's devices are the trial's alone.
    const own = [plan.socket, dirname(taskSocketOf(plan.socket)), plan.checkpoints];
    const where = {
      ...{ api: this.api, clock: this.#options.clock, image: image.id, user: spec.User },
      labels: { [LABELS.runner]: plan.sockets },
      mounts: spec.HostConfig.Mounts.filter(({ Target }) => !own.includes(Target)),
    };
    return {
      facts: containerFactsOf(plan, spec.HostConfig),
      user: spec.User,
      key: container.bind_mounts.length === 0 ? `${image.id} ${settings.user.uid}` : null,
      sees: (path) => seesSame(where.mounts, path),
      ask: (question) =>
        askInside(where, { ...question, env: { ...image.environment, ...question.env } }),
    };
  }

  /** A room is empty when its first process has ended, so nobody in it can be asked first. */
  async endAll({ socket }: { readonly socket: string }): Promise<number> {
    const running = new Set<string>();
    await this.#untilDone(`the containers of ${socket} could not be ended`, async () => {
      for (const { Id, State } of await this.#list(LABELS.socket, socket)) {
        if (State !== "running" && State !== "paused" && State !== "restarting") continue;
        running.add(Id);
        const kill = { method: "POST", path: `/containers/${Id}/kill` } as const;
        await ignoring([404, 409], this.api.json(kill));
        const query = { condition: "not-running" };
        const wait = { method: "POST", path: `/containers/${Id}/wait`, query } as const;
        await ignoring([404], this.api.json(wait));
      }
    });
    return running.size;
  }

  async clear(socket: string): Promise<void> {
    await this.#remove(LABELS.socket, socket).catch((error: Error) =>
      this.#options.say(
        `containers of ${socket} stay behind until the next start: ${error.message}`,
      ),
    );
  }

  async #remove(label: string, value: string): Promise<void> {
    for (const { Id } of await this.#list(label, value)) {
      const query = { force: "1", v: "1" };
      // 409: it is being removed already.
      await ignoring(
        [404, 409],
        this.api.json({ method: "DELETE", path: `/containers/${Id}`, query }),
      );
    }
  }

  /** What an earlier runner left that belongs to no allocation: questions to images. */
  async tidy(): Promise<void> {
    try {
      for (const { Id, Created, Labels } of await this.#list(
        LABELS.runner,
        this.#options.sockets,
      )) {
        const isOld = Created * 1000 < this.#sinceMs - 1_000;
        if (!isOld || Labels[LABELS.socket] !== undefined) continue;
        const query = { force: "1", v: "1" };
        await ignoring(
          [404, 409],
          this.api.json({ method: "DELETE", path: `/containers/${Id}`, query }),
        );
      }
    } catch (error) {
      this.#options.say(
        `what was left behind could not be looked for: ${(error as Error).message}`,
      );
    }
  }

  #list(label: string, value: string): Promise<Listed[]> {
    const filters = JSON.stringify({ label: [`${label}=${value}`] });
    const query = { all: "1", filters };
    return this.api.json<Listed[]>({ method: "GET", path: "/containers/json", query });
  }

  /** What must be a fact before anything follows from it waits for the engine, however long that is away. */
  async #untilDone(what: string, work: () => Promise<void>): Promise<void> {
    const { clock, say } = this.#options;
    const backoff = new Backoff(clock);
    for (let told = false; ; told = true) {
      try {
        await work();
        return;
      } catch (error) {
        if (!told) say(`${what}: ${(error as Error).message}. Trying until they are`);
        await backoff.wait();
      }
    }
  }
}

const imageOf = ({ image }: PreparedWorkspace): ContainerImage => {
  if (image === undefined) throw new LaunchError("image: it was not looked for before the start");
  return image;
};

/** For the record: what it was, and how it can be had again. */
function containerFactsOf(
  { image, container, settings }: ContainerPlan,
  limits: { readonly NanoCpus?: number; readonly Memory?: number },
): RecordFields {
  const { digest, id } = image;
  return {
    engine: "docker",
    image: image.name,
    image_id: id,
    digest: digest === null ? id : digest.slice(digest.indexOf("@") + 1),
    reference: digest ?? id,
    network: settings.network,
    ...(limits.NanoCpus === undefined ? {} : { cpus: limits.NanoCpus / 1e9 }),
    ...(limits.Memory === undefined ? {} : { memory_bytes: limits.Memory }),
    ...named(
      "bind_mounts",
      container.bind_mounts.map(({ host_path }) => host_path),
    ),
    ...named(
      "devices",
      container.devices.map(({ host }) => host),
    ),
    ...named("add_capabilities", container.add_capabilities),
    ...named("drop_capabilities", container.drop_capabilities),
  };
}

const named = (name: string, words: readonly string[]): RecordFields =>
  words.length === 0 ? {} : { [name]: words.join(" ") };

/** So that two allocations of one number, of two servers, have two names. */
const hashOf = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 8);

const checkpointsOf = ({ code }: PreparedWorkspace): string => checkpointsIn(dirname(code));

async function ignoring(statuses: readonly number[], work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof DockerRefused) || !statuses.includes(error.status)) throw error;
  }
}

/** The code is a copy of its own, which its program may change. */
async function giveAway(
  path: string,
  owner: { readonly uid: number; readonly gid: number },
): Promise<void> {
  await lchown(path, owner.uid, owner.gid);
  if (!(await lstat(path)).isDirectory()) return;
  for (const name of await readdir(path)) await giveAway(join(path, name), owner);
}
