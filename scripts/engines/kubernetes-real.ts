/**
 * The contract of engines on the cluster that a kubeconfig names: `node scripts/engines/kubernetes-real.ts --image IMAGE`.
 *
 * Each node gives one slot, of more than half the cores of the smallest, so that two never fit on one; they have to be
 * idle, or what waits for all of them waits for ever. The API is cut off by a proxy on this machine, and a pod makes room because
 * the API evicts it. Only the power of a node cannot be taken from here.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { TcpProxy } from "../../e2e/faults/tcp-proxy.ts";
import { realClock } from "../../src/base/real-clock.ts";
import type { JobEngine } from "../../src/engines/job-engine.ts";
import { kubernetesEngine } from "../../src/engines/kubernetes/kubernetes-engine.ts";
import { whyNot } from "../../src/engines/kubernetes/nodes.ts";
import type { Node, Pod } from "../../src/engines/kubernetes/objects.ts";
import { parseQuantity } from "../../src/engines/kubernetes/quantity.ts";
import { type JobStand, jobEngineContract } from "../../src/engines/test-job-engine.ts";
import { kubernetesPool } from "../../src/protocol/pools/fields.ts";

const USAGE =
  "usage: node scripts/engines/kubernetes-real.ts --image IMAGE [--context NAME] [--namespace NAME]\n" +
  "IMAGE needs sh and nothing else (busybox will do). At least two nodes have to be idle.";

const { values } = parseArgs({
  options: {
    image: { type: "string" },
    context: { type: "string" },
    namespace: { type: "string", default: "default" },
    help: { type: "boolean" },
  },
});
if (values.help || values.image === undefined) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}
const { image, namespace } = values;
const context = values.context === undefined ? [] : ["--context", values.context];

const kubectl = (args: readonly string[], input?: object): string =>
  execFileSync("kubectl", [...context, "-n", namespace, ...args], {
    encoding: "utf8",
    ...(input === undefined ? {} : { input: JSON.stringify(input) }),
  });

class RealStand implements JobStand {
  readonly slotsPerNode = 1;
  readonly nodes: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "contrail-kubernetes-"));
  readonly #kubeconfig = join(this.#folder, "config");
  readonly #proxy: TcpProxy;
  readonly #cores: number;
  #others = 0;

  constructor(proxy: TcpProxy, config: Config, nodes: readonly Node[]) {
    this.#proxy = proxy;
    this.nodes = nodes.length;
    const cores = nodes.map(({ status }) => parseQuantity(status?.allocatable?.cpu ?? "0") ?? 0);
    this.#cores = Math.floor(Math.min(...cores) * 0.55 * 1000) / 1000;
    const cluster = config.clusters[0]?.cluster as Record<string, unknown>;
    const server = new URL(String(cluster.server));
    cluster["tls-server-name"] ??= server.hostname;
    cluster.server = proxy.url.replace("http:", server.protocol);
    writeFileSync(this.#kubeconfig, JSON.stringify(config), { mode: 0o600 });
  }

  static async open(): Promise<RealStand> {
    const read = ["config", "view", "--raw", "--minify", "--flatten", "-o", "json"];
    const config = JSON.parse(kubectl(read)) as Config;
    const server = new URL(String(config.clusters[0]?.cluster.server));
    const port = Number(server.port || (server.protocol === "https:" ? 443 : 80));
    const proxy = await TcpProxy.open(() => ({ host: server.hostname, port }));
    const { items } = JSON.parse(kubectl(["get", "nodes", "-o", "json"])) as { items: Node[] };
    const able = items.filter(
      (node) => whyNot(node, { nodeSelector: {}, tolerations: [] }) === undefined,
    );
    return new RealStand(proxy, config, able);
  }

  engine(): JobEngine {
    const settings = kubernetesPool.parse({
      ...{ engine: "kubernetes", image, namespace, grace: 5, kubeconfig: this.#kubeconfig },
      ...{ slots: this.nodes, slots_per_node: 1, cpus_per_slot: this.#cores },
    });
    return kubernetesEngine(settings, { clock: realClock, environment: process.env });
  }

  async folder(name: string): Promise<string> {
    const path = join(this.#folder, name);
    await mkdir(path, { recursive: true });
    return path;
  }

  async cutOff(): Promise<() => Promise<void>> {
    this.#proxy.become("cut");
    return async () => this.#proxy.become("open");
  }

  loseNode(): Promise<never> {
    throw new Error("a node of somebody's cluster is not switched off");
  }

  async preempt(owner: string, id: string): Promise<() => Promise<void>> {
    const labels = `contrail.owner=${owner},contrail.allocation=${id}`;
    const { items } = JSON.parse(kubectl(["get", "pods", "-l", labels, "-o", "json"])) as {
      items: Pod[];
    };
    const name = items[0]?.metadata.name ?? "";
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
    kubectl(["create", "--raw", path, "-f", "-"], eviction);
    return async () => {};
  }

  async foreign() {
    const name = `contrail-contract-${process.pid}-${this.#others++}`;
    const container = { name: "other", image, command: ["sleep", "100000"] };
    kubectl(["create", "--validate=false", "-f", "-"], {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: { restartPolicy: "Never", containers: [container] },
    });
    return {
      runs: async () =>
        kubectl(["get", "pod", name, "-o", "jsonpath={.metadata.deletionTimestamp}"]) === "",
      end: async () => void kubectl(["delete", "pod", name, "--grace-period=0", "--force"]),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const owner of ["contract", "neighbour"])
      kubectl(["delete", "configmaps", "-l", `contrail.owner=${owner}`]);
    await this.#proxy[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true });
  }
}

interface Config {
  readonly clusters: readonly { readonly cluster: Record<string, unknown> }[];
}

jobEngineContract({
  engine: `kubernetes, ${kubectl(["config", "view", "--minify", "-o", "jsonpath={.current-context}"])}`,
  skip: undefined,
  powered: "nodes of somebody's cluster are not switched off",
  open: () => RealStand.open(),
});
