/** Kubernetes as an engine, on a mock of its API whose pods really run. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { realClock } from "../../src/base/real-clock.ts";
import type { JobEngine } from "../../src/engines/job-engine.ts";
import { kubernetesEngine } from "../../src/engines/kubernetes/kubernetes-engine.ts";
import { type JobStand, jobEngineContract } from "../../src/engines/test-job-engine.ts";
import { kubernetesPool } from "../../src/protocol/pools/fields.ts";
import { missingForContainers } from "./kubernetes-mock/containers.ts";
import { MockKubernetes } from "./kubernetes-mock/mock-kubernetes.ts";

jobEngineContract({
  engine: "kubernetes",
  skip: missingForContainers(),
  open: async () => await Stand.open(),
});

class Stand implements JobStand {
  readonly nodes = 3;
  readonly slotsPerNode = 2;
  readonly #mock: MockKubernetes;
  #others = 0;

  private constructor(mock: MockKubernetes) {
    this.#mock = mock;
  }

  static async open(): Promise<Stand> {
    const nodes = ["k1", "k2", "k3"].map((name) => ({ name, cpu: "2", memory: "4Gi" }));
    return new Stand(await MockKubernetes.start({ nodes }));
  }

  engine(): JobEngine {
    const settings = kubernetesPool.parse({
      ...{ engine: "kubernetes", image: "contrail:test", grace: 10 },
      kubeconfig: this.#mock.kubeconfig(),
    });
    return kubernetesEngine(settings, { clock: realClock, environment: process.env });
  }

  async folder(name: string): Promise<string> {
    const path = join(this.#mock.folder, "jobs", name);
    await mkdir(path, { recursive: true });
    return path;
  }

  async cutOff(): Promise<() => Promise<void>> {
    await this.#mock.api.cut();
    return () => this.#mock.api.listen();
  }

  async loseNode(node: string): Promise<() => Promise<void>> {
    this.#mock.powerOff(node);
    return async () => this.#mock.powerOn(node);
  }

  async preempt(owner: string, id: string): Promise<() => Promise<void>> {
    const victim = this.#mock.store
      .list("pods")
      .find(
        ({ metadata: { labels } }) =>
          labels?.["contrail.owner"] === owner && labels["contrail.allocation"] === id,
      );
    return await this.#pod({ priority: 1000, nodeName: undefined }, "2", victim?.spec.nodeName);
  }

  async foreign() {
    const name = `foreign-${this.#others}`;
    const end = await this.#pod({}, "100m");
    return { end, runs: async () => this.#mock.pod(name).status?.phase === "Running" };
  }

  /** Somebody else's. */
  async #pod(spec: object, cpu: string, node?: string): Promise<() => Promise<void>> {
    const name = `foreign-${this.#others++}`;
    const nodeSelector = node === undefined ? {} : { "kubernetes.io/hostname": node };
    const container = {
      ...{ name: "other", image: "other", command: ["sleep", "infinity"] },
      resources: { requests: { cpu } },
    };
    const path = `${this.#mock.api.url}/api/v1/namespaces/default/pods`;
    await fetch(path, {
      method: "POST",
      body: JSON.stringify({
        metadata: { name },
        spec: { ...spec, nodeSelector, restartPolicy: "Never", containers: [container] },
      }),
    });
    return async () => {
      await fetch(`${path}/${name}?gracePeriodSeconds=0`, { method: "DELETE" });
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#mock[Symbol.asyncDispose]();
  }
}
