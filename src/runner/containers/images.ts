/**
 * Finds the image that a trial asks for, and brings it where it is not here. A name can mean another image tomorrow, so
 * what runs is what it meant at this moment: containers are made from the id, and the id (or the digest under which a
 * registry has it) goes into the record.
 */
import type { Clock } from "../../base/clock.ts";
import { maskedText } from "../../base/secrets.ts";
import {
  type DockerApi,
  DockerRefused,
  DockerUnreachable,
  isForNow,
} from "../../engines/docker/docker-api.ts";
import type { ContainerLaunch } from "../../protocol/runner-wire.ts";
import { Backoff } from "../backoff.ts";
import { LaunchError } from "../rank-process.ts";

export interface ContainerImage {
  /** As it was asked for. */
  readonly name: string;
  /** `sha256:…` of what it consists of. */
  readonly id: string;
  /** Under which a registry has it; null for an image that was made here. */
  readonly digest: string | null;
  /** What its programs find, besides what they are given. */
  readonly environment: Readonly<Record<string, string>>;
}

interface Inspected {
  readonly Id: string;
  readonly RepoDigests?: readonly string[] | null;
  readonly Config?: { readonly Env?: readonly string[] | null } | null;
}

export interface ImageRequest {
  readonly launch: ContainerLaunch;
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

const TELL_EVERY_MS = 5_000;
/** A registry that is asked too often says so for longer. */
const PULL_AGAIN_MS = 30_000;
/** One that never answers may be no registry at all. */
const PULL_PATIENCE_MS = 3_600_000;

/** Not now, by the engine's word or the registry's. */
class ForNow extends Error {}

export class Images {
  readonly #api: () => DockerApi;
  readonly #clock: Clock;

  constructor(options: { readonly api: () => DockerApi; readonly clock: Clock }) {
    this.#api = options.api;
    this.#clock = options.clock;
  }

  /** Waits for an engine that does not answer, and for a registry that cannot now. @throws LaunchError; or the signal's reason */
  async find(request: ImageRequest): Promise<ContainerImage> {
    const { launch, signal, tell } = request;
    const backoff = new Backoff(this.#clock);
    const cut = (): void => backoff.cut();
    signal.addEventListener("abort", cut, { once: true });
    let told = false;
    /** Since when it is said that it cannot now. */
    let sinceMs: number | null = null;
    try {
      for (;;) {
        signal.throwIfAborted();
        try {
          const here = launch.force_pull ? undefined : await this.#here(launch.image, signal);
          if (here !== undefined) return here;
          await this.#pull(request);
          const pulled = await this.#here(launch.image, signal);
          if (pulled !== undefined) return pulled;
          throw new LaunchError(`image: ${launch.image} was pulled, and it is not here`);
        } catch (error) {
          const isPutOff = error instanceof ForNow;
          // An engine that is away says nothing of the registry, and a long pull is no silence.
          const nowMs = this.#clock.monotonicMs();
          sinceMs = isPutOff ? (sinceMs ?? nowMs) : null;
          if (isPutOff && nowMs - (sinceMs ?? nowMs) > PULL_PATIENCE_MS)
            throw new LaunchError(error.message, { cause: error });
          if (!isPutOff && !(error instanceof DockerUnreachable)) throw error;
          if (!told) tell(`${error.message}. ${isPutOff ? "Trying again" : "Waiting for it"}`);
          told = true;
          await (isPutOff ? backoff.rest(PULL_AGAIN_MS) : backoff.wait());
        }
      }
    } finally {
      signal.removeEventListener("abort", cut);
    }
  }

  async #here(name: string, signal: AbortSignal): Promise<ContainerImage | undefined> {
    const path = `/images/${encodeURIComponent(name)}/json`;
    try {
      const found = await this.#api().json<Inspected>({ method: "GET", path, signal });
      return toImage(name, found);
    } catch (error) {
      if (!(error instanceof DockerRefused)) throw error;
      if (error.status === 404) return undefined;
      const said = `image: ${name} is refused by the Docker engine: ${error.message}`;
      throw error.isForNow ? new ForNow(said) : new LaunchError(said);
    }
  }

  async #pull({ launch, signal, tell }: ImageRequest): Promise<void> {
    const name = launch.image;
    if (isId(name))
      throw new LaunchError(
        `image: the image ${name} is not here, and it was never in a registry that it could be had from. Load it into the Docker engine (docker load), or name another`,
      );
    tell(`pulling the image ${name}`);
    const progress = new PullProgress(name, tell, this.#clock);
    const auth = launch.registry_auth;
    let fault: string | undefined;
    let isPutOff = false;
    try {
      const response = await this.#api().stream({
        ...{ method: "POST", path: "/images/create", query: { fromImage: tagged(name) } },
        ...{ signal, timeoutMs: null },
        ...(auth === undefined
          ? {}
          : {
              headers: {
                "x-registry-auth": encodedLogin(auth),
              },
            }),
      });
      let text = "";
      response.setEncoding("utf8");
      for await (const chunk of response as AsyncIterable<string>) {
        text += chunk;
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) fault ??= progress.heard(line);
      }
      fault ??= progress.heard(text);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DockerUnreachable) throw error;
      const { message } = error as Error;
      // What breaks off in the middle, as an engine does that is started anew, has not judged the image.
      if (!(error instanceof DockerRefused))
        throw new DockerUnreachable(`the pull of ${name} broke off: ${message}`, { cause: error });
      fault = message;
      isPutOff = error.isForNow;
    }
    if (fault === undefined) return tell(`the image ${name} is here`);
    const told = auth === undefined ? fault : withoutSecrets(fault, auth);
    const said = `image: ${name} could not be pulled: ${maskedText(told)}`;
    if (isPutOff || isForNow(fault)) throw new ForNow(said);
    throw new LaunchError(
      `${said}. Look at the spelling, at environment.registry_auth, and whether this machine reaches the registry; or load the image by hand (docker load)`,
    );
  }
}

/** Counts layers, which come and end one by one. */
class PullProgress {
  readonly #name: string;
  readonly #tell: (text: string) => void;
  readonly #clock: Clock;
  readonly #layers = new Map<string, { done: boolean; bytes: number; all: number }>();
  #toldAtMs: number;

  constructor(name: string, tell: (text: string) => void, clock: Clock) {
    this.#name = name;
    this.#tell = tell;
    this.#clock = clock;
    this.#toldAtMs = clock.monotonicMs();
  }

  /** @returns what went wrong, in the engine's words */
  heard(line: string): string | undefined {
    if (line.trim() === "") return undefined;
    const { id, status, error, progressDetail } = JSON.parse(line) as {
      readonly id?: string;
      readonly status?: string;
      readonly error?: string;
      readonly progressDetail?: { readonly current?: number; readonly total?: number };
    };
    if (error !== undefined) return error;
    if (id === undefined || status === undefined || /^Pulling from/.test(status)) return undefined;
    const known = this.#layers.get(id) ?? { done: false, bytes: 0, all: 0 };
    known.done = /^(?:Pull complete|Already exists)$/.test(status);
    if (status === "Downloading") {
      known.bytes = progressDetail?.current ?? known.bytes;
      known.all = progressDetail?.total ?? known.all;
    }
    this.#layers.set(id, known);
    if (this.#clock.monotonicMs() - this.#toldAtMs >= TELL_EVERY_MS) this.#say();
    return undefined;
  }

  #say(): void {
    this.#toldAtMs = this.#clock.monotonicMs();
    const layers = [...this.#layers.values()];
    const sum = (of: (layer: { bytes: number; all: number }) => number): string =>
      `${Math.round(layers.reduce((total, layer) => total + of(layer), 0) / 1e6)} MB`;
    const done = layers.filter((layer) => layer.done).length;
    this.#tell(
      `pulling the image ${this.#name}: ${done} of ${layers.length} layers are here, ${sum(({ bytes }) => bytes)} of ${sum(({ all }) => all)} came`,
    );
  }
}

function toImage(name: string, { Id, RepoDigests, Config }: Inspected): ContainerImage {
  const digests = RepoDigests ?? [];
  const own = digests.find((digest) => digest.startsWith(`${repositoryOf(name)}@`)) ?? digests[0];
  const pairs = (Config?.Env ?? []).map((pair): [string, string] => {
    const at = pair.indexOf("=");
    return at === -1 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
  });
  return { name, id: Id, digest: own ?? null, environment: Object.fromEntries(pairs) };
}

const isId = (name: string): boolean => /^(?:sha256:)?[0-9a-f]{64}$/.test(name);

const repositoryOf = (name: string): string =>
  name.replace(/@sha256:.*$/, "").replace(/:[^/:]*$/, "");

/** Base64 for addresses, and with its padding: without it the engine takes it for no login, and says nothing. */
const encodedLogin = (auth: Readonly<Record<string, string>>): string =>
  Buffer.from(JSON.stringify(auth)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");

/** Without a tag Docker would pull every image of that name. */
const tagged = (name: string): string =>
  name.includes("@") || /:[^/]*$/.test(name) ? name : `${name}:latest`;

function withoutSecrets(text: string, auth: Readonly<Record<string, string>>): string {
  const secrets = Object.entries(auth).filter(
    ([key]) => !/^(?:username|email|serveraddress)$/.test(key),
  );
  return secrets.reduce(
    (told, [, secret]) => (secret === "" ? told : told.replaceAll(secret, "(masked)")),
    text,
  );
}
