/**
 * One rank in a container of its own: made, listened to, started, and watched until Docker says how it ended.
 *
 * That word is waited for over a connection, and a connection that breaks says nothing about the container. So nothing
 * follows from it: the engine is asked again until it answers, whatever it takes. An end that came while nobody could be
 * asked, and that no program makes, is the engine's doing and not charged to the trial.
 */
import type { Socket } from "node:net";
import { constants } from "node:os";
import type { Clock } from "../../base/clock.ts";
import { type DockerApi, DockerRefused } from "../../engines/docker/docker-api.ts";
import { OutputFrames } from "../../engines/docker/output-frames.ts";
import { Backoff } from "../backoff.ts";
import type { Rank, RankEnd, RankSinks } from "../rank.ts";
import { LaunchError } from "../rank-process.ts";

export interface ContainerOptions {
  readonly api: DockerApi;
  readonly clock: Clock;
  readonly name: string;
  /** The body of Docker's request. */
  readonly spec: object;
  /** For messages. */
  readonly image: string;
  readonly program: string;
  readonly memoryBytes: number | null;
  readonly sinks: RankSinks;
  readonly say: (text: string) => void;
}

interface ContainerState {
  readonly Running: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly OOMKilled: boolean;
  readonly Error: string;
}

/** What Docker says of a container whose end nobody saw. */
const UNSEEN = 255;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;
/** Of the small first process that starts the program. */
const INIT_FAILED = /\[FATAL tini \(\d+\)\] exec (.*) failed: (.*)/;
const WORDS_KEPT = 2048;

export class ContainerRank implements Rank {
  readonly group = null;
  readonly id: string;
  pid = 0;
  readonly #options: ContainerOptions;
  readonly #frames: OutputFrames;
  readonly #signals = new Set<string>();
  #output: Socket | null = null;
  #paused = false;
  /** Its output broke off while it was running, as far as is known. */
  #cut = false;
  over = false;
  #abandoned = false;
  #stderrEnd = "";

  /** @throws LaunchError; DockerUnreachable, or DockerRefused for now, of which nothing is left */
  static async start(options: ContainerOptions): Promise<ContainerRank> {
    const { api } = options;
    const id = await create(options);
    const rank = new ContainerRank(id, options);
    try {
      await rank.#listen();
      await api.json({ method: "POST", path: `/containers/${id}/start` });
    } catch (error) {
      rank.abandonPipes();
      // Whether it was started may be unknown; that it is not there must be a fact.
      await removed(options, id);
      throw startFault(options, error);
    }
    rank.pid = (await inspect(api, id).catch(() => undefined))?.Pid ?? 0;
    void rank.#watch().then((end) => rank.#ended(end));
    return rank;
  }

  constructor(id: string, options: ContainerOptions) {
    this.id = id;
    this.#options = options;
    this.#frames = new OutputFrames((stream, chunk) => {
      if (stream === "stderr")
        this.#stderrEnd = (this.#stderrEnd + chunk.toString("latin1")).slice(-WORDS_KEPT);
      options.sinks.output(stream, chunk);
    });
  }

  signal(name: NodeJS.Signals): void {
    if (this.over) return;
    this.#signals.add(name);
    const { api, say } = this.#options;
    const path = `/containers/${this.id}/kill`;
    api.json({ method: "POST", path, query: { signal: name } }).catch((error: Error) => {
      // It has ended meanwhile, or is gone.
      if (error instanceof DockerRefused && (error.status === 404 || error.status === 409)) return;
      say(`${name} could not be sent to its container: ${error.message}`);
    });
  }

  /** As the engine has it now; `over` follows a moment later. */
  async runs(): Promise<boolean> {
    if (this.over) return false;
    const state = await inspect(this.#options.api, this.id).catch(() => undefined);
    return state?.Running ?? true;
  }

  pause(): void {
    this.#paused = true;
    this.#output?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#output?.resume();
  }

  abandonPipes(): void {
    this.#abandoned = true;
    this.#output?.destroy();
  }

  async #listen(): Promise<void> {
    const { socket, head } = await this.#options.api.attach(this.id);
    this.#output = socket;
    this.#cut = false;
    if (head.length > 0) this.#frames.push(head);
    socket.on("data", (chunk: Buffer) => this.#frames.push(chunk));
    socket.on("error", () => {}); // `close` follows.
    socket.on("close", () => {
      if (this.over || this.#abandoned) this.#options.sinks.closed();
      else this.#cut = true;
    });
    if (this.#paused) socket.pause();
  }

  /** Resolves when its end is known. */
  async #watch(): Promise<RankEnd> {
    const { api, clock, say } = this.#options;
    const backoff = new Backoff(clock);
    let lostTouch = false;
    for (;;) {
      try {
        // Asked for again after a break: then it may have ended meanwhile, and the answer comes at once.
        if (lostTouch && this.#cut && (await inspect(api, this.id)).Running) await this.#listen();
        const path = `/containers/${this.id}/wait`;
        const query = { condition: "not-running" };
        await api.json({ method: "POST", path, query, timeoutMs: null });
        return this.#end(await inspect(api, this.id), lostTouch);
      } catch (error) {
        if (error instanceof DockerRefused && error.status === 404)
          return this.#lost("its container was removed while it ran");
        if (!lostTouch) say(`its container is out of sight: ${(error as Error).message}`);
        lostTouch = true;
        await backoff.wait();
      }
    }
  }

  #end(state: ContainerState, lostTouch: boolean): RankEnd {
    const { ExitCode: code, OOMKilled: outOfMemory } = state;
    const killed = code === 128 + constants.signals.SIGKILL;
    const unasked = killed && !outOfMemory && !this.#signals.has("SIGKILL");
    if (lostTouch && (code === UNSEEN || unasked))
      return this.#lost("the Docker engine ended or was killed, and its container with it");
    const fault = this.#fault(code);
    const signal = signalOf(code);
    return {
      ...(signal === null ? { code, signal: null } : { code: null, signal }),
      outOfMemory: outOfMemory && code !== 0 ? this.#whoKilled() : null,
      ...(fault === undefined ? {} : { fault }),
    };
  }

  #whoKilled(): string {
    const { memoryBytes } = this.#options;
    const limit =
      memoryBytes === null ? "" : `, at the ${inMebibytes(memoryBytes)} of its container`;
    return `the kernel's OOM killer${limit}`;
  }

  #fault(code: number): string | undefined {
    if (code !== NOT_FOUND && code !== NOT_EXECUTABLE) return undefined;
    const said = INIT_FAILED.exec(this.#stderrEnd);
    if (said === null) return undefined;
    return notStarted(said[1] ?? "", this.#options.image, said[2] ?? "");
  }

  #lost(why: string): RankEnd {
    return { code: null, signal: null, outOfMemory: null, lost: why };
  }

  #ended(end: RankEnd): void {
    this.over = true;
    const { sinks } = this.#options;
    sinks.exited(end);
    if (this.#cut) sinks.closed();
  }
}

/** One of this name that is there already is from a start whose answer was lost. */
async function create(options: ContainerOptions): Promise<string> {
  const { api, name, spec } = options;
  const asked = {
    method: "POST",
    path: "/containers/create",
    query: { name },
    body: spec,
  } as const;
  try {
    try {
      return (await api.json<{ Id: string }>(asked)).Id;
    } catch (error) {
      if (!(error instanceof DockerRefused) || error.status !== 409) throw error;
      await removed(options, name);
      return (await api.json<{ Id: string }>(asked)).Id;
    }
  } catch (error) {
    throw startFault(options, error);
  }
}

/** How long it may take before anybody is told: an engine is slow under load. */
const REMOVED_UNSAID_TRIES = 8;

/** Tries until it is not there any more. */
export async function removed(
  { api, clock, say }: Pick<ContainerOptions, "api" | "clock"> & Partial<ContainerOptions>,
  id: string,
): Promise<void> {
  const backoff = new Backoff(clock);
  for (let tries = 1; ; tries += 1) {
    try {
      await api.json({
        method: "DELETE",
        path: `/containers/${id}`,
        query: { force: "1", v: "1" },
      });
      return;
    } catch (error) {
      if (error instanceof DockerRefused && error.status === 404) return;
      if (tries === REMOVED_UNSAID_TRIES)
        say?.(`the container ${id} cannot be removed, still trying: ${(error as Error).message}`);
      await backoff.wait();
    }
  }
}

async function inspect(api: DockerApi, id: string): Promise<ContainerState> {
  return (
    await api.json<{ State: ContainerState }>({ method: "GET", path: `/containers/${id}/json` })
  ).State;
}

/** By the number behind 128, as shells and container engines tell it. */
function signalOf(code: number): NodeJS.Signals | null {
  const number = code - 128;
  if (number < 1 || number > 31) return null;
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return (found?.[0] as NodeJS.Signals | undefined) ?? null;
}

const inMebibytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;

const notStarted = (program: string, image: string, said: string): string =>
  /permission denied/i.test(said)
    ? `entrypoint: ${program} is not executable in the image ${image}. Name its interpreter, or make it executable (exit code 126 of a container)`
    : `entrypoint: there is no program ${program} in the image ${image} (${said}; exit code 127 of a container). Name one that it has, or another image`;

const startFault = (options: ContainerOptions, error: unknown): unknown =>
  error instanceof DockerRefused && !error.isForNow ? launchError(options, error) : error;

/** Its own words, and what to do about those that people meet. */
function launchError({ image, program }: ContainerOptions, error: DockerRefused): LaunchError {
  const { message } = error;
  const hint = HINTS.find(([pattern]) => pattern.test(message))?.[1];
  if (/executable file not found|exec: .*no such file/i.test(message))
    return new LaunchError(notStarted(program, image, message), { cause: error });
  return new LaunchError(
    `image: the Docker engine could not start a container of ${image}: ${message}${hint === undefined ? "" : `. ${hint}`}`,
    { cause: error },
  );
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /could not select device driver/,
    "The engine has no driver for GPUs: install nvidia-container-toolkit on this machine, or submit to a pool without GPUs",
  ],
  [
    /docker-init|init binary/,
    "The engine lacks its small first process: install tini (Debian: apt-get install tini)",
  ],
  [/bind source path does not exist/, "Create that path on this machine, or correct bind_mounts"],
  [/network .* not found/, "Name a network that docker network ls shows in the file of pools"],
  [/No such image/, "It was removed meanwhile; submit again"],
];
