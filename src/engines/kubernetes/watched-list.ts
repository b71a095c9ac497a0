/**
 * All objects of a kind that carry our label, kept up to date by a watch: asking Kubernetes for everything at each look would cost
 * it as much as a hundred people with `kubectl get`.
 *
 * A list names the version that it shows, and the watch begins behind it, so nothing falls between. A watch that ends is taken up
 * where it was; one whose place is forgotten (410 Gone) begins with a new list; one that broke is not believed: then, and when
 * nothing has been heard for longer than bookmarks take, whoever asks gets a fresh list.
 */
import type { Clock } from "../../base/clock.ts";
import { ApiFault, type KubernetesApi } from "./api.ts";
import type { KubernetesList, KubernetesObject } from "./objects.ts";

export interface WatchedListOptions<T extends KubernetesObject> {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  /** Of the collection. */
  readonly path: string;
  readonly labelSelector: string;
  /** Seen for the first time, or otherwise than before. */
  readonly changed?: (object: T) => void;
  /** With the last that was known of it. */
  readonly gone: (object: T) => void;
}

const PAGE = 500;
/** Bookmarks come about once a minute. */
const BELIEVED_MS = 90_000;
/** A watch that ends sooner did not go well, whatever it says. */
const SHORTEST_MS = 1000;
const FIRST_PAUSE_MS = 200;
const PAUSE_MAX_MS = 10_000;
/** A list that runs out of date while it is paged through is begun again. */
const LIST_TRIES = 3;

export class WatchedList<T extends KubernetesObject> {
  readonly #options: WatchedListOptions<T>;
  readonly #objects = new Map<string, T>();
  #version = "";
  #heardMs = Number.NEGATIVE_INFINITY;
  #watching: AbortController | undefined;
  #listing: Promise<void> | undefined;
  #cancelPause: (() => void) | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #closed = false;

  constructor(options: WatchedListOptions<T>) {
    this.#options = options;
  }

  /** By name. @throws EngineUnreachable, ApiFault */
  async current(): Promise<ReadonlyMap<string, T>> {
    const isFresh = this.#options.clock.monotonicMs() - this.#heardMs < BELIEVED_MS;
    if (this.#watching === undefined || !isFresh) {
      this.#listing ??= this.#list().finally(() => {
        this.#listing = undefined;
      });
      await this.#listing;
    }
    return this.#objects;
  }

  // A copy alone would go on telling that all is well: whether the API answers is asked apart from it, at every look.

  /** What a call of our own was answered: known before the watch tells it. */
  note(object: T): void {
    const known = this.#objects.get(object.metadata.name);
    if (known !== undefined && isOlder(object, known)) return;
    this.#objects.set(object.metadata.name, object);
    this.#options.changed?.(object);
  }

  close(): void {
    this.#closed = true;
    this.#cancelPause?.();
    this.#watching?.abort();
  }

  async #list(): Promise<void> {
    this.#cancelPause?.();
    this.#watching?.abort();
    this.#watching = undefined;
    const { version, items } = await this.#wholeList();
    const listed = new Set(items.map(({ metadata }) => metadata.name));
    for (const [name, known] of [...this.#objects]) {
      // Made after the list was.
      if (listed.has(name) || versionOf(known) > BigInt(version)) continue;
      this.#objects.delete(name);
      this.#options.gone(known);
    }
    for (const item of items) this.note(item);
    this.#version = version;
    this.#heard();
    if (!this.#closed) this.#watch();
  }

  async #wholeList(): Promise<{ version: string; items: T[] }> {
    const { api, path, labelSelector } = this.#options;
    for (let tries = 1; ; tries += 1) {
      const items: T[] = [];
      let next: string | undefined;
      try {
        for (;;) {
          const query = { labelSelector, limit: PAGE, ...(next ? { continue: next } : {}) };
          const page = await api.json<KubernetesList<T>>({ method: "GET", path, query });
          items.push(...page.items);
          next = page.metadata.continue;
          if (!next) return { version: page.metadata.resourceVersion, items };
        }
      } catch (error) {
        if (!isGone(error) || tries >= LIST_TRIES) throw error;
      }
    }
  }

  #watch(): void {
    const watching = new AbortController();
    this.#watching = watching;
    const { api, path, labelSelector } = this.#options;
    const query = { labelSelector, resourceVersion: this.#version };
    const startMs = this.#options.clock.monotonicMs();
    api
      .watch(path, query, watching.signal, (event) => {
        if (watching.signal.aborted) return;
        this.#pauseMs = FIRST_PAUSE_MS;
        this.#take(event.type, event.object as T);
      })
      .then(
        () => this.#ended(watching, undefined, startMs),
        (error: unknown) => this.#ended(watching, error, startMs),
      );
  }

  #take(type: string, object: T): void {
    this.#heard();
    const { name, resourceVersion = this.#version } = object.metadata;
    if (BigInt(resourceVersion) > BigInt(this.#version)) this.#version = resourceVersion;
    if (type === "BOOKMARK") return;
    if (type !== "DELETED") {
      this.note(object);
      return;
    }
    // Late and doubled events tell nothing new.
    const known = this.#objects.get(name);
    if (known !== undefined && isOlder(object, known)) return;
    this.#objects.delete(name);
    this.#options.gone(object);
  }

  #ended(watching: AbortController, error: unknown, startMs: number): void {
    if (this.#closed || this.#watching !== watching) return;
    this.#watching = undefined;
    const isLong = this.#options.clock.monotonicMs() - startMs > SHORTEST_MS;
    // As agreed, after some minutes: it goes on where it was.
    if (error === undefined && isLong) this.#watch();
    else this.#listLater(isGone(error) ? 0 : this.#pauseMs);
  }

  /** Whoever asks lists anew at once; this is for changes that would go unseen while nobody asks. */
  #listLater(pauseMs: number): void {
    this.#cancelPause?.();
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MAX_MS);
    this.#cancelPause = this.#options.clock.after(pauseMs, () => {
      if (this.#closed || this.#watching !== undefined) return;
      this.current().catch(() => this.#listLater(this.#pauseMs));
    });
  }

  #heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs();
  }
}

export const isGone = (error: unknown): boolean =>
  error instanceof ApiFault && (error.code === 410 || error.reason === "Expired");

/** Versions of one kind of object are numbers that grow, by the word of Kubernetes' API conventions since 1.35. */
const versionOf = (object: KubernetesObject): bigint =>
  BigInt(object.metadata.resourceVersion ?? 0);
const isOlder = (object: KubernetesObject, known: KubernetesObject): boolean =>
  object.metadata.uid === known.metadata.uid && versionOf(object) < versionOf(known);
