/** What a pool has in its cluster, and which jobs could never run there. */
import type { Clock } from "../../base/clock.ts";
import type { KubernetesPool } from "../../protocol/pools/fields.ts";
import { EngineUnreachable, type JobCapacity, JobRefused, type JobRequest } from "../job-engine.ts";
import { ApiFault, type KubernetesApi, type Query } from "./api.ts";
import { clusterCapacity, type Placement, type SlotMeasure } from "./nodes.ts";
import type { KubernetesList, Node } from "./objects.ts";

const BELIEVED_MS = 30_000;
const PAGE = 500;

export class ClusterSlots {
  readonly #api: KubernetesApi;
  readonly #clock: Clock;
  readonly #settings: KubernetesPool;
  #known: { readonly value: JobCapacity; readonly atMs: number } | undefined;

  constructor(api: KubernetesApi, clock: Clock, settings: KubernetesPool) {
    this.#api = api;
    this.#clock = clock;
    this.#settings = settings;
  }

  /** @throws EngineUnreachable, ApiFault */
  async capacity(): Promise<JobCapacity> {
    const value = await this.#ask();
    this.#known = { value, atMs: this.#clock.monotonicMs() };
    return value;
  }

  async #ask(): Promise<JobCapacity> {
    const { slots, slots_per_node: perNode } = this.#settings;
    const found = await this.#found();
    if (slots === null)
      return {
        ...found,
        slotsPerNode: Math.min(perNode ?? Number.POSITIVE_INFINITY, found.slotsPerNode),
      };
    // Nodes may come when they are needed: what the pool says holds, whatever there is now.
    const largest = found.slotsPerNode > 0 ? found.slotsPerNode : slots;
    const slotsPerNode = Math.min(slots, perNode ?? largest);
    const nodes = Math.ceil(slots / slotsPerNode);
    return {
      ...found,
      slots,
      slotsPerNode,
      nodes,
      reason: `The pool says ${slots}. ${found.reason}`,
    };
  }

  async #found(): Promise<JobCapacity> {
    const { slot_type, gpu_resource, cpus_per_slot, memory_per_slot, pod_spec } = this.#settings;
    const measure: SlotMeasure = {
      kind: slot_type,
      gpuResource: gpu_resource,
      cpusPerSlot: cpus_per_slot,
      memoryPerSlot: memory_per_slot,
    };
    const { nodeSelector = {}, tolerations = [] } = (pod_spec.spec ?? {}) as Partial<Placement>;
    try {
      return clusterCapacity(await this.#nodes(), measure, { nodeSelector, tolerations });
    } catch (error) {
      // Nodes belong to the whole cluster, and not everybody may look at them.
      if (!(error instanceof ApiFault && error.code === 403)) throw error;
      if (this.#settings.slots === null)
        throw new EngineUnreachable(
          `${error.message}. Grant it (docs/kubernetes.md), or say in the pool what there is: slots and slots_per_node.`,
        );
      return {
        ...clusterCapacity([], measure, { nodeSelector, tolerations }),
        reason: "Its nodes may not be listed.",
      };
    }
  }

  async #nodes(): Promise<Node[]> {
    const nodes: Node[] = [];
    let next: string | undefined;
    do {
      const query: Query = { limit: PAGE, ...(next ? { continue: next } : {}) };
      const page: KubernetesList<Node> = await this.#api.json({
        ...{ method: "GET" as const, path: "/api/v1/nodes", query },
      });
      nodes.push(...page.items);
      next = page.metadata.continue;
    } while (next);
    return nodes;
  }

  /** Kubernetes would take it and let it wait for ever. @throws JobRefused, EngineUnreachable, ApiFault */
  async refuseTooLarge(request: JobRequest): Promise<void> {
    const known = this.#known;
    const isFresh = known !== undefined && this.#clock.monotonicMs() - known.atMs < BELIEVED_MS;
    const has = isFresh ? known.value : await this.capacity();
    const fits =
      request.nodes <= has.nodes &&
      request.slotsPerNode <= has.slotsPerNode &&
      request.nodes * request.slotsPerNode <= has.slots;
    if (fits) return;
    const each = request.nodes > 1 ? `on each of ${request.nodes} nodes` : "on one node";
    throw new JobRefused(
      `job ${request.id} needs ${request.slotsPerNode} slots (${has.device}) ${each}; the cluster has ${has.slots} on ${has.nodes} nodes, at most ${has.slotsPerNode} on one. ${has.reason}`,
      has.slots === 0 ? null : `at most ${has.nodes} nodes with ${has.slotsPerNode} slots each`,
    );
  }
}
