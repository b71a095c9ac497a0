/** An engine on a mock of Kubernetes, and jobs on it. Closed, it proves that nothing of the pods runs any more. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { realClock } from "../../src/base/real-clock.ts";
import type {
  JobEnd,
  JobEngine,
  JobObservation,
  JobRequest,
} from "../../src/engines/job-engine.ts";
import { kubernetesEngine } from "../../src/engines/kubernetes/kubernetes-engine.ts";
import { kubernetesPool } from "../../src/protocol/pools/fields.ts";
import { until } from "../support.ts";
import { MockKubernetes, type MockOptions } from "./kubernetes-mock/mock-kubernetes.ts";
import type { Stored } from "./kubernetes-mock/store.ts";

/** Says that it runs, and ends when it is told to. */
export const LISTENS = `
trap 'echo told; exit 0' TERM
echo ready
while :; do sleep 0.1; done`;

export class KubernetesBench implements AsyncDisposable {
  readonly mock: MockKubernetes;
  readonly engine: JobEngine;
  readonly #engines: JobEngine[] = [];
  readonly #settings: object;
  #jobs = 0;

  private constructor(mock: MockKubernetes, settings: object) {
    this.mock = mock;
    this.#settings = settings;
    this.engine = this.another();
  }

  static async open(
    settings: object = {},
    options: Partial<MockOptions> = {},
  ): Promise<KubernetesBench> {
    const nodes = options.nodes ?? ["k1", "k2"].map((name) => ({ name, cpu: "2" }));
    return new KubernetesBench(await MockKubernetes.start({ ...options, nodes }), settings);
  }

  /** As a server that starts again makes one. */
  another(settings: object = {}): JobEngine {
    const pool = kubernetesPool.parse({
      ...{ engine: "kubernetes", image: "contrail:test", grace: 10 },
      kubeconfig: this.mock.kubeconfig(),
      ...this.#settings,
      ...settings,
    });
    const engine = kubernetesEngine(pool, { clock: realClock, environment: process.env });
    this.#engines.push(engine);
    return engine;
  }

  /** @param command a script for sh, or argv */
  async request(
    command: string | readonly string[],
    more: Partial<JobRequest> = {},
    files: Readonly<Record<string, string>> = {},
  ): Promise<JobRequest> {
    this.#jobs += 1;
    const id = `1.${this.#jobs}.1`;
    const folder = join(this.mock.folder, "jobs", id);
    await mkdir(folder, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return {
      ...{ id, owner: "bench", title: `job ${id}`, nodes: 1, slotsPerNode: 1, folder },
      command: typeof command === "string" ? ["/bin/sh", "-c", command] : command,
      ...{ environment: {}, files: Object.keys(files), extra: {}, ...more },
    };
  }

  async launch(...args: Parameters<KubernetesBench["request"]>): Promise<JobRequest> {
    const job = await this.request(...args);
    assert.deepEqual(await this.engine.launch(job), { adopted: false });
    return job;
  }

  /** Launched, and every node of it has said that it is ready. */
  async ready(...args: Parameters<KubernetesBench["request"]>): Promise<JobRequest> {
    const job = await this.launch(...args);
    await until(`${job.id} is ready`, async () => {
      const output = await this.engine.output(job);
      return output.split("ready").length - 1 === job.nodes;
    });
    await this.seen(job, "running");
    return job;
  }

  async look({ owner, id }: JobRequest, engine = this.engine): Promise<JobObservation | undefined> {
    return (await engine.list(owner)).get(id);
  }

  async seen<S extends JobObservation["state"]>(
    job: JobRequest,
    state: S,
    engine = this.engine,
  ): Promise<JobObservation & { state: S }> {
    let last: JobObservation | undefined;
    return await until(
      `${job.id} is ${state}`,
      async () => {
        last = await this.look(job, engine);
        return last?.state === state ? (last as JobObservation & { state: S }) : undefined;
      },
      { state: () => last },
    );
  }

  async ended(job: JobRequest, engine = this.engine): Promise<JobEnd> {
    return (await this.seen(job, "ended", engine)).end;
  }

  pods(job: JobRequest): Stored[] {
    return this.#labelled("pods", job);
  }

  podName(job: JobRequest, rank = 0): string {
    const found = this.pods(job).find(
      ({ metadata }) => metadata.labels?.["contrail.rank"] === String(rank),
    );
    assert.ok(found, `job ${job.id} has a pod of rank ${rank}`);
    return found.metadata.name;
  }

  #labelled(plural: "pods" | "secrets" | "services" | "configmaps", { id }: JobRequest): Stored[] {
    return this.mock.store
      .list(plural)
      .filter(({ metadata }) => metadata.labels?.["contrail.allocation"] === id);
  }

  /** Kinds of which anything of the job is there. */
  left(job: JobRequest): string[] {
    const kinds = ["pods", "secrets", "services", "configmaps"] as const;
    return kinds.filter((plural) => this.#labelled(plural, job).length > 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const engine of this.#engines) await engine.close();
    await this.mock[Symbol.asyncDispose]();
  }
}
