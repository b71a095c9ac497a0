/**
 * A cluster of Kubernetes on one machine for tests: its API over real HTTP, its scheduler and kubelets imitated, and pods that
 * really run, as processes in namespaces of their own. No API server of Kubernetes can be had from the registries; this one
 * is held to the real thing by kubectl, which has to be able to drive it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiServer, type ApiServerOptions, deletePod } from "./api-server.ts";
import { type Image, Kubelet } from "./kubelet.ts";
import { Scheduler } from "./scheduler.ts";
import { type Change, Store, type Stored, setCondition } from "./store.ts";

export interface MockNode {
  readonly name: string;
  /** Quantities. */
  readonly cpu?: string;
  readonly memory?: string;
  readonly gpus?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly { key: string; value?: string; effect: string }[];
}

export interface MockOptions extends Partial<Omit<ApiServerOptions, "store" | "pods">> {
  readonly nodes: readonly MockNode[];
  readonly image?: (name: string) => Image;
  /** Of every container. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Between a node's silence and Kubernetes' word that it is lost: 40 s and 5 min in earnest. */
const NOTICED_AFTER_MS = 300;
const GIVEN_UP_AFTER_MS = 300;
const UNREACHABLE = "node.kubernetes.io/unreachable";

export class MockKubernetes implements AsyncDisposable {
  readonly store = new Store();
  readonly api: ApiServer;
  readonly folder = mkdtempSync(join(tmpdir(), "ck-"));
  readonly #kubelets = new Map<string, Kubelet>();
  readonly #scheduler: Scheduler;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #token: string | undefined;
  #addresses = 0;

  private constructor(options: MockOptions) {
    const { nodes, image = () => ({}), env = {}, ...api } = options;
    this.#token = api.token;
    this.#scheduler = new Scheduler(this.store, (pod, reason, message) =>
      this.#disrupt(pod, reason, message),
    );
    this.api = new ApiServer({
      ...{ store: this.store, bookmarkEveryMs: 1000, ...api },
      pods: {
        evict: (pod) => this.#disrupt(pod, "EvictionByEvictionAPI", "Eviction API: evicting"),
        log: (pod, container) => this.#kubeletOf(pod)?.logOf(pod, container),
        first: (pod, container) => this.#kubeletOf(pod)?.firstOf(pod, container),
        isLost: (pod) => this.#kubeletOf(pod)?.hasPower === false,
      },
    });
    this.store.orphaned = (plural, object) =>
      plural === "pods"
        ? void deletePod(this.store, object, undefined)
        : this.store.remove(plural, object);
    this.store.subscribe((change) => this.#changed(change));
    this.store.create("namespaces", undefined, { metadata: { name: "default" } });
    for (const node of nodes) {
      this.#kubelets.set(
        node.name,
        new Kubelet({
          ...{ store: this.store, node: node.name, image, env },
          folder: join(this.folder, node.name),
          newAddress: () => this.#newAddress(),
        }),
      );
      this.store.create("nodes", undefined, nodeObject(node));
    }
  }

  static async start(options: MockOptions): Promise<MockKubernetes> {
    const mock = new MockKubernetes(options);
    await mock.api.listen();
    return mock;
  }

  /** Any of this machine's own addresses can be listened on and reached. */
  #newAddress(): string {
    this.#addresses += 1;
    return `127.77.${Math.floor(this.#addresses / 250) + 1}.${(this.#addresses % 250) + 1}`;
  }

  #kubeletOf = (pod: Stored): Kubelet | undefined => this.#kubelets.get(pod.spec.nodeName);

  #changed({ type, plural, object }: Change): void {
    if (plural === "pods" || plural === "nodes") this.#scheduler.wake();
    if (plural !== "pods") return;
    const kubelet = this.#kubeletOf(object);
    if (type === "DELETED") kubelet?.drop(object);
    // Not within the change that is being told.
    else setImmediate(() => this.#look(object));
    if (object.spec.subdomain) for (const each of this.#kubelets.values()) each.refreshHosts();
  }

  #look({ metadata }: Stored): void {
    const current = this.store.get("pods", metadata.namespace, metadata.name);
    if (current?.metadata.uid === metadata.uid) this.#kubeletOf(current)?.look(current);
  }

  #disrupt(pod: Stored, reason: string, message: string): void {
    const marked = this.store.change("pods", pod, (next) =>
      setCondition(next, "DisruptionTarget", "True", reason, message),
    );
    if (marked !== undefined) deletePod(this.store, marked, undefined);
  }

  /** As a person or a program with `kubectl drain` does it. */
  evict(name: string): void {
    const pod = this.pod(name);
    this.#disrupt(pod, "EvictionByEvictionAPI", "Eviction API: evicting");
  }

  /** The node is short of memory or disk, and its kubelet ends the pod. */
  async evictByKubelet(name: string, message: string): Promise<void> {
    const pod = this.pod(name);
    await this.#kubeletOf(pod)?.evict(pod, message);
  }

  pod(name: string): Stored {
    const found = this.store.list("pods").find(({ metadata }) => metadata.name === name);
    if (found === undefined) throw new Error(`there is no pod ${name}`);
    return found;
  }

  /** As `kubectl cordon` and `uncordon` do it: what runs there goes on. */
  cordon(name: string, unschedulable = true): void {
    const node = this.store.get("nodes", undefined, name) as Stored;
    this.store.change("nodes", node, (next) => {
      next.spec.unschedulable = unschedulable;
    });
  }

  /** Everything on it is dead at once, and it tells nobody. */
  powerOff(name: string): void {
    this.#kubelet(name).powerOff();
    this.#later(NOTICED_AFTER_MS, () => {
      const node = this.store.get("nodes", undefined, name) as Stored;
      this.store.change("nodes", node, (next) => {
        setCondition(next, "Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting.");
        next.spec.taints = [...(next.spec.taints ?? []), { key: UNREACHABLE, effect: "NoExecute" }];
      });
      this.#later(GIVEN_UP_AFTER_MS, () => this.#giveUp(name));
    });
  }

  #giveUp(node: string): void {
    const lost = this.store.list("pods").filter(({ spec }) => spec.nodeName === node);
    for (const pod of lost)
      this.#disrupt(
        pod,
        "DeletionByTaintManager",
        "Taint manager: deleting due to NoExecute taint",
      );
  }

  powerOn(name: string): void {
    const node = this.store.get("nodes", undefined, name) as Stored;
    this.#kubelet(name).powerOn();
    this.store.change("nodes", node, (next) => {
      setCondition(next, "Ready", "True", "KubeletReady", "kubelet is posting ready status");
      next.spec.taints = (next.spec.taints ?? []).filter(
        ({ key }: { key: string }) => key !== UNREACHABLE,
      );
    });
  }

  #kubelet(name: string): Kubelet {
    const found = this.#kubelets.get(name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }

  /** A kubeconfig for it. @param user fields of its user @param cluster further fields of the cluster */
  kubeconfig(user: object = {}, cluster: object = {}): string {
    const path = join(this.folder, `config-${this.#addresses++}.yaml`);
    const token = this.#token === undefined ? {} : { token: this.#token };
    const config = {
      ...{ apiVersion: "v1", kind: "Config", "current-context": "mock" },
      clusters: [{ name: "mock", cluster: { server: this.api.url, ...cluster } }],
      users: [{ name: "mock", user: { ...token, ...user } }],
      contexts: [
        { name: "mock", context: { cluster: "mock", user: "mock", namespace: "default" } },
      ],
    };
    writeFileSync(path, JSON.stringify(config, null, 2), { mode: 0o600 });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.api.cut();
    for (const kubelet of this.#kubelets.values()) kubelet.powerOff();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function nodeObject({ name, cpu = "2", memory = "4Gi", gpus = 0, labels, taints }: MockNode) {
  const allocatable = {
    ...{ cpu, memory, pods: "110", "ephemeral-storage": "10Gi" },
    ...(gpus > 0 ? { "nvidia.com/gpu": String(gpus) } : {}),
  };
  const ready = { type: "Ready", status: "True", reason: "KubeletReady", message: "" };
  return {
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
    spec: { taints: [...(taints ?? [])] },
    status: { capacity: allocatable, allocatable, conditions: [ready] },
  };
}
