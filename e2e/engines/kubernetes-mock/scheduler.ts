/**
 * Places pods on nodes by what they ask for, and says why it cannot in the words that Kubernetes' scheduler uses. Who has a priority
 * takes the place of those who have less.
 */
import { parseQuantity } from "../../../src/engines/kubernetes/quantity.ts";
import { now, type Store, type Stored, setCondition } from "./store.ts";

type Resources = Readonly<Record<string, number>>;

export class Scheduler {
  readonly #store: Store;
  readonly #evict: (pod: Stored, reason: string, message: string) => void;
  #due = false;

  constructor(store: Store, evict: (pod: Stored, reason: string, message: string) => void) {
    this.#store = store;
    this.#evict = evict;
  }

  /** Soon: several changes at a time are one round. */
  wake(): void {
    if (this.#due) return;
    this.#due = true;
    setImmediate(() => {
      this.#due = false;
      this.#round();
    });
  }

  #round(): void {
    const waiting = this.#store
      .list("pods")
      .filter(({ spec, metadata }) => !spec.nodeName && metadata.deletionTimestamp === undefined)
      .sort((a, b) => priorityOf(b) - priorityOf(a) || versionOf(a) - versionOf(b));
    for (const pod of waiting) this.#place(pod);
  }

  #place(pod: Stored): void {
    const nodes = this.#store.list("nodes");
    const whys = new Map<string, number>();
    for (const node of nodes) {
      const why = this.#whyNot(pod, node, []);
      if (why === undefined) {
        this.#bind(pod, node);
        return;
      }
      whys.set(why, (whys.get(why) ?? 0) + 1);
    }
    const list = [...whys].map(([why, count]) => `${count} ${why}`).join(", ");
    const message = `0/${nodes.length} nodes are available: ${list}.`;
    const said = pod.status?.conditions?.find((c: { type: string }) => c.type === "PodScheduled");
    if (said?.message !== message) {
      const told = this.#store.change("pods", pod, (next) =>
        setCondition(next, "PodScheduled", "False", "Unschedulable", message),
      );
      if (told !== undefined) this.#event(told, message);
    }
    if (priorityOf(pod) > 0) this.#preempt(pod, nodes);
  }

  #bind(pod: Stored, node: Stored): void {
    this.#store.change("pods", pod, (next) => {
      next.spec.nodeName = node.metadata.name;
      setCondition(next, "PodScheduled", "True", "", "");
    });
  }

  #preempt(pod: Stored, nodes: readonly Stored[]): void {
    for (const node of nodes) {
      const less = this.#on(node).filter((other) => priorityOf(other) < priorityOf(pod));
      if (less.length === 0 || this.#whyNot(pod, node, less) !== undefined) continue;
      const victims: Stored[] = [];
      for (const other of less) {
        if (this.#whyNot(pod, node, victims) === undefined) break;
        victims.push(other);
      }
      for (const victim of victims)
        if (victim.metadata.deletionTimestamp === undefined)
          this.#evict(
            victim,
            "PreemptionByScheduler",
            "default-scheduler: preempting to accommodate a higher priority pod",
          );
      return;
    }
  }

  /** @param without pods that are thought away */
  #whyNot(pod: Stored, node: Stored, without: readonly Stored[]): string | undefined {
    if (node.spec?.unschedulable) return "node(s) were unschedulable";
    for (const taint of node.spec?.taints ?? []) {
      const tolerated = (pod.spec.tolerations ?? []).some(
        (t: { key?: string; operator?: string }) =>
          t.key === taint.key || (t.key === undefined && t.operator === "Exists"),
      );
      if (!tolerated) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`;
    }
    for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {}))
      if (node.metadata.labels?.[key] !== value)
        return "node(s) didn't match Pod's node affinity/selector";
    const there = this.#on(node).filter(
      (other) => !without.some(({ metadata }) => metadata.uid === other.metadata.uid),
    );
    const rules =
      pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    for (const { labelSelector } of rules)
      if (there.some((other) => hasLabels(other, labelSelector?.matchLabels ?? {})))
        return "node(s) didn't match pod anti-affinity rules";
    const used = there.map(requestsOf);
    for (const [name, amount] of Object.entries({ ...requestsOf(pod), pods: 1 })) {
      const has = parseQuantity(node.status?.allocatable?.[name] ?? "0") ?? 0;
      const taken = used.reduce((sum, each) => sum + (name === "pods" ? 1 : (each[name] ?? 0)), 0);
      if (taken + amount > has + 1e-9)
        return name === "pods" ? "Too many pods" : `Insufficient ${name}`;
    }
    return undefined;
  }

  /** What still holds its room there. */
  #on(node: Stored): Stored[] {
    return this.#store
      .list("pods")
      .filter(
        ({ spec, status }) =>
          spec.nodeName === node.metadata.name &&
          !["Succeeded", "Failed"].includes(status?.phase ?? ""),
      );
  }

  #event(pod: Stored, message: string): void {
    const { name, namespace, uid } = pod.metadata;
    this.#store.create("events", namespace, {
      metadata: { name: `${name}.${this.#store.version.toString(16)}`, namespace },
      involvedObject: { kind: "Pod", apiVersion: "v1", name, namespace, uid },
      ...{ type: "Warning", reason: "FailedScheduling", message },
      ...{ source: { component: "default-scheduler" }, count: 1 },
      ...{ firstTimestamp: now(), lastTimestamp: now() },
    });
  }
}

const versionOf = ({ metadata }: Stored): number => Date.parse(metadata.creationTimestamp);
const priorityOf = ({ spec }: Stored): number => spec.priority ?? 0;

const hasLabels = (pod: Stored, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(labels).every(([key, value]) => pod.metadata.labels?.[key] === value);

/** What is limited and not asked for is asked for. */
function requestsOf(pod: Stored): Resources {
  const sums: Record<string, number> = {};
  for (const { resources = {} } of pod.spec.containers)
    for (const [name, value] of Object.entries({ ...resources.limits, ...resources.requests }))
      sums[name] = (sums[name] ?? 0) + (parseQuantity(String(value)) ?? 0);
  return sums;
}
