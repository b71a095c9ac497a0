/** Runs a mock cluster until Ctrl-C, for whoever wants to look at it with kubectl: `node e2e/engines/kubernetes-mock/main.ts`. */
import { missingForContainers } from "./containers.ts";
import { MockKubernetes } from "./mock-kubernetes.ts";

const missing = missingForContainers();
if (missing !== undefined) {
  console.error(missing);
  process.exit(1);
}
const nodes = ["k1", "k2", "k3"].map((name) => ({ name, cpu: "2", memory: "4Gi" }));
const mock = await MockKubernetes.start({ nodes });
console.log(`export KUBECONFIG=${mock.kubeconfig()}`);
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    void mock[Symbol.asyncDispose]().then(() => process.exit(0));
  });
