/**
 * What an API server keeps: objects under versions that grow, and the changes of late, for those who watch. What is older than the
 * oldest change kept can no longer be watched from (410 Gone), as with etcd after a compaction.
 */
import { randomUUID } from "node:crypto";

export interface Stored {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    uid: string;
    resourceVersion: string;
    creationTimestamp: string;
    generation?: number;
    deletionTimestamp?: string;
    deletionGracePeriodSeconds?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: { uid: string }[];
  };
  // biome-ignore lint/suspicious/noExplicitAny: these are other people's objects, of any form
  [field: string]: any;
}

export const KINDS = {
  pods: { kind: "Pod", namespaced: true },
  services: { kind: "Service", namespaced: true },
  secrets: { kind: "Secret", namespaced: true },
  configmaps: { kind: "ConfigMap", namespaced: true },
  events: { kind: "Event", namespaced: true },
  nodes: { kind: "Node", namespaced: false },
  namespaces: { kind: "Namespace", namespaced: false },
} as const;
export type Plural = keyof typeof KINDS;

export interface Change {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly plural: Plural;
  readonly object: Stored;
}

export class Store {
  version = 1000;
  readonly #objects = new Map<string, Stored>();
  readonly #listeners = new Set<(change: Change) => void>();
  #changes: Change[] = [];
  /** Watches from an earlier version are refused. */
  oldest = 1000;

  #key(plural: Plural, namespace: string | undefined, name: string): string {
    return `${plural}/${KINDS[plural].namespaced ? namespace : ""}/${name}`;
  }

  get(plural: Plural, namespace: string | undefined, name: string): Stored | undefined {
    return this.#objects.get(this.#key(plural, namespace, name));
  }

  list(plural: Plural, namespace?: string): Stored[] {
    const start = `${plural}/${namespace === undefined || !KINDS[plural].namespaced ? "" : `${namespace}/`}`;
    return [...this.#objects].filter(([key]) => key.startsWith(start)).map(([, object]) => object);
  }

  /** @returns undefined when the name is taken */
  create(plural: Plural, namespace: string | undefined, object: object): Stored | undefined {
    const given = structuredClone(object) as Stored;
    const key = this.#key(plural, namespace, given.metadata.name);
    if (this.#objects.has(key)) return undefined;
    const made: Stored = {
      ...given,
      apiVersion: "v1",
      kind: KINDS[plural].kind,
      metadata: {
        ...given.metadata,
        ...(KINDS[plural].namespaced ? { namespace: namespace as string } : {}),
        uid: randomUUID(),
        creationTimestamp: now(),
        resourceVersion: "",
      },
    };
    return this.#put(key, "ADDED", plural, made);
  }

  /** Changes it if it is still there. @returns what it is then */
  change(plural: Plural, old: Stored, change: (object: Stored) => void): Stored | undefined {
    const { namespace, name, uid } = old.metadata;
    const key = this.#key(plural, namespace, name);
    const current = this.#objects.get(key);
    if (current === undefined || current.metadata.uid !== uid) return undefined;
    const next = structuredClone(current);
    change(next);
    return this.#put(key, "MODIFIED", plural, next);
  }

  remove(plural: Plural, object: Stored): void {
    const { namespace, name, uid } = object.metadata;
    const key = this.#key(plural, namespace, name);
    const current = this.#objects.get(key);
    if (current === undefined || current.metadata.uid !== uid) return;
    this.#objects.delete(key);
    this.#put(undefined, "DELETED", plural, structuredClone(current));
    // Owned by what is gone: goes with it.
    for (const owned of ["pods", "secrets", "services", "configmaps"] as const)
      for (const child of this.list(owned))
        if (child.metadata.ownerReferences?.some((owner) => owner.uid === uid))
          this.orphaned(owned, child);
  }

  /** What becomes of an object whose owner is gone. */
  orphaned: (plural: Plural, object: Stored) => void = (plural, object) =>
    this.remove(plural, object);

  #put(key: string | undefined, type: Change["type"], plural: Plural, object: Stored): Stored {
    this.version += 1;
    object.metadata.resourceVersion = String(this.version);
    if (key !== undefined) this.#objects.set(key, object);
    const change = { version: this.version, type, plural, object };
    this.#changes.push(change);
    for (const listener of [...this.#listeners]) listener(change);
    return object;
  }

  changesSince(version: number): Change[] {
    return this.#changes.filter((change) => change.version > version);
  }

  /** As etcd does every few minutes. */
  compact(): void {
    this.version += 1;
    this.oldest = this.version;
    this.#changes = [];
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** As Kubernetes writes times: whole seconds. */
export const now = (addS = 0): string =>
  new Date(Date.now() + addS * 1000).toISOString().replace(/\.\d+Z$/, "Z");

/** Sets a condition of a status, with the time at which it changed. */
export function setCondition(
  object: Stored,
  type: string,
  status: string,
  reason: string,
  message: string,
): void {
  object.status ??= {};
  const others = (object.status.conditions ?? []).filter(
    (condition: { type: string }) => condition.type !== type,
  );
  const condition = { type, status, reason, message, lastTransitionTime: now() };
  object.status.conditions = [...others, condition];
}
